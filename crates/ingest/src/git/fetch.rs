//! As little of a repository as is needed for one commit.

use git2::{AutotagOption, Direction, FetchOptions, Oid, RemoteCallbacks, Repository};
use mantyx_core::{Code, Error, Result};

use super::address::Remote;
use super::peer::Peer;
use super::reference::{Heads, Wanted, no_such, whole_id};
use super::stop::Stop;
use super::transport;
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

/// How many commits are asked for, from the newest backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    Commits(u16),
    All,
}

/// Fetches the commit that a branch, a tag or a commit id means; the default branch without one. Where it was `found` to
/// be a commit before, that is fetched, wherever it has gone since.
pub(super) fn fetch(session: &Session<'_>, reference: Option<&str>, found: Option<&str>) -> Result<Fetched> {
    let found = found.map(whole_id).transpose()?;
    session.connected(|| {
        let heads = session.heads()?;
        let (mut commit, mut history) = match heads.wanted(reference)? {
            Wanted::Name(name) => session.by_name(&name)?,
            Wanted::Commit(id) => session.by_id(&id)?,
        };
        // Names are handed out by every server, commits by most: that way round, little is asked of it.
        if let Some(found) = found.filter(|found| *found != commit) {
            session.forget()?;
            (commit, history) = session.by_id(&found.to_string())?;
        }
        Ok(Fetched { commit, tags: heads.tags_at(commit), history })
    })
}

/// Fetches one commit, whatever names there are.
pub(super) fn exactly(session: &Session<'_>, commit: Oid) -> Result<()> {
    session.connected(|| session.by_id(&commit.to_string()).map(drop))
}

/// Our own repository, and the one that is fetched from.
#[derive(Clone, Copy)]
pub(super) struct Session<'a> {
    pub(super) repository: &'a Repository,
    pub(super) peer: &'a Peer,
    pub(super) limits: &'a Limits,
    pub(super) stop: &'a Stop,
}

impl Session<'_> {
    /// Does what needs the other side.
    pub(super) fn connected<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        transport::with(self.peer, self.repository.path(), self.stop, work)
    }

    /// What there is on the other side.
    pub(super) fn heads(&self) -> Result<Heads> {
        let mut remote = self.remote()?;
        let callbacks = self.callbacks();
        let connection = remote.connect_auth(Direction::Fetch, Some(callbacks), None);
        let connection = connection.map_err(|error| self.failed(&error))?;
        connection.list().map(Heads::new).map_err(|error| self.failed(&error))
    }

    fn by_name(&self, name: &str) -> Result<(Oid, History)> {
        let wanted = format!("+{name}:{WANTED}");
        let history = if self.is_partial() {
            self.fetch(&[&wanted], Depth::Commits(1))?;
            History::Shallow
        } else {
            self.fetch(&[&wanted, TAGS], Depth::All)?;
            History::Full
        };
        Ok((self.commit(WANTED)?, history))
    }

    /// Many servers hand out any commit by its full id; from others everything is fetched, to look for it.
    pub(super) fn by_id(&self, id: &str) -> Result<(Oid, History)> {
        let alone = self.is_partial() && id.len() == 40;
        if alone && self.fetch(&[&format!("+{id}:{WANTED}")], Depth::Commits(1)).is_ok() {
            return Ok((self.commit(WANTED)?, History::Shallow));
        }
        self.stop.check()?;
        self.fetch(&["+refs/heads/*:refs/heads/*", TAGS], Depth::All)?;
        let commit = self.commit(id).map_err(|_| no_such(id))?;
        Ok((commit, History::Full))
    }

    /// libgit2 cannot fetch a part of a repository on this machine.
    fn is_partial(&self) -> bool {
        self.peer.address.remote != Remote::File
    }

    fn commit(&self, name: &str) -> Result<Oid> {
        let object = self.repository.revparse_single(name).and_then(|object| object.peel_to_commit());
        object.map(|commit| commit.id()).map_err(|error| {
            Error::new(Code::GitReference, "What was asked for is not a commit").because(error)
        })
    }

    /// Fetches names or ids of the other side under names of ours.
    pub(super) fn fetch(&self, refspecs: &[&str], depth: Depth) -> Result<()> {
        let mut options = FetchOptions::new();
        options.remote_callbacks(self.callbacks());
        options.download_tags(AutotagOption::None);
        if let Depth::Commits(depth) = depth
            && self.is_partial()
        {
            options.depth(depth.into());
        }
        let fetched = self.remote()?.fetch(refspecs, Some(&mut options), None);
        fetched.map_err(|error| self.failed(&error))
    }

    /// Forgets what was fetched by which name, before more of it is fetched. libgit2 would tell the other side what
    /// there is already, and stumble over where that was cut off.
    pub(super) fn forget(&self) -> Result<()> {
        let names = self.repository.references_glob("refs/*").map_err(|error| self.failed(&error))?;
        for mut name in names.flatten() {
            name.delete().map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    fn remote(&self) -> Result<git2::Remote<'_>> {
        self.repository.remote_anonymous(&self.peer.address.url()).map_err(|error| self.failed(&error))
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
        let detail = format!("`{}` cannot be read: {}", self.peer.address.shown(), error.message());
        Error::new(Code::GitRemote, detail).hint("See that the address is right and this machine may read it")
    }
}
