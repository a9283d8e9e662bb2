//! What differs between two trees of source.
//!
//! Bounded in every direction: a large file is compared but not shown, hunks end where the page has enough, and a
//! file that is hard to compare gets a coarse answer instead of a late one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use mantyx_core::{Error, Result};
use sha2::{Digest, Sha256};

use crate::listing::{Entry, EntryKind, Opened, entries, open};

mod lines;

pub use lines::{Hunk, Line, LineKind};

/// How much of a difference is worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiffLimits {
    /// The longest file whose lines are compared, in bytes.
    pub file_bytes: u64,
    /// How many files are listed.
    pub files: usize,
    /// How long all lines together may be, in bytes.
    pub total_bytes: usize,
    /// How long it may take until only coarse differences are sought.
    pub time: Duration,
    /// How long it may take until no more is read: what was not seen by then is left out.
    pub reading: Duration,
}

impl Default for DiffLimits {
    /// As much as a person reads, and a page shows without a stutter.
    fn default() -> Self {
        let (time, reading) = (Duration::from_secs(3), Duration::from_secs(10));
        Self { file_bytes: 512 * 1024, files: 2_000, total_bytes: 2 << 20, time, reading }
    }
}

/// The difference between two trees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeDiff {
    /// Every file that differs, sorted by its path.
    pub files: Vec<FileDiff>,
    /// Lines that were added, in all files whose lines were compared.
    pub added: u64,
    /// Lines that were removed.
    pub removed: u64,
    /// Whether files or lines were left out for being too many.
    pub truncated: bool,
}

/// A file that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiff {
    /// Where it is: in the new tree, unless it is only in the old one.
    pub path: String,
    /// What happened to it.
    pub change: FileChange,
    /// What was there before, if anything; under another path when it was renamed.
    pub old: Option<Entry>,
    /// What is there now, if anything.
    pub new: Option<Entry>,
    /// Lines that were added.
    pub added: u64,
    /// Lines that were removed.
    pub removed: u64,
    /// The lines themselves.
    pub content: ContentDiff,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has another content, and maybe another mode.
    Modified,
    /// It can be executed now, or no longer; its content is the same.
    ModeChanged,
    /// A file became a link, or a link a file.
    TypeChanged,
    /// The same content has another path.
    Renamed,
}

/// How the content of a file differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentDiff {
    /// Not at all.
    Same,
    /// By these lines. That of a link is its target.
    Text(Vec<Hunk>),
    /// It is no text.
    Binary,
    /// It is too long to be shown.
    TooLarge,
    /// Enough is shown already.
    LeftOut,
}

/// Compares two trees. No link is followed.
pub fn diff(from: &Path, to: &Path, limits: &DiffLimits) -> Result<TreeDiff> {
    let began = Instant::now();
    let deadline = began + limits.time;
    let trees = Trees { from, to, end: began + limits.reading };
    let (mut changes, seen) = trees.changes()?;
    let truncated = changes.len() > limits.files || seen == Seen::Partly;
    let mut diff = TreeDiff { truncated, ..TreeDiff::default() };
    changes.truncate(limits.files);
    let mut room = limits.total_bytes;
    for change in changes {
        let file = trees.file_diff(change, limits, deadline, &mut room)?;
        diff.added += file.added;
        diff.removed += file.removed;
        diff.truncated |= file.content == ContentDiff::LeftOut;
        diff.files.push(file);
    }
    Ok(diff)
}

struct Trees<'a> {
    from: &'a Path,
    to: &'a Path,
    /// When no more is read.
    end: Instant,
}

/// How much of two trees was compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Whole,
    Partly,
}

/// What is at a path before and after.
type Sides = (Option<Entry>, Option<Entry>);

struct Change {
    what: FileChange,
    sides: Sides,
}

