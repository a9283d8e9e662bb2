//! A backup of an app: what ran, and optionally its data.
//!
//! `backups/<app>/<id>/` has `backup.json`, `source/`, which is hard links to a release that nobody writes to, and
//! `data/`, which is a copy. It is made in a folder beside it that gets its name as the last step, and loses the name
//! as the first step when it is removed. What died in between is what [`settle_unfinished`] finds.

use std::error::Error as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use chrono::{DateTime, Utc};
use mantyx_core::{Code, Error, Result};
use mantyx_platform::folders::{self, Copied, copy_tree, link_tree};
use mantyx_platform::{atomic, reading};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

mod id;

pub use id::Id;

use crate::digest::{Tally, tally};
use crate::envelope::{self, Head};

const MANIFEST: &str = "backup.json";
const SOURCE: &str = "source";
const DATA: &str = "data";
/// What the name of a folder ends with that is not a backup yet, or no more.
const PART: &str = ".part";
/// Nobody else may see what an app keeps.
const PRIVATE: u32 = 0o700;

/// What goes into a backup.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The source of a release. Nobody writes to it, so that it needs no room of its own.
    pub source: &'a Path,
    /// The data of the app, which may be writing to it. It is copied as it is at that moment.
    pub data: Option<&'a Path>,
}

/// What a backup says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest<F> {
    /// The version of the Mantyx that made it.
    pub mantyx: String,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// What is in the source.
    pub source: Tally,
    /// What is in the data, where there are any.
    pub data: Option<Data>,
    /// What the caller keeps with it.
    pub facts: F,
}

/// What was copied of an app's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// Files, without folders and symbolic links.
    pub files: u64,
    /// Their lengths in bytes.
    pub bytes: u64,
    /// Sockets, pipes and devices, which cannot be kept.
    pub left_out: u64,
    /// What the app removed while it was being read.
    pub vanished: u64,
}

/// The manifest as it is written, inside the envelope.
#[derive(Serialize, Deserialize)]
struct Body<F> {
    source: Tally,
    data: Option<Data>,
    facts: F,
}

/// A backup in a list. One that cannot be read is there all the same, so that it can be removed.
#[derive(Debug)]
pub struct Listed<F> {
    /// Its name.
    pub id: Id,
    /// What it says about itself.
    pub manifest: Result<Manifest<F>>,
}

/// Makes a backup in the folder of an app. It is there whole afterwards, or not at all.
pub fn write<F: Serialize>(
    folder: &Path,
    id: Id,
    contents: Contents<'_>,
    facts: F,
    cancel: &AtomicBool,
) -> Result<Manifest<F>> {
    folders::create(folder, PRIVATE)?;
    let (part, whole) = (part(folder, id), place(folder, id));
    // It may have been begun before a crash.
    folders::remove(&part)?;
    let made = fill(&part, id, contents, facts, cancel).and_then(|manifest| {
        folders::rename(&part, &whole)?;
        Ok(manifest)
    });
    made.inspect_err(|_| {
        if let Err(error) = folders::remove(&part) {
            tracing::warn!(?error, "a part of a backup stays");
        }
    })
}

fn fill<F: Serialize>(
    part: &Path,
    id: Id,
    contents: Contents<'_>,
    facts: F,
    cancel: &AtomicBool,
) -> Result<Manifest<F>> {
    folders::create(part, PRIVATE)?;
    link_tree(contents.source, &part.join(SOURCE))?;
    let source = tally(&part.join(SOURCE), cancel)?;
    let data = contents.data.map(|data| copy_tree(data, &part.join(DATA), cancel)).transpose()?;
    let body = Body { source, data: data.map(Data::from), facts };
    let head = Head::new(id.made_at(), body);
    describe(part, &head)?;
    if head.facts.data.is_some() {
        atomic::sync_file_system(part)?;
    }
    Ok(head.into())
}

impl From<Copied> for Data {
    fn from(copied: Copied) -> Self {
        let Copied { files, bytes, left_out, vanished, .. } = copied;
        Self { files, bytes, left_out, vanished }
    }
}

