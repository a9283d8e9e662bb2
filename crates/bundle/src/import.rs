//! The one archive of a whole Mantyx, as it is read: it may have been made up by anybody.
//!
//! Nothing is taken but what [`crate::export`] writes. What an archive says about itself is a claim: limits hold for
//! what is really read, while it is read, and every file is held against its digest. While anything is written there
//! is no symbolic link in the staging folder; links are made last, and only those that stay in their tree. What of an
//! archive has no digest, its names and modes, is harmless whatever it says.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use mantyx_core::{Code, Error, Result};
use mantyx_platform::{atomic, folders};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

mod entries;
mod meter;
mod packed;
mod place;

use entries::{Entry, Kind, Taker};
use meter::Meter;
use packed::Packed;
use place::Place;

use crate::digest::Sum;
use crate::envelope::{self, Head};
use crate::export::Digests;
use crate::{DIGESTS, HEAD, Watch, name};

/// The longest head, in bytes.
const LONGEST_HEAD: u64 = 16 << 20;
/// The longest list of digests, in bytes.
const LONGEST_DIGESTS: u64 = 256 << 20;

/// What an archive may unpack to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What is written to the disk, in bytes: as much as there is room for. Holes of files take none.
    pub total_bytes: u64,
    /// Files, folders and links.
    pub entries: u64,
    /// How many bytes on the disk one byte of the archive may become, all in all.
    pub ratio: u64,
}

impl Default for Limits {
    /// 64 GiB, a million entries, and a ratio of which an export reaches less than half, whatever is in it.
    fn default() -> Self {
        Self { total_bytes: 64 << 30, entries: 1_000_000, ratio: 500 }
    }
}

/// What of an archive is let in.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// How much it may be.
    pub limits: Limits,
    /// The folders in which there may be symbolic links, none of which may leave its folder: `apps/*/data`, where `*`
    /// is one name.
    pub trees: &'a [&'a str],
}

/// What was unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported<F> {
    /// What the archive says about itself.
    pub head: Head<F>,
    /// Files, without the head and the digests.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Symbolic links.
    pub links: u64,
    /// The lengths of all files in bytes.
    pub bytes: u64,
}

/// Reads what an archive says about itself, and no more of it.
///
/// # Errors
/// `not_an_export`; `unknown_format`, when another Mantyx wrote it; `archive_corrupt`.
pub fn recognise<F: DeserializeOwned>(archive: &Path) -> Result<Head<F>> {
    let go_on = std::sync::atomic::AtomicBool::new(false);
    let mut packed = Packed::open(archive, Watch::new(&go_on, |_| {}))?;
    let mut taker = OnlyHead { head: None };
    match entries::read(&mut packed, &mut taker) {
        Ok(()) => taker.head.ok_or_else(not_an_export),
        Err(error) => taker.head.ok_or(error),
    }
}

/// Unpacks an archive to an empty folder, in which nothing is left when it is refused.
///
/// Files and folders have their modes and times, and belong to whom Mantyx runs as.
///
/// # Errors
/// Those of [`recognise`]; a code for each thing that an archive must not have, with the name of the entry;
/// `cancelled`.
pub fn unpack<F: DeserializeOwned>(
    archive: &Path,
    staging: &Path,
    rules: &Rules<'_>,
    watch: Watch<'_>,
) -> Result<Imported<F>> {
    check_empty(staging)?;
    let unpacked = unpack_all(archive, staging, rules, watch);
    unpacked.inspect_err(|_| discard(staging))
}

fn unpack_all<F: DeserializeOwned>(
    archive: &Path,
    staging: &Path,
    rules: &Rules<'_>,
    watch: Watch<'_>,
) -> Result<Imported<F>> {
    let mut packed = Packed::open(archive, watch)?;
    let meter = Meter::new(&rules.limits, packed.count());
    let mut import = Import {
        head: None,
        place: Place::new(staging, rules.trees),
        meter,
        sums: BTreeMap::new(),
        digests: None,
        files: 0,
        bytes: 0,
    };
    entries::read(&mut packed, &mut import)?;
    let head = import.head.ok_or_else(not_an_export)?;
    let digests = import.digests.ok_or_else(|| packed::corrupt("ends without its digests"))?;
    compare(&import.sums, &digests)?;
    let (folders, links) = import.place.finish()?;
    atomic::sync_file_system(staging)?;
    Ok(Imported { head, files: import.files, folders, links, bytes: import.bytes })
}

fn check_empty(staging: &Path) -> Result<()> {
    let mut entries = fs::read_dir(staging)
        .map_err(|error| Error::io(format!("read the folder `{}`", staging.display()), error))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(Error::internal(format!("unpack to `{}`", staging.display()), "it is not empty")),
    }
}

