//! What can be typed about an app's own files.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mantyx_core::{AppName, RelativePath};

#[derive(Clone, Debug, Args)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    pub(crate) command: DataCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// List what is in a folder
    Ls {
        /// The app's name
        app: AppName,
        /// The folder; all of the app's own files when not given
        path: Option<RelativePath>,
    },
    /// Print a file, or write it to one of this machine
    Get {
        /// The app's name
        app: AppName,
        /// Where the file is among the app's own
        path: RelativePath,
        /// The file to be made; printed when not given
        file: Option<PathBuf>,
    },
    /// Put a file in the place of the one that is there, in one step; folders on the way are made
    Put {
        /// The app's name
        app: AppName,
        /// Where the file is to be among the app's own
        path: RelativePath,
        /// The file of this machine
        file: PathBuf,
    },
    /// Remove a file or a folder
    Rm {
        /// The app's name
        app: AppName,
        /// Where it is among the app's own files
        path: RelativePath,
        /// Remove a folder with all that is in it
        #[arg(long, short)]
        recursive: bool,
    },
}