impl Trees<'_> {
    fn is_late(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Every change that there was time to see, by its path.
    fn changes(&self) -> Result<(Vec<Change>, Seen)> {
        let mut pairs: BTreeMap<String, Sides> = BTreeMap::new();
        for entry in entries(self.from)? {
            let path = entry.path.clone();
            pairs.entry(path).or_default().0 = Some(entry);
        }
        for entry in entries(self.to)? {
            let path = entry.path.clone();
            pairs.entry(path).or_default().1 = Some(entry);
        }
        self.pair_renamed(&mut pairs)?;
        let mut changes = Vec::new();
        for sides in pairs.into_values() {
            if self.is_late() {
                return Ok((changes, Seen::Partly));
            }
            if let Some(what) = self.what_happened(&sides)? {
                changes.push(Change { what, sides });
            }
        }
        Ok((changes, Seen::Whole))
    }

    fn what_happened(&self, sides: &Sides) -> Result<Option<FileChange>> {
        let (old, new) = match sides {
            (Some(old), Some(new)) => (old, new),
            (None, new) => return Ok(new.as_ref().map(|_| FileChange::Added)),
            (_, None) => return Ok(Some(FileChange::Removed)),
        };
        Ok(match (&old.kind, &new.kind) {
            _ if old.path != new.path => Some(FileChange::Renamed),
            (EntryKind::Link { target: old }, EntryKind::Link { target: new }) => {
                (old != new).then_some(FileChange::Modified)
            }
            (EntryKind::File, EntryKind::File) if !self.is_same(old, new)? => Some(FileChange::Modified),
            (EntryKind::File, EntryKind::File) => {
                (old.executable != new.executable).then_some(FileChange::ModeChanged)
            }
            _ => Some(FileChange::TypeChanged),
        })
    }

    /// A file that is gone and one that is new, with the same content, are one file. Empty ones are all alike.
    fn pair_renamed(&self, pairs: &mut BTreeMap<String, Sides>) -> Result<()> {
        let of = |side: Option<&Entry>| {
            side.filter(|entry| entry.kind == EntryKind::File && entry.bytes > 0).cloned()
        };
        let gone: Vec<Entry> =
            pairs.values().filter(|s| s.1.is_none()).filter_map(|s| of(s.0.as_ref())).collect();
        let new: Vec<Entry> =
            pairs.values().filter(|s| s.0.is_none()).filter_map(|s| of(s.1.as_ref())).collect();
        let mut by_content: HashMap<(u64, [u8; 32]), Vec<Entry>> = HashMap::new();
        let lengths: HashSet<u64> = new.iter().map(|entry| entry.bytes).collect();
        for entry in gone.into_iter().rev().filter(|gone| lengths.contains(&gone.bytes)) {
            if self.is_late() {
                break;
            }
            let key = (entry.bytes, digest(self.from, &entry.path)?);
            by_content.entry(key).or_default().push(entry);
        }
        let lengths: HashSet<u64> = by_content.keys().map(|(bytes, _)| *bytes).collect();
        for entry in new.into_iter().filter(|new| lengths.contains(&new.bytes)) {
            if self.is_late() {
                break;
            }
            let key = (entry.bytes, digest(self.to, &entry.path)?);
            if let Some(old) = by_content.get_mut(&key).and_then(Vec::pop) {
                pairs.remove(&old.path);
                pairs.insert(entry.path.clone(), (Some(old), Some(entry)));
            }
        }
        Ok(())
    }

    /// Whether two files have the same content. Releases share what did not change.
    fn is_same(&self, old: &Entry, new: &Entry) -> Result<bool> {
        if old.bytes != new.bytes {
            return Ok(false);
        }
        let failed = |error| Error::io(format!("compare `{}`", new.path), error);
        let (mut one, mut two) = (file(self.from, &old.path)?, file(self.to, &new.path)?);
        let (first, second) = (one.metadata().map_err(failed)?, two.metadata().map_err(failed)?);
        if (first.dev(), first.ino()) == (second.dev(), second.ino()) {
            return Ok(true);
        }
        have_same_bytes(&mut one, &mut two).map_err(failed)
    }

    fn file_diff(
        &self,
        change: Change,
        limits: &DiffLimits,
        deadline: Instant,
        room: &mut usize,
    ) -> Result<FileDiff> {
        let (old, new) = change.sides;
        let path = new.as_ref().or(old.as_ref()).map(|entry| entry.path.clone()).unwrap_or_default();
        let mut file = FileDiff {
            path,
            change: change.what,
            old,
            new,
            added: 0,
            removed: 0,
            content: ContentDiff::Same,
        };
        if matches!(file.change, FileChange::ModeChanged | FileChange::Renamed) {
            return Ok(file);
        }
        if *room == 0 || self.is_late() {
            file.content = ContentDiff::LeftOut;
        } else {
            let before = Content::of(self.from, file.old.as_ref(), limits)?;
            let after = Content::of(self.to, file.new.as_ref(), limits)?;
            file.compare(&before, &after, deadline, room);
        }
        Ok(file)
    }
}

impl FileDiff {
    fn compare(&mut self, before: &Content, after: &Content, deadline: Instant, room: &mut usize) {
        self.content = match (before, after) {
            (Content::TooLarge, _) | (_, Content::TooLarge) => ContentDiff::TooLarge,
            (Content::Binary, _) | (_, Content::Binary) => ContentDiff::Binary,
            (Content::Text(before), Content::Text(after)) => {
                let lines = lines::compare(before, after, deadline, *room);
                (self.added, self.removed) = (lines.added, lines.removed);
                *room = room.saturating_sub(lines.bytes);
                lines.hunks.map_or(ContentDiff::LeftOut, ContentDiff::Text)
            }
        };
    }
}

/// What can be shown of a file.
enum Content {
    Text(String),
    Binary,
    TooLarge,
}

impl Content {
    fn of(folder: &Path, entry: Option<&Entry>, limits: &DiffLimits) -> Result<Self> {
        let Some(entry) = entry else { return Ok(Self::Text(String::new())) };
        if let EntryKind::Link { target } = &entry.kind {
            return Ok(Self::Text(target.clone()));
        }
        if entry.bytes > limits.file_bytes {
            return Ok(Self::TooLarge);
        }
        let mut bytes = Vec::new();
        let read = file(folder, &entry.path)?.take(limits.file_bytes).read_to_end(&mut bytes);
        read.map_err(|error| Error::io(format!("read `{}`", entry.path), error))?;
        let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
        Ok(text.map_or(Self::Binary, Self::Text))
    }
}

fn file(folder: &Path, path: &str) -> Result<std::fs::File> {
    let failed = |error: io::Error| Error::io(format!("read `{path}`"), error);
    match open(folder, path).map_err(|error| failed(error.into()))? {
        Opened::File(file) => Ok(file),
        Opened::Link(_) | Opened::Other => Err(failed(io::ErrorKind::NotFound.into())),
    }
}

fn digest(folder: &Path, path: &str) -> Result<[u8; 32]> {
    let (mut file, mut hash) = (file(folder, path)?, Sha256::new());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer).map_err(|error| Error::io(format!("read `{path}`"), error))? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&buffer[..read]),
        }
    }
}

fn have_same_bytes(one: &mut impl Read, two: &mut impl Read) -> io::Result<bool> {
    const CHUNK: u64 = 64 * 1024;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    loop {
        first.clear();
        second.clear();
        one.by_ref().take(CHUNK).read_to_end(&mut first)?;
        two.by_ref().take(CHUNK).read_to_end(&mut second)?;
        if first != second || first.is_empty() {
            return Ok(first == second);
        }
    }
}

#[cfg(test)]
mod tests;
