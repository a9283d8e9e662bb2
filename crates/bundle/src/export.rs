//! The one archive of a whole Mantyx, as it is written: a `.tar.gz` that appears whole or not at all.
//!
//! The first entry says what it is, so that it is recognised by its beginning. The last one has the digest of every
//! file, because a digest is known only when a file has been packed, and a file may be as large as it likes.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use mantyx_core::{Error, Result};
use mantyx_platform::atomic::sync_folder;
use mantyx_platform::reading::{self, Content, Facts, Met, Next, Reader};
use serde::{Deserialize, Serialize};

use crate::envelope::Head;
use crate::watch::cancelled;
use crate::{DIGESTS, HEAD, Watch, links, name};

mod measured;
mod tape;

use measured::Measured;
use tape::{Attributes, Tape};

/// How much of what was not packed as it is on the disk is said one by one.
const MOST_SAID: usize = 100;
/// The mode of folders that are only implied by a longer path.
const IMPLIED: Attributes = Attributes { mode: 0o755, modified: 0 };

/// What a file must be to be the one that was packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileDigest {
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
}

/// All files of an archive, by their [key](name::key).
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Digests {
    pub(crate) files: BTreeMap<String, FileDigest>,
}

/// What was packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files, without the head and the digests.
    pub files: u64,
    /// Their lengths in bytes.
    pub bytes: u64,
    /// How long the archive is, in bytes.
    pub packed_bytes: u64,
    /// What was not packed as it is on the disk; the first hundred.
    pub odd: Vec<Odd>,
    /// How many there were of them.
    pub odd_count: u64,
    /// What was gone before it could be read.
    pub vanished: u64,
}

/// Something that is not in the archive as it is on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Odd {
    /// Its name in the archive, as a person is shown it.
    pub name: String,
    /// What is odd about it.
    pub why: Why,
}

/// Why something is not packed as it is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A symbolic link that leaves its folder; left out.
    LinkLeaves,
    /// A socket, a pipe or a device; left out.
    Special,
    /// A path that is too long to be unpacked; left out, with all that is in it.
    TooLong,
    /// A second name of a file that belongs to somebody else; left out, since it would come back as the app's own.
    Foreign,
    /// It was written to meanwhile: what is packed is as long as it was at first.
    Resized,
}

/// Packs an archive, entry by entry. Without [`Writer::finish`] there is none.
pub struct Writer<'a> {
    path: PathBuf,
    part: Part,
    tape: Tape<GzEncoder<BufWriter<File>>>,
    folders: HashSet<Vec<u8>>,
    digests: Digests,
    report: Report,
    watch: Watch<'a>,
}

/// Where an archive is while it is written: what a crash leaves, and the next attempt removes.
#[must_use]
pub fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// A file that goes with this value.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(?error, "a part of an export stays");
            }
            _ => {}
        }
    }
}

