//! What can be typed about the settings of Mantyx.

use clap::{Args, Subcommand};

#[derive(Clone, Debug, Args)]
pub(crate) struct SettingsArgs {
    /// They are listed when nothing is to be changed
    #[command(subcommand)]
    pub(crate) command: Option<SettingsCommand>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SettingsCommand {
    /// Change a setting while Mantyx runs, and in its settings file
    Set {
        /// Its name, as `mantyx settings` shows it
        name: String,
        /// Its value, such as `30 days`
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Give a setting its default again
    Unset {
        /// Its name, as `mantyx settings` shows it
        name: String,
    },
}