fn discard(staging: &Path) {
    for entry in fs::read_dir(staging).into_iter().flatten().flatten() {
        if let Err(error) = folders::remove(&entry.path()) {
            tracing::warn!(?error, "staging is not empty after a refusal");
        }
    }
}

fn not_an_export() -> Error {
    Error::new(Code::NotAnExport, "The archive does not begin as an export of Mantyx does")
        .hint("Choose a file that an export of Mantyx has made")
}

/// Takes the first entry, and no more.
struct OnlyHead<F> {
    head: Option<Head<F>>,
}

impl<F: DeserializeOwned> Taker for OnlyHead<F> {
    fn take(&mut self, entry: &Entry<'_>, content: &mut dyn Read) -> Result<()> {
        if self.head.is_some() {
            // What follows is of no interest, and this ends the reading.
            return Err(not_an_export());
        }
        self.head = Some(read_head(&head_text(entry, content)?)?);
        Ok(())
    }
}

fn head_text(entry: &Entry<'_>, content: &mut dyn Read) -> Result<Vec<u8>> {
    if entry.name != HEAD.as_bytes() || entry.kind != Kind::File {
        return Err(not_an_export());
    }
    whole(entry, content, LONGEST_HEAD)
}

fn read_head<F: DeserializeOwned>(text: &[u8]) -> Result<Head<F>> {
    envelope::read(text, HEAD, Code::NotAnExport)
}

/// Reads an entry that ends up in memory.
fn whole(entry: &Entry<'_>, content: &mut dyn Read, longest: u64) -> Result<Vec<u8>> {
    if entry.size > longest {
        return Err(name::refuse(Code::EntryTooLarge, entry.name, "is longer than any export has it"));
    }
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes).map_err(|error| packed::unreadable(entry.name, error))?;
    Ok(bytes)
}

/// What is known of an archive so far.
struct Import<'a, F> {
    head: Option<Head<F>>,
    place: Place<'a>,
    meter: Meter<'a>,
    /// Of each file, by its key.
    sums: BTreeMap<String, (Sum, u64)>,
    digests: Option<Digests>,
    files: u64,
    bytes: u64,
}

impl<F: DeserializeOwned> Taker for Import<'_, F> {
    fn take(&mut self, entry: &Entry<'_>, content: &mut dyn Read) -> Result<()> {
        if self.head.is_none() {
            let text = head_text(entry, content)?;
            self.head = Some(read_head(&text)?);
            self.sums.insert(HEAD.to_owned(), (Sha256::digest(&text).into(), entry.size));
            return Ok(());
        }
        if self.digests.is_some() {
            return Err(name::refuse(Code::ArchiveCorrupt, entry.name, "comes after the end of the export"));
        }
        name::check(entry.name)?;
        self.meter.entry(entry.name)?;
        match entry.kind {
            _ if entry.name == HEAD.as_bytes() => {
                Err(name::refuse(Code::EntryDuplicate, entry.name, "is there twice"))
            }
            _ if entry.name == DIGESTS.as_bytes() => self.read_digests(entry, content),
            Kind::Folder => self.place.folder(entry),
            Kind::Link => self.place.link(entry),
            Kind::File => self.file(entry, content),
        }
    }
}

impl<F> Import<'_, F> {
    fn file(&mut self, entry: &Entry<'_>, content: &mut dyn Read) -> Result<()> {
        let file = self.place.file(entry)?;
        let sum = self.meter.pour(entry.name, content, &file)?;
        place::settle(&file, entry)?;
        self.files += 1;
        self.bytes += entry.size;
        self.sums.insert(name::key(entry.name), (sum, entry.size));
        Ok(())
    }

    fn read_digests(&mut self, entry: &Entry<'_>, content: &mut dyn Read) -> Result<()> {
        let text = whole(entry, content, LONGEST_DIGESTS)?;
        let digests = serde_json::from_slice(&text)
            .map_err(|error| packed::corrupt(&format!("has digests that cannot be read: {error}")))?;
        self.digests = Some(digests);
        Ok(())
    }
}

/// Every file has its digest, and every digest its file.
fn compare(sums: &BTreeMap<String, (Sum, u64)>, digests: &Digests) -> Result<()> {
    for (key, (sum, bytes)) in sums {
        let said = digests.files.get(key).filter(|said| said.bytes == *bytes);
        if said.is_none_or(|said| said.sha256 != hex::encode(sum)) {
            return Err(damaged(key, "is not what was packed"));
        }
    }
    let missing = digests.files.keys().find(|key| !sums.contains_key(*key));
    missing.map_or(Ok(()), |key| Err(damaged(key, "is missing")))
}

fn damaged(key: &str, why: &str) -> Error {
    name::refuse(Code::ArchiveCorrupt, key.as_bytes(), why).hint(packed::AGAIN)
}

#[cfg(test)]
mod tests;