impl<F> From<Head<Body<F>>> for Manifest<F> {
    fn from(head: Head<Body<F>>) -> Self {
        let Body { source, data, facts } = head.facts;
        Self { mantyx: head.mantyx, made_at: head.made_at, source, data, facts }
    }
}

/// Moves a folder, to which nobody writes any more, into a backup that was made without data: they are what it has from
/// then on. Where that was cut short it is run again, and finds what is left to do.
pub fn take_in<F: Serialize + DeserializeOwned>(folder: &Path, id: Id, data: &Path) -> Result<Manifest<F>> {
    let manifest = read::<F>(folder, id)?;
    remove_copied(data);
    if fs::symlink_metadata(data).is_err() {
        return Ok(manifest);
    }
    let (files, bytes) = count(data)?;
    let said = Data { files, bytes, left_out: 0, vanished: 0 };
    let body = Body { source: manifest.source, data: Some(said), facts: manifest.facts };
    let (head, whole) = (Head::new(manifest.made_at, body), place(folder, id));
    // Said before it is so: a backup that lacks data is damaged, and one that has more than it says is not known to.
    describe(&whole, &head)?;
    folders::remove(&whole.join(DATA))?;
    match folders::rename(data, &whole.join(DATA)) {
        Err(error) if is_across_mounts(&error) => copy_in(&whole, data)?,
        moved => moved?,
    }
    Ok(head.into())
}

/// Takes data in that cannot be moved. They lose their name once the copy is safe: half of what is being removed is
/// never taken for what there is.
fn copy_in(whole: &Path, data: &Path) -> Result<()> {
    copy_tree(data, &whole.join(DATA), &AtomicBool::new(false))?;
    atomic::sync_file_system(whole)?;
    folders::rename(data, &copied(data))?;
    remove_copied(data);
    Ok(())
}

/// Whether two folders are on different mounts. Only trying tells: those of one file system may be (rename(2)).
fn is_across_mounts(error: &Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == ErrorKind::CrossesDevices)
}

/// What a folder is called whose content is in a backup.
fn copied(data: &Path) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push(".copied");
    PathBuf::from(name)
}

/// The backup is whole without that, so it hinders nobody. The next one that is taken in tries again.
fn remove_copied(data: &Path) {
    if let Err(error) = folders::remove(&copied(data)) {
        tracing::warn!(?error, "data that are in a backup stay beside it");
    }
}

fn describe<F: Serialize>(folder: &Path, head: &Head<Body<F>>) -> Result<()> {
    let text =
        serde_json::to_vec_pretty(head).map_err(|error| Error::internal("describe a backup", error))?;
    atomic::write(&folder.join(MANIFEST), &text, 0o600)
}

/// What a backup says about itself.
///
/// # Errors
/// `not_found`; `unknown_format`, when another Mantyx wrote it; `backup_damaged`.
pub fn read<F: DeserializeOwned>(folder: &Path, id: Id) -> Result<Manifest<F>> {
    let path = place(folder, id).join(MANIFEST);
    let text = fs::read(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound if place(folder, id).is_dir() => damaged(id, &format!("has no `{MANIFEST}`")),
        ErrorKind::NotFound => Error::not_found("backup", id),
        _ => Error::io(format!("read `{}`", path.display()), error),
    })?;
    let head: Head<Body<F>> = envelope::read(&text, &format!("{id}/{MANIFEST}"), Code::BackupDamaged)?;
    Ok(head.into())
}

/// The backups of an app, the newest first.
pub fn list<F: DeserializeOwned>(folder: &Path) -> Result<Vec<Listed<F>>> {
    let mut ids: Vec<Id> = names(folder)?.iter().filter_map(|name| name.parse().ok()).collect();
    ids.sort_unstable_by(|one, other| other.cmp(one));
    Ok(ids.into_iter().map(|id| Listed { id, manifest: read(folder, id) }).collect())
}

