//! What can be typed about releases: going from one to another, and looking at them.

use clap::Args;
use mantyx_core::{AppName, RelativePath};

use super::{ConfigurationArgs, GitArgs};

#[derive(Clone, Debug, Args)]
pub(crate) struct UpdateArgs {
    /// The app's name
    pub(crate) app: AppName,
    /// A folder, a `.py` file, an archive, or the address of a git repository; the repository that the app came from
    /// when not given. What the `mantyx.toml` of a folder says of the configuration is taken into use with the code
    pub(crate) source: Option<String>,
    #[command(flatten)]
    pub(crate) git: GitArgs,
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArgs,
    /// Keep the code, and take the newest packages that it allows
    #[arg(long, conflicts_with_all = ["source", "git", "configuration"])]
    pub(crate) dependencies: bool,
    /// Only show by which commits the git repository is ahead
    #[arg(
        long,
        conflicts_with_all = ["source", "git", "configuration", "dependencies"]
    )]
    pub(crate) check: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The app's name
    pub(crate) app: AppName,
    /// The release to go back to; the newest before the active one when not given
    #[arg(long, value_name = "RELEASE")]
    pub(crate) to: Option<u32>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ReleasesArgs {
    /// The app's name
    pub(crate) app: AppName,
    /// The release whose files are listed; all releases when not given
    pub(crate) release: Option<u32>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DiffArgs {
    /// The app's name
    pub(crate) app: AppName,
    /// The release to begin with
    pub(crate) from: u32,
    /// The release to compare it with; the active one when not given
    pub(crate) to: Option<u32>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CatArgs {
    /// The app's name
    pub(crate) app: AppName,
    /// Where the file is in the source
    pub(crate) path: RelativePath,
    /// The release; the active one when not given
    #[arg(long, value_name = "RELEASE")]
    pub(crate) release: Option<u32>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DependenciesArgs {
    /// The app's name
    pub(crate) app: AppName,
    /// Ask the index which packages have a newer version
    #[arg(long)]
    pub(crate) outdated: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RenameArgs {
    /// The app's name
    pub(crate) app: AppName,
    /// Its new name
    #[arg(value_name = "NEW_NAME")]
    pub(crate) name: AppName,
}
