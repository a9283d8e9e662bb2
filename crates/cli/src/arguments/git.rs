//! What can be typed about a git repository, wherever code may come from one.

use clap::Args;
use mantyx_core::{Code, Error, RelativePath, SecretName};

/// Which code of a repository. As a group it can be excluded as a whole.
#[derive(Clone, Debug, Args)]
#[group(id = "git", multiple = true)]
pub(crate) struct GitArgs {
    /// A branch, a tag or a commit of the git repository
    #[arg(long = "ref", value_name = "REF")]
    pub(crate) reference: Option<String>,
    /// The folder of the git repository that is the app
    #[arg(long, value_name = "FOLDER")]
    pub(crate) subdir: Option<RelativePath>,
    /// The secret that opens a private git repository; where an app is updated, the one that it was fetched with when not
    /// given
    #[arg(long, value_name = "SECRET")]
    pub(crate) credential: Option<SecretName>,
    /// Fetch the git repositories that are parts of it too
    #[arg(long, conflicts_with = "no_submodules")]
    pub(crate) submodules: bool,
    /// Leave them out; where an app is updated, it is as it was when neither is given
    #[arg(long)]
    pub(crate) no_submodules: bool,
}

impl GitArgs {
    /// What was said about submodules, if anything.
    pub(crate) fn submodules(&self) -> Option<bool> {
        (self.submodules || self.no_submodules).then_some(self.submodules)
    }

    /// Refuses what is said about a git repository where there is none.
    pub(crate) fn refuse(&self) -> mantyx_core::Result<()> {
        let flags = [
            ("--ref", self.reference.is_some()),
            ("--subdir", self.subdir.is_some()),
            ("--credential", self.credential.is_some()),
            ("--submodules", self.submodules),
            ("--no-submodules", self.no_submodules),
        ];
        let Some((flag, _)) = flags.into_iter().find(|(_, given)| *given) else { return Ok(()) };
        let detail = format!("{flag} is about a git repository, and this is none");
        Err(Error::new(Code::Invalid, detail).hint("Leave it out, or give an address"))
    }
}
