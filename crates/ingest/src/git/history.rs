//! What came between two commits, as far as the history between them was fetched.

use std::collections::{BinaryHeap, HashSet};
use std::fs;

use chrono::{DateTime, Utc};
use git2::{Oid, Repository};
use mantyx_core::{Code, Error, Result};

use super::check::Commit;

/// The longest subject and the longest name that are passed on, in characters.
const LONGEST: usize = 300;

/// A part of a history, in a repository of our own.
pub(super) struct Window {
    repository: Repository,
    /// Commits whose parents were not fetched.
    edge: HashSet<Oid>,
}

/// The commits that one has and another has not.
pub(super) struct Between {
    /// The newest first, no more than was asked for.
    pub(super) commits: Vec<Commit>,
    /// Whether these are all.
    pub(super) extent: Extent,
}

/// How much of it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    All,
    /// There are more than were asked for.
    More,
    /// The history ends where it was cut off, so that some of these may be in both.
    Unsure,
}

impl Window {
    /// Opens it anew, because what was cut off is read once.
    pub(super) fn of(repository: &Repository) -> Result<Self> {
        let list = fs::read_to_string(repository.path().join("shallow")).unwrap_or_default();
        let edge = list.lines().filter_map(|line| Oid::from_str(line).ok()).collect();
        let repository = Repository::open_bare(repository.path()).map_err(unreadable)?;
        Ok(Self { repository, edge })
    }

    /// Whether nothing was cut off.
    pub(super) fn is_whole(&self) -> bool {
        self.edge.is_empty()
    }

    pub(super) fn has(&self, commit: Oid) -> bool {
        self.repository.find_commit(commit).is_ok()
    }

    /// Whether one commit is known to come before another.
    pub(super) fn leads_to(&self, before: Oid, tip: Oid) -> bool {
        self.up_to(tip).contains(&before)
    }

    /// Whether two commits are known to come from one.
    pub(super) fn meet(&self, one: Oid, two: Oid) -> bool {
        !self.up_to(one).is_disjoint(&self.up_to(two))
    }

    /// What `tip` has and `since` has not, the newest first.
    pub(super) fn between(&self, since: Oid, tip: Oid, most: usize) -> Result<Between> {
        let mut seen = self.up_to(since);
        let mut ahead = BinaryHeap::from([(i64::MAX, tip)]);
        let (mut commits, mut extent) = (Vec::new(), Extent::All);
        while let Some((_, id)) = ahead.pop() {
            if !seen.insert(id) {
                continue;
            }
            let commit = self.repository.find_commit(id).map_err(unreadable)?;
            if self.edge.contains(&id) {
                extent = Extent::Unsure;
            }
            match commits.len() {
                count if count < most => commits.push(describe(&commit)),
                _ if extent == Extent::All => extent = Extent::More,
                _ => {}
            }
            ahead.extend(self.parents(&commit).into_iter().filter_map(|parent| self.rank(parent)));
        }
        Ok(Between { commits, extent })
    }

    /// A commit and all that came before it, as far as that is here. libgit2 has walks of its own, but they do not stop
    /// where a history was cut off.
    fn up_to(&self, commit: Oid) -> HashSet<Oid> {
        let (mut seen, mut ahead) = (HashSet::new(), vec![commit]);
        while let Some(id) = ahead.pop() {
            if !seen.contains(&id)
                && let Ok(commit) = self.repository.find_commit(id)
            {
                seen.insert(id);
                ahead.extend(self.parents(&commit));
            }
        }
        seen
    }

    fn parents(&self, commit: &git2::Commit<'_>) -> Vec<Oid> {
        if self.edge.contains(&commit.id()) { Vec::new() } else { commit.parent_ids().collect() }
    }

    /// Where a commit stands among others: the later one goes first.
    fn rank(&self, id: Oid) -> Option<(i64, Oid)> {
        self.repository.find_commit(id).ok().map(|commit| (commit.time().seconds(), id))
    }
}

fn describe(commit: &git2::Commit<'_>) -> Commit {
    Commit {
        id: commit.id().to_string(),
        subject: shown(commit.summary_bytes().unwrap_or_default()),
        author: shown(commit.author().name_bytes()),
        at: DateTime::<Utc>::from_timestamp(commit.time().seconds(), 0).unwrap_or_default(),
    }
}

/// A text of somebody else as it may stand on a page.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

fn unreadable(error: git2::Error) -> Error {
    let detail = format!("The history of the repository cannot be read: {}", error.message());
    Error::new(Code::GitRemote, detail).because(error)
}
