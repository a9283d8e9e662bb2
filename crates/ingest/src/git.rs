//! A commit of a git repository becomes a source.
//!
//! The repository is fetched by libgit2, as little of it as the other side allows, and the files of the commit
//! are handed to the unpacker one by one: there is no checkout, so no hook and no filter of the repository has a
//! say, and what is refused in an archive is refused here too. That holds for submodules as well, which are left
//! out unless they are asked for.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use git2::Repository;
use mantyx_core::{Error, Origin, RelativePath, Result};
use mantyx_platform::folders;

use crate::limits::Limits;
use crate::unpack::{Unpacker, Wrapping, discard};
use crate::{Staged, inspect};

mod address;
mod check;
mod credential;
mod fetch;
mod history;
mod https;
mod modules;
mod peer;
mod reference;
mod ssh;
mod stop;
mod transport;
mod tree;
mod version;

pub use check::{Ahead, Commit, Since, check};
pub use credential::{Credential, Secret};
use fetch::Session;
use peer::Peer;
use stop::Stop;

/// How long a fetch may take in all. A repository that needs longer is too large for what limits let in.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// What to fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitRequest {
    /// Where the repository is: `https://`, `ssh://`, `file://`, or `user@host:path`.
    pub url: String,
    /// A branch, a tag or a commit; the default branch when not given.
    pub reference: Option<String>,
    /// The folder of the repository that is the app; all of it when not given.
    pub subdir: Option<RelativePath>,
    /// By what the repository knows who is asking. Only the host of the address is told.
    pub credential: Option<Credential>,
    /// What becomes of repositories that are parts of this one.
    pub submodules: Submodules,
    /// The commit that the reference was found to be, by its full id: what the reference has become since is left alone.
    pub found: Option<String>,
}

impl GitRequest {
    /// The default branch of a public repository, without its submodules.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }
}

/// What becomes of repositories that are parts of another one (gitsubmodules(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Submodules {
    /// They are left out, and that is said.
    #[default]
    LeaveOut,
    /// They are fetched too, under the same rules and limits.
    Fetch,
}

impl From<bool> for Submodules {
    /// As it is said over the wire.
    fn from(are_fetched: bool) -> Self {
        if are_fetched { Self::Fetch } else { Self::LeaveOut }
    }
}

/// From where a repository may come.
///
/// One of this machine is read by Mantyx itself and with its rights, which may be those of root: whoever may import it
/// may read every repository here, whomever it belongs to. The same goes for what the SSH keys of its user open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// From other machines only, and by no key of this machine.
    Network,
    /// From this machine too, and by its keys.
    ThisMachine,
}

/// The host of a repository in lower case, with its port where that is not the usual one; none for this machine.
///
/// # Errors
/// `git_address`.
pub fn host_of(url: &str) -> Result<Option<String>> {
    Ok(address::Address::parse(url)?.host())
}

/// Fetches a commit and puts its files into an empty staging folder. It ends early when `cancel` becomes true.
///
/// # Errors
/// `forbidden` where the repository is not within `reach`, `git_auth` where it is private and the credential is
/// missing or wrong, or where only a key of this machine could open it and that is not within `reach`.
pub fn git(
    request: &GitRequest,
    reach: Reach,
    staging: &Path,
    limits: &Limits,
    cancel: &AtomicBool,
) -> Result<Staged> {
    let peer = Peer::of(request, reach)?;
    Fetch { request, peer, staging, limits }.run(cancel)
}

/// One fetch with everything that it needs.
struct Fetch<'a> {
    request: &'a GitRequest,
    peer: Peer,
    staging: &'a Path,
    limits: &'a Limits,
}

impl Fetch<'_> {
    fn run(&self, cancel: &AtomicBool) -> Result<Staged> {
        Stop::watch(cancel, LIMIT, |stop| self.stage(stop)).inspect_err(|_| discard(self.staging))
    }

    fn stage(&self, stop: &Stop) -> Result<Staged> {
        let place = self.staging.join("repository");
        let repository = new_repository(&place)?;
        let session = Session { repository: &repository, peer: &self.peer, limits: self.limits, stop };
        let fetched =
            fetch::fetch(&session, self.request.reference.as_deref(), self.request.found.as_deref())?;
        let scm_version = version::of(&repository, &fetched);
        let mut unpacker = Unpacker::new(self.staging, self.limits, None)?;
        let commit = fetched.commit;
        let parts = match self.request.submodules {
            Submodules::LeaveOut => None,
            Submodules::Fetch => Some(modules::Fetcher::new(self.staging)),
        };
        tree::unpack(&session, commit, self.request.subdir.as_ref(), parts.as_ref(), &mut unpacker)?;
        drop(repository);
        folders::remove(&place)?;
        let source = unpacker.finish(Wrapping::Keep)?;
        let found = inspect::inspect(&source.folder, self.suggested_name(), source.warnings)?;
        Ok(Staged { folder: source.folder, found, origin: self.origin(&commit.to_string()), scm_version })
    }

    /// The name of the credential is known to whoever keeps it.
    fn origin(&self, commit: &str) -> Origin {
        Origin::Git {
            url: self.peer.address.shown().to_owned(),
            reference: self.request.reference.clone(),
            commit: commit.to_owned(),
            subdir: self.request.subdir.clone(),
            credential: None,
            edited: Vec::new(),
            submodules: self.request.submodules == Submodules::Fetch,
        }
    }

    fn suggested_name(&self) -> &str {
        match &self.request.subdir {
            Some(subdir) => subdir.file_name(),
            None => self.peer.address.name(),
        }
    }
}

/// A repository of our own, to fetch into.
fn new_repository(place: &Path) -> Result<Repository> {
    Repository::init_bare(place)
        .map_err(|error| Error::internal(format!("make a repository in `{}`", place.display()), error))
}

#[cfg(test)]
mod tests;
