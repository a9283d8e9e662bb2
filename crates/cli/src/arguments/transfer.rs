//! What can be said of exports and imports.

use std::path::PathBuf;

use clap::Args;

#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    /// Where it is written to; `mantyx-DATE.tar.gz` when not given
    pub(crate) file: Option<PathBuf>,
    /// Take the logs of apps along
    #[arg(long)]
    pub(crate) logs: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ImportArgs {
    /// What `mantyx export` has written
    pub(crate) file: PathBuf,
}
