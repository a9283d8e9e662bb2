//! What can be typed about backups.

use clap::{Args, Subcommand};
use mantyx_core::{AppName, BackupId};

#[derive(Clone, Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(subcommand)]
    pub(crate) command: BackupCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Make a backup: code, packages, configuration and schedules
    Create {
        /// The app's name
        app: AppName,
        /// Keep the app's own files too. What is written to them meanwhile may be kept in part
        #[arg(long)]
        data: bool,
    },
    /// List the backups of an app
    Ls {
        /// The app's name
        app: AppName,
    },
    /// Take what a backup kept into use again
    Restore {
        /// The app's name
        app: AppName,
        /// Its id, as `backup ls` shows it
        backup: BackupId,
        /// Replace the app's own files too, by those that were kept
        #[arg(long)]
        data: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Remove a backup for good
    Rm {
        /// The app's name
        app: AppName,
        /// Its id, as `backup ls` shows it
        backup: BackupId,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}