/// Holds the files of a backup against what it says of them: the source byte for byte, the data by their number and
/// lengths, since there may be much of them.
///
/// # Errors
/// `backup_damaged`, and those of [`read`].
pub fn verify(folder: &Path, id: Id, cancel: &AtomicBool) -> Result<()> {
    let manifest: Manifest<serde_json::Value> = read(folder, id)?;
    let (source, data) = (place(folder, id).join(SOURCE), place(folder, id).join(DATA));
    if !source.is_dir() || tally(&source, cancel)? != manifest.source {
        return Err(damaged(id, "does not have the source that it was made with"));
    }
    let is_whole = match &manifest.data {
        None => true,
        Some(said) => data.is_dir() && count(&data)? == (said.files, said.bytes),
    };
    if is_whole { Ok(()) } else { Err(damaged(id, "does not have the data that it was made with")) }
}

/// Makes the source of a backup again, as hard links, in a folder that is not there yet.
pub fn stage_source(folder: &Path, id: Id, to: &Path) -> Result<Copied> {
    link_tree(&place(folder, id).join(SOURCE), to)
}

/// Copies the data of a backup to a folder that is not there yet.
///
/// # Errors
/// `backup_damaged`, when it has none.
pub fn copy_data(folder: &Path, id: Id, to: &Path, cancel: &AtomicBool) -> Result<Copied> {
    let data = place(folder, id).join(DATA);
    if data.is_dir() { copy_tree(&data, to, cancel) } else { Err(damaged(id, "has no data")) }
}

/// Takes the name from a backup that is to be removed. One that has none is fine.
pub fn set_aside(folder: &Path, id: Id) -> Result<()> {
    let (part, whole) = (part(folder, id), place(folder, id));
    if fs::symlink_metadata(&whole).is_err() {
        return Ok(());
    }
    folders::remove(&part)?;
    folders::rename(&whole, &part)
}

/// Gives a backup that is not to be removed after all its name again.
pub fn bring_back(folder: &Path, id: Id) -> Result<()> {
    let (part, whole) = (part(folder, id), place(folder, id));
    let has_name = fs::symlink_metadata(&whole).is_ok();
    if has_name || fs::symlink_metadata(&part).is_err() { Ok(()) } else { folders::rename(&part, &whole) }
}

/// Removes a backup. One that is not there is fine.
pub fn remove(folder: &Path, id: Id) -> Result<()> {
    set_aside(folder, id)?;
    folders::remove(&part(folder, id))
}

/// Settles what a crash has left half made or half removed in the folder of an app: what somebody counts on gets its
/// name back, and everything else is removed. Nobody else may be making or removing a backup of the app.
pub fn settle_unfinished(folder: &Path, is_counted_on: impl Fn(Id) -> bool) -> Result<()> {
    let unfinished = |name: &String| name.strip_suffix(PART)?.parse::<Id>().ok();
    let ids: Vec<Id> = names(folder)?.iter().filter_map(unfinished).collect();
    ids.into_iter().try_for_each(|id| {
        if is_counted_on(id) {
            bring_back(folder, id)?;
        }
        folders::remove(&part(folder, id))
    })
}

/// Where a backup is.
#[must_use]
pub fn place(folder: &Path, id: Id) -> PathBuf {
    folder.join(id.to_string())
}

fn part(folder: &Path, id: Id) -> PathBuf {
    folder.join(format!("{id}{PART}"))
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let failed = |error| Error::io(format!("read the folder `{}`", folder.display()), error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    Ok(names)
}

fn damaged(id: Id, why: &str) -> Error {
    Error::new(Code::BackupDamaged, format!("The backup `{id}` {why}"))
        .hint("Use another backup; this one can only be removed")
}

/// How many files are in a tree, and how long they are together.
fn count(tree: &Path) -> Result<(u64, u64)> {
    struct Count(u64, u64);
    impl reading::Reader for Count {
        fn meet(&mut self, met: reading::Met<'_>) -> Result<reading::Next> {
            if matches!(met.content, reading::Content::File(_)) {
                self.0 += 1;
                self.1 += met.facts.size();
            }
            Ok(reading::Next::Enter)
        }
    }
    let mut count = Count(0, 0);
    reading::read(tree, &mut count)?;
    Ok((count.0, count.1))
}

#[cfg(test)]
mod tests;