impl<'a> Writer<'a> {
    /// Begins an archive about these facts.
    pub fn create<F: Serialize>(
        path: &Path,
        made_at: DateTime<Utc>,
        facts: &F,
        watch: Watch<'a>,
    ) -> Result<Self> {
        let part = Part(unfinished(path));
        drop(Part(part.0.clone()));
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&part.0);
        let file = file.map_err(|error| Error::io(format!("write `{}`", part.0.display()), error))?;
        // Who exports waits for it, and most of it does not get much smaller with more patience.
        let tape = Tape::new(GzEncoder::new(BufWriter::new(file), Compression::fast()));
        let mut writer = Self {
            path: path.to_owned(),
            part,
            tape,
            folders: HashSet::new(),
            digests: Digests::default(),
            report: Report::default(),
            watch,
        };
        let head = serde_json::to_vec_pretty(&Head::new(made_at, facts));
        writer.pack_bytes(HEAD, &head.map_err(|error| Error::internal("describe an export", error))?)?;
        Ok(writer)
    }

    /// Packs a folder with all that is in it.
    pub fn add_folder(&mut self, from: &Path, name: &str) -> Result<()> {
        self.check_free(name)?;
        self.add_implied(name)?;
        let mut packer = Packer { writer: self, root: name.as_bytes(), owner: None };
        let vanished = reading::read(from, &mut packer)?;
        self.report.vanished += vanished;
        Ok(())
    }

    /// Packs one file, which is not followed when it is a link.
    pub fn add_file(&mut self, from: &Path, name: &str) -> Result<()> {
        self.check_free(name)?;
        self.add_implied(name)?;
        let (file, facts) = reading::open_file(from)?;
        self.pack_file(name.as_bytes(), &file, &facts)
    }

    /// Packs a file of these bytes, for its owner alone.
    pub fn add_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.check_free(name)?;
        self.add_implied(name)?;
        self.pack_bytes(name, bytes)
    }

    /// Ends the archive, has it on the disk, and gives it its name.
    pub fn finish(mut self) -> Result<Report> {
        let digests = std::mem::take(&mut self.digests);
        let digests =
            serde_json::to_vec(&digests).map_err(|error| Error::internal("list the files", error))?;
        self.pack_bytes(DIGESTS, &digests)?;
        let Self { path, part, tape, mut report, watch, .. } = self;
        let failed = |error| Error::io(format!("write `{}`", path.display()), error);
        let file = tape.finish().and_then(GzEncoder::finish).map_err(failed)?;
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        report.packed_bytes = file.metadata().map_err(failed)?.len();
        watch.check()?;
        fs::rename(&part.0, &path).map_err(failed)?;
        path.parent().map_or(Ok(()), sync_folder)?;
        Ok(report)
    }

    /// The caller names entries, so that a wrong name is a fault of ours.
    fn check_free(&self, name: &str) -> Result<()> {
        name::check(name.as_bytes())?;
        if [HEAD, DIGESTS].contains(&name) || self.digests.files.contains_key(&name::key(name.as_bytes())) {
            return Err(Error::internal(format!("pack `{name}`"), "the name is taken"));
        }
        Ok(())
    }

    /// Packs the folders that a name is in, once.
    fn add_implied(&mut self, name: &str) -> Result<()> {
        for folder in name::ancestors(name.as_bytes()) {
            if self.folders.insert(folder.to_owned()) {
                self.tape.folder(folder, IMPLIED).map_err(|error| self.failed(folder, error))?;
            }
        }
        Ok(())
    }

    fn pack_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let attributes = Attributes { mode: 0o600, modified: 0 };
        let mut measured = Measured::new(bytes, bytes.len() as u64, &mut self.watch);
        let packed = self.tape.file(name.as_bytes(), attributes, bytes.len() as u64, &mut measured);
        let digest = measured.digest();
        packed.map_err(|error| self.failed(name.as_bytes(), error))?;
        self.remember(name.as_bytes(), digest);
        Ok(())
    }

    fn pack_file(&mut self, name: &[u8], file: &File, facts: &Facts) -> Result<()> {
        let attributes = attributes(facts);
        let mut measured = Measured::new(file, facts.size(), &mut self.watch);
        let packed = self.tape.file(name, attributes, facts.size(), &mut measured);
        let has_changed = packed.is_ok() && measured.has_changed();
        let digest = measured.digest();
        packed.map_err(|error| self.failed(name, error))?;
        if has_changed {
            self.say(name, Why::Resized);
        }
        self.remember(name, digest);
        Ok(())
    }

    fn remember(&mut self, name: &[u8], digest: FileDigest) {
        if ![HEAD.as_bytes(), DIGESTS.as_bytes()].contains(&name) {
            self.report.files += 1;
            self.report.bytes += digest.bytes;
        }
        self.digests.files.insert(name::key(name), digest);
    }

    fn say(&mut self, name: &[u8], why: Why) {
        self.report.odd_count += 1;
        if self.report.odd.len() < MOST_SAID {
            self.report.odd.push(Odd { name: name::shown(name), why });
        }
    }

    fn failed(&self, name: &[u8], error: std::io::Error) -> Error {
        if self.watch.is_cancelled() {
            return cancelled();
        }
        Error::io(format!("pack `{}`", name::shown(name)), error)
    }
}

/// What of the system's facts is packed: neither owners, who may not be where it is unpacked, nor setuid bits.
fn attributes(facts: &Facts) -> Attributes {
    Attributes { mode: facts.mode() & 0o777, modified: facts.modified() }
}

/// Packs what a tree is told to have.
struct Packer<'w, 'a> {
    writer: &'w mut Writer<'a>,
    root: &'w [u8],
    /// Whose the tree is.
    owner: Option<u32>,
}

impl Reader for Packer<'_, '_> {
    fn meet(&mut self, met: Met<'_>) -> Result<Next> {
        self.writer.watch.check()?;
        let path = met.path.as_os_str().as_bytes();
        let name = if path.is_empty() { self.root.to_owned() } else { [self.root, b"/", path].concat() };
        let owner = *self.owner.get_or_insert(met.facts.owner());
        match oddness(&name, path, &met, owner) {
            Some(why) => self.writer.say(&name, why),
            None => self.pack(&name, &met)?,
        }
        Ok(if name::fault(&name).is_some() { Next::PassBy } else { Next::Enter })
    }
}

impl Packer<'_, '_> {
    fn pack(&mut self, name: &[u8], met: &Met<'_>) -> Result<()> {
        let attributes = attributes(&met.facts);
        let tape = &mut self.writer.tape;
        let packed = match &met.content {
            Content::File(file) => return self.writer.pack_file(name, file, &met.facts),
            Content::Folder => {
                self.writer.folders.insert(name.to_owned());
                tape.folder(name, attributes)
            }
            Content::Link(target) => tape.link(name, attributes, target),
            Content::Special => Ok(()),
        };
        packed.map_err(|error| self.writer.failed(name, error))
    }
}

/// Why an entry is left out, if it is.
fn oddness(name: &[u8], path: &[u8], met: &Met<'_>, owner: u32) -> Option<Why> {
    // The names of files have no other faults.
    if name::fault(name).is_some() {
        return Some(Why::TooLong);
    }
    match &met.content {
        Content::Special => Some(Why::Special),
        Content::Link(target) => (target.len() > name::LONGEST
            || !links::stays(name::ancestors(path).count(), target))
        .then_some(Why::LinkLeaves),
        Content::File(_) => (met.facts.names() > 1 && met.facts.owner() != owner).then_some(Why::Foreign),
        Content::Folder => None,
    }
}
