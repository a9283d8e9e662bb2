//! What can be typed about following a git repository.

use clap::{Args, Subcommand};
use mantyx_core::AppName;

use crate::values::ModeChoice;

#[derive(Clone, Debug, Args)]
pub(crate) struct TrackArgs {
    /// The app's name
    pub(crate) app: AppName,
    /// What is done when there is a newer commit
    #[arg(long, value_enum)]
    pub(crate) mode: Option<ModeChoice>,
    /// A cron line such as `0 4 * * *` that says when somebody looks; `""` for never
    #[arg(long, value_name = "LINE")]
    pub(crate) schedule: Option<String>,
    /// The branch or tag that is followed; `""` for the one that the active release came from
    #[arg(long = "ref", value_name = "REF")]
    pub(crate) reference: Option<String>,
    /// Follow it no more; its webhook goes too
    #[arg(long, conflicts_with_all = ["mode", "schedule", "reference"])]
    pub(crate) off: bool,
    /// Look now, and do what the mode says
    #[arg(long, conflicts_with_all = ["mode", "schedule", "reference", "off"])]
    pub(crate) check: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HookArgs {
    #[command(subcommand)]
    pub(crate) command: HookCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum HookCommand {
    /// Make the webhook of an app that is followed, or give it another secret, and print its address, this once
    Create {
        /// The app's name
        app: AppName,
    },
    /// Remove the webhook of an app
    Rm {
        /// The app's name
        app: AppName,
    },
}
