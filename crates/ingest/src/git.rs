//! A commit of a git repository becomes a source.
//!
//! The repository is fetched by libgit2, as little of it as the other side allows, and the files of the commit
//! are handed to the unpacker one by one: there is no checkout, so no hook, no filter and no submodule of the
//! repository has a say, and what is refused in an archive is refused here too.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use git2::Repository;
use mantyx_core::{Error, Origin, RelativePath, Result};
use mantyx_platform::{folders, programs};

use crate::limits::Limits;
use crate::unpack::{Unpacker, Wrapping, discard};
use crate::{Staged, inspect};

mod address;
mod fetch;
mod https;
mod ssh;
mod stop;
mod transport;
mod tree;
mod version;

use address::Address;
use stop::Stop;

/// How long a fetch may take in all. A repository that needs longer is too large for what limits let in.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// What to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitRequest {
    /// Where the repository is: `https://`, `ssh://`, `file://`, or `user@host:path`.
    pub url: String,
    /// A branch, a tag or a commit; the default branch when not given.
    pub reference: Option<String>,
    /// The folder of the repository that is the app; all of it when not given.
    pub subdir: Option<RelativePath>,
}

/// From where a repository may come.
///
/// One of this machine is read by Mantyx itself and with its rights, which may be those of root: whoever may import it
/// may read every repository here, whomever it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From other machines only.
    Network,
    /// From this machine too.
    ThisMachine,
}

/// Fetches a commit and puts its files into an empty staging folder. It ends early when `cancel` becomes true.
///
/// # Errors
/// `forbidden` where the repository is not within `reach`.
pub fn git(
    request: &GitRequest,
    reach: Reach,
    staging: &Path,
    limits: &Limits,
    cancel: &AtomicBool,
) -> Result<Staged> {
    let address = Address::parse(&request.url)?;
    address.refuse_beyond(reach)?;
    let fetch = Fetch { request, address, staging, limits, ssh: programs::find("ssh") };
    fetch.run(cancel)
}

/// One fetch with everything that it needs.
struct Fetch<'a> {
    request: &'a GitRequest,
    address: Address,
    staging: &'a Path,
    limits: &'a Limits,
    /// The program that speaks SSH.
    ssh: Option<PathBuf>,
}

impl Fetch<'_> {
    fn run(&self, cancel: &AtomicBool) -> Result<Staged> {
        Stop::watch(cancel, LIMIT, |stop| self.stage(stop)).inspect_err(|_| discard(self.staging))
    }

    fn stage(&self, stop: &Stop) -> Result<Staged> {
        let place = self.staging.join("repository");
        let repository = Repository::init_bare(&place)
            .map_err(|error| Error::internal(format!("make a repository in `{}`", place.display()), error))?;
        let fetched = transport::with(&self.address, stop, self.ssh.clone(), || {
            fetch::fetch(&repository, &self.address, self.request.reference.as_deref(), self.limits, stop)
        })?;
        let scm_version = version::of(&repository, &fetched);
        let mut unpacker = Unpacker::new(self.staging, self.limits, None)?;
        let commit = fetched.commit;
        tree::unpack(&repository, commit, self.request.subdir.as_ref(), self.limits, stop, &mut unpacker)?;
        drop(repository);
        folders::remove(&place)?;
        let source = unpacker.finish(Wrapping::Keep)?;
        let found = inspect::inspect(&source.folder, self.suggested_name(), source.warnings)?;
        let origin = Origin::Git {
            url: self.address.shown().to_owned(),
            reference: self.request.reference.clone(),
            commit: commit.to_string(),
            subdir: self.request.subdir.clone(),
        };
        Ok(Staged { folder: source.folder, found, origin, scm_version })
    }

    fn suggested_name(&self) -> &str {
        match &self.request.subdir {
            Some(subdir) => subdir.file_name(),
            None => self.address.name(),
        }
    }
}

#[cfg(test)]
mod tests;
