//! As little of a repository as is needed for one commit.

use git2::{AutotagOption, Direction, FetchOptions, Oid, RemoteCallbacks, Repository};
use mantyx_core::{Code, Error, Result};

use super::address::{Address, Remote};
use super::stop::Stop;
use crate::limits::{Limits, too_many_bytes};

/// Where the wanted commit is put in our own repository.
const WANTED: &str = "refs/mantyx/wanted";
/// All tags, under their own names. What libgit2 calls downloading all tags would put a wanted tag nowhere else.
const TAGS: &str = "+refs/tags/*:refs/tags/*";

/// A commit that is there, and what the other side says about it.
pub(super) struct Fetched {
    pub(super) commit: Oid,
    /// Names of tags that are exactly this commit.
    pub(super) tags: Vec<String>,
    pub(super) history: History,
}

/// How much came with the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum History {
    /// The commit alone.
    Shallow,
    /// Everything before it, with all tags.
    Full,
}

/// A name on the other side and what it points to. For a tag with a message of its own there is a second entry,
/// with `^{}` behind the name, for the commit that it is about.
struct Head {
    name: String,
    id: Oid,
}

/// Fetches the commit that a branch, a tag or a commit id means; the default branch without one.
pub(super) fn fetch(
    repository: &Repository,
    address: &Address,
    reference: Option<&str>,
    limits: &Limits,
    stop: &Stop,
) -> Result<Fetched> {
    let session = Session { repository, address, limits, stop };
    let heads = session.heads()?;
    let wanted = match reference {
        None => Some("HEAD"),
        Some(reference) => name_of(&heads, reference),
    };
    let (commit, history) = match (wanted, reference) {
        (Some(name), _) if heads.iter().any(|head| head.name == name) => session.by_name(name)?,
        (_, Some(id)) if is_commit_id(id) => session.by_id(id)?,
        (_, Some(reference)) => return Err(no_such(reference, &heads)),
        (_, None) => {
            return Err(Error::new(Code::GitReference, "The repository has no default branch")
                .hint("Say which branch, tag or commit it should be"));
        }
    };
    Ok(Fetched { commit, tags: tags_at(&heads, commit), history })
}

/// The full name of a branch or a tag. A branch goes first, as it does for `git clone --branch`.
fn name_of<'a>(heads: &'a [Head], reference: &str) -> Option<&'a str> {
    let full = [reference.to_owned(), format!("refs/heads/{reference}"), format!("refs/tags/{reference}")];
    full.iter().find_map(|name| heads.iter().find(|head| head.name == *name)).map(|head| head.name.as_str())
}

fn is_commit_id(text: &str) -> bool {
    (7..=40).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit())
}

fn tags_at(heads: &[Head], commit: Oid) -> Vec<String> {
    let at = heads.iter().filter(|head| head.id == commit);
    at.filter_map(|head| head.name.strip_prefix("refs/tags/"))
        .map(|tag| tag.trim_end_matches("^{}").to_owned())
        .collect()
}

fn no_such(reference: &str, heads: &[Head]) -> Error {
    let branches = heads.iter().filter_map(|head| head.name.strip_prefix("refs/heads/"));
    let some: Vec<String> = branches.take(5).map(|name| format!("`{name}`")).collect();
    let shown: String = reference.chars().take(100).collect();
    let error = Error::new(Code::GitReference, format!("There is no branch, tag or commit `{shown}`"));
    if some.is_empty() { error } else { error.hint(format!("Branches are {}", some.join(", "))) }
}

struct Session<'a> {
    repository: &'a Repository,
    address: &'a Address,
    limits: &'a Limits,
    stop: &'a Stop,
}

impl Session<'_> {
    fn heads(&self) -> Result<Vec<Head>> {
        let mut remote = self.remote()?;
        let callbacks = self.callbacks();
        let connection = remote.connect_auth(Direction::Fetch, Some(callbacks), None);
        let connection = connection.map_err(|error| self.failed(&error))?;
        let heads = connection.list().map_err(|error| self.failed(&error))?;
        Ok(heads.iter().map(|head| Head { name: head.name().to_owned(), id: head.oid() }).collect())
    }

    fn by_name(&self, name: &str) -> Result<(Oid, History)> {
        // libgit2 cannot fetch a part of a repository on this machine.
        let history = match self.address.remote {
            Remote::File => History::Full,
            Remote::Https | Remote::Ssh(_) => History::Shallow,
        };
        let wanted = format!("+{name}:{WANTED}");
        match history {
            History::Shallow => self.fetch(&[&wanted], history)?,
            History::Full => self.fetch(&[&wanted, TAGS], history)?,
        }
        Ok((self.commit(WANTED)?, history))
    }

    /// Many servers hand out any commit by its full id; from others everything is fetched, to look for it.
    fn by_id(&self, id: &str) -> Result<(Oid, History)> {
        let alone = self.address.remote != Remote::File && id.len() == 40;
        if alone && self.fetch(&[&format!("+{id}:{WANTED}")], History::Shallow).is_ok() {
            return Ok((self.commit(WANTED)?, History::Shallow));
        }
        self.stop.check()?;
        self.fetch(&["+refs/heads/*:refs/heads/*", TAGS], History::Full)?;
        let commit = self.commit(id).map_err(|_| no_such(id, &[]))?;
        Ok((commit, History::Full))
    }

    fn commit(&self, name: &str) -> Result<Oid> {
        let object = self.repository.revparse_single(name).and_then(|object| object.peel_to_commit());
        object.map(|commit| commit.id()).map_err(|error| {
            Error::new(Code::GitReference, "What was asked for is not a commit").because(error)
        })
    }

    fn fetch(&self, refspecs: &[&str], history: History) -> Result<()> {
        let mut options = FetchOptions::new();
        options.remote_callbacks(self.callbacks());
        options.download_tags(AutotagOption::None);
        if history == History::Shallow {
            options.depth(1);
        }
        let fetched = self.remote()?.fetch(refspecs, Some(&mut options), None);
        fetched.map_err(|error| self.failed(&error))
    }

    fn remote(&self) -> Result<git2::Remote<'_>> {
        self.repository.remote_anonymous(&self.address.url()).map_err(|error| self.failed(&error))
    }

    fn callbacks(&self) -> RemoteCallbacks<'_> {
        let mut callbacks = RemoteCallbacks::new();
        callbacks.transfer_progress(|progress| {
            if progress.received_bytes() as u64 > self.limits.total_bytes {
                self.stop.because(too_many_bytes(self.limits).hint("Make a repository for the app alone"));
            }
            !self.stop.is_set()
        });
        callbacks.sideband_progress(|_| !self.stop.is_set());
        callbacks
    }

    fn failed(&self, error: &git2::Error) -> Error {
        let detail = format!("`{}` cannot be read: {}", self.address.shown(), error.message());
        Error::new(Code::GitRemote, detail).hint("See that the address is right and this machine may read it")
    }
}
