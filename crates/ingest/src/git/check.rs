//! Whether a repository has gone on since a commit, and by which commits.
//!
//! One question to the other side is enough while nothing is new. Otherwise as much of the history is fetched as it
//! takes to find the commit again, in steps, because transports count commits from the newest and nobody knows
//! beforehand how far back it lies.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use chrono::{DateTime, Utc};
use git2::Oid;
use mantyx_core::Result;

use super::fetch::{Depth, History, Session};
use super::history::{Between, Extent, Window};
use super::peer::Peer;
use super::reference::{Heads, Wanted, whole_id};
use super::stop::Stop;
use super::{GitRequest, LIMIT, Reach, new_repository};
use crate::limits::Limits;
use crate::unpack::discard;

/// Where the newest commit is put in our own repository, and where the one that is known.
const TIP: &str = "refs/mantyx/tip";
const KNOWN: &str = "refs/mantyx/known";
/// How far back the first look goes, in commits: mostly there are only a few new ones.
const FIRST: u16 = 10;

/// What is known already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since<'a> {
    /// The commit that is there, by its full id.
    pub commit: &'a str,
    /// How many newer ones are listed at most.
    pub most: u16,
}

/// A commit, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The full id.
    pub id: String,
    /// The first line of its message.
    pub subject: String,
    /// Who wrote it.
    pub author: String,
    /// When it was committed.
    pub at: DateTime<Utc>,
}

/// How far a repository has gone on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// The commit that the reference means now, by its full id.
    pub head: String,
    /// What was looked at: `refs/heads/main`, `refs/tags/v1`, or a commit id. `HEAD` where the other side does not say
    /// which branch that is.
    pub reference: String,
    /// What the head has and the known commit has not, the newest first. Empty when nothing has changed.
    pub behind: Vec<Commit>,
    /// Whether these are all of them.
    pub complete: bool,
    /// Whether the known commit is no longer in the history of the reference: somebody has rewritten that, or has
    /// moved the tag to another branch.
    pub rewritten: bool,
}

impl Ahead {
    /// Whether there is anything new.
    pub fn is_ahead(&self, since: &str) -> bool {
        !self.head.eq_ignore_ascii_case(since)
    }
}

/// Looks whether what a request means has changed since a commit. Staging is an empty folder, and is empty again
/// afterwards. It ends early when `cancel` becomes true.
///
/// # Errors
/// Those of [`git`](super::git).
pub fn check(
    request: &GitRequest,
    reach: Reach,
    since: Since<'_>,
    staging: &Path,
    limits: &Limits,
    cancel: &AtomicBool,
) -> Result<Ahead> {
    let peer = Peer::of(request, reach)?;
    check_at(&peer, request.reference.as_deref(), since, staging, limits, cancel)
}

pub(super) fn check_at(
    peer: &Peer,
    reference: Option<&str>,
    since: Since<'_>,
    staging: &Path,
    limits: &Limits,
    cancel: &AtomicBool,
) -> Result<Ahead> {
    let known = whole_id(since.commit)?;
    let outcome = Stop::watch(cancel, LIMIT, |stop| {
        let repository = new_repository(&staging.join("repository"))?;
        let session = Session { repository: &repository, peer, limits, stop };
        session.connected(|| Look { session, known, most: since.most }.at(reference))
    });
    discard(staging);
    outcome
}

/// One look at a repository.
struct Look<'a> {
    session: Session<'a>,
    known: Oid,
    most: u16,
}

impl Look<'_> {
    fn at(&self, reference: Option<&str>) -> Result<Ahead> {
        let heads = self.session.heads()?;
        match heads.wanted(reference)? {
            Wanted::Name(name) => self.at_name(&heads, &name),
            Wanted::Commit(id) => self.at_commit(&id),
        }
    }

    fn at_name(&self, heads: &Heads, name: &str) -> Result<Ahead> {
        let reference = heads.resolved(name);
        match heads.commit_at(name) {
            Some(tip) if tip != self.known => self.compare(Some(name), &reference, tip),
            _ => Ok(unchanged(self.known, reference)),
        }
    }

    /// A commit never moves, so there is something new only when the request asks for another one than before.
    fn at_commit(&self, id: &str) -> Result<Ahead> {
        if self.known.to_string().starts_with(id) {
            return Ok(unchanged(self.known, id.to_owned()));
        }
        let (tip, history) = self.session.by_id(id)?;
        if tip == self.known {
            return Ok(unchanged(tip, id.to_owned()));
        }
        let name = (history == History::Shallow).then(|| tip.to_string());
        self.compare(name.as_deref(), id, tip)
    }

    /// Looks back further and further, until the known commit is found or enough has been seen. Without a name
    /// everything is there already.
    fn compare(&self, name: Option<&str>, reference: &str, tip: Oid) -> Result<Ahead> {
        let far = self.most.saturating_add(1);
        let mut sight = Sight::Partial;
        for depth in [FIRST].into_iter().filter(|first| *first < far).chain([far]) {
            name.iter().try_for_each(|name| self.fetch(name, TIP, depth))?;
            let window = Window::of(self.session.repository)?;
            let between = self.between(&window, tip)?;
            if window.is_whole() {
                sight = Sight::Whole;
            }
            if window.has(self.known) && between.extent != Extent::Unsure {
                return Ok(self.ahead(reference, tip, &window, between, sight));
            }
            if sight == Sight::Whole {
                break;
            }
        }
        // What came before the known commit tells whether the two have anything in common. Not every server gives it.
        if let Err(error) = self.fetch(&self.known.to_string(), KNOWN, far) {
            self.session.stop.check()?;
            tracing::debug!(%error, "the known commit is not handed out by itself");
        }
        let window = Window::of(self.session.repository)?;
        let between = self.between(&window, tip)?;
        Ok(self.ahead(reference, tip, &window, between, sight))
    }

    fn fetch(&self, name: &str, place: &str, depth: u16) -> Result<()> {
        self.session.forget()?;
        self.session.fetch(&[&format!("+{name}:{place}")], Depth::Commits(depth))
    }

    fn between(&self, window: &Window, tip: Oid) -> Result<Between> {
        window.between(self.known, tip, self.most.into())
    }

    fn ahead(&self, reference: &str, tip: Oid, window: &Window, between: Between, sight: Sight) -> Ahead {
        let follows = window.leads_to(self.known, tip);
        Ahead {
            head: tip.to_string(),
            reference: reference.to_owned(),
            behind: between.commits,
            complete: between.extent == Extent::All && window.has(self.known),
            rewritten: !follows && (sight == Sight::Whole || window.meet(self.known, tip)),
        }
    }
}

/// Whether all that came before the newest commit has been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    Partial,
    Whole,
}

fn unchanged(head: Oid, reference: String) -> Ahead {
    Ahead { head: head.to_string(), reference, behind: Vec::new(), complete: true, rewritten: false }
}
