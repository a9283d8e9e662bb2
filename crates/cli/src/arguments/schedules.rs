//! What can be typed about schedules.

use clap::{ArgGroup, Args, Subcommand};
use mantyx_core::AppName;

use crate::values::{CatchUpChoice, OverlapChoice, seconds};

#[derive(Clone, Debug, Args)]
pub(crate) struct ScheduleArgs {
    #[command(subcommand)]
    pub(crate) command: ScheduleCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// List schedules
    Ls {
        /// The app's name; all apps when not given
        app: Option<AppName>,
    },
    /// Give an app another schedule
    Add(ScheduleAddArgs),
    /// Change what a schedule says
    Set(ScheduleSetArgs),
    /// Let a schedule start runs again
    On(ScheduleWhich),
    /// Let a schedule start nothing until it is on again
    Off(ScheduleWhich),
    /// Remove a schedule
    Rm(ScheduleWhich),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ScheduleWhich {
    /// Its id, as `schedule ls` shows it, or the name of an app that has one schedule
    pub(crate) schedule: String,
}

#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("time").required(true))]
pub(crate) struct ScheduleAddArgs {
    /// The app's name
    pub(crate) app: AppName,
    /// A cron line such as `30 8 * * 1-5`
    #[arg(long, group = "time")]
    pub(crate) cron: Option<String>,
    /// A distance such as `90`, `15min` or `2h`
    #[arg(long, group = "time", value_name = "TIME", value_parser = seconds)]
    pub(crate) every: Option<u64>,
    /// What people call it
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The IANA time zone; the daemon's own when not given
    #[arg(long)]
    pub(crate) timezone: Option<String>,
    /// Run once for all runs that fell due while Mantyx was down
    #[arg(long)]
    pub(crate) catch_up: bool,
    /// Run beside a run that is still going, instead of skipping
    #[arg(long)]
    pub(crate) parallel: bool,
}

#[derive(Clone, Debug, Default, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
pub(crate) struct ScheduleSetArgs {
    /// Its id, as `schedule ls` shows it, or the name of an app that has one schedule
    pub(crate) schedule: String,
    /// A cron line such as `30 8 * * 1-5`
    #[arg(long, group = "change", conflicts_with = "every")]
    pub(crate) cron: Option<String>,
    /// A distance such as `90`, `15min` or `2h`
    #[arg(long, group = "change", value_name = "TIME", value_parser = seconds)]
    pub(crate) every: Option<u64>,
    /// What people call it
    #[arg(long, group = "change")]
    pub(crate) name: Option<String>,
    /// The IANA time zone
    #[arg(long, group = "change")]
    pub(crate) timezone: Option<String>,
    /// What happens to runs that fell due while Mantyx was down
    #[arg(long, group = "change", value_enum, value_name = "WHICH")]
    pub(crate) catch_up: Option<CatchUpChoice>,
    /// What happens to a run that falls due while another is going
    #[arg(long, group = "change", value_enum, value_name = "HOW")]
    pub(crate) overlap: Option<OverlapChoice>,
}
