//! A new source made of a release that is there: the same once more, or with one file changed.
//!
//! A release never changes, so what stays the same is shared: every file of the new tree is a hard link to that of the
//! old one, and costs nothing but its name. The file that changes is a new one in its place.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use mantyx_core::{Code, Error, Origin, RelativePath, Result};
use mantyx_platform::folders;

use crate::entry::{EntryPath, refuse};
use crate::junk::Junk;
use crate::limits::{Limits, too_many_bytes, too_many_entries};
use crate::listing::{Entry, EntryKind, entries};
use crate::tree::{Kind, Tree};
use crate::unpack::{Mode, discard};
use crate::{SOURCE, Staged, inspect};

/// A release that a new one is made of.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// Its source.
    pub folder: &'a Path,
    /// Where it came from, which the new one says too.
    pub origin: &'a Origin,
    /// The version that builds are told, where it came from git.
    pub scm_version: Option<&'a str>,
}

/// What becomes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit<'a> {
    /// It gets this content; one that is not there yet is made.
    Write(&'a [u8]),
    /// It is left out.
    Remove,
}

/// Puts the source of a release into an empty staging folder once more.
pub fn staged_again(base: Base<'_>, staging: &Path) -> Result<Staged> {
    stage(base, staging, None).inspect_err(|_| discard(staging))
}

/// Puts the source of a release into an empty staging folder, with one file written or removed.
///
/// # Errors
/// `not_found` where there is nothing to remove, the codes of archives for a path or a size that no source may have,
/// and `no_entrypoint` where nothing is left to start.
pub fn staged_from_edit(
    base: Base<'_>,
    path: &RelativePath,
    edit: Edit<'_>,
    staging: &Path,
    limits: &Limits,
) -> Result<Staged> {
    let there = entries(base.folder)?;
    let (wanted, path) = (path, editable(path)?);
    let found = there.iter().find(|entry| entry.path == path.as_str());
    match edit {
        Edit::Write(content) => refuse_write(&there, &path, found, content.len() as u64, limits)?,
        Edit::Remove if found.is_none() => return Err(Error::not_found("file", path.as_str())),
        Edit::Remove => {}
    }
    let mode = if found.is_some_and(|entry| entry.executable) { Mode::Executable } else { Mode::Plain };
    let change = Change { path: path.as_str(), edit, mode };
    let staged = stage(base, staging, Some(&change)).inspect_err(|_| discard(staging))?;
    Ok(Staged { origin: edited(staged.origin, wanted), ..staged })
}

/// A source that is not as it is in its commit any more says so.
fn edited(mut origin: Origin, path: &RelativePath) -> Origin {
    if let Origin::Git { edited, .. } = &mut origin
        && !edited.contains(path)
    {
        edited.push(path.clone());
    }
    origin
}

/// The one file that is not the same.
struct Change<'a> {
    path: &'a str,
    edit: Edit<'a>,
    mode: Mode,
}

/// A path that a source could have brought, too. What would be left out of one is not written into it either.
fn editable(path: &RelativePath) -> Result<EntryPath> {
    let entry = EntryPath::parse(path.as_str().as_bytes())?;
    entry.filter(|entry| !Junk::default().takes(entry)).ok_or_else(|| {
        refuse(Code::EntryName, path.as_str(), "is no part of a source")
            .hint("Caches, environments and what belongs to git or to macOS are left out of every release")
    })
}

fn refuse_write(
    there: &[Entry],
    path: &EntryPath,
    found: Option<&Entry>,
    bytes: u64,
    limits: &Limits,
) -> Result<()> {
    let name = path.as_str();
    if found.is_some_and(|entry| entry.kind != EntryKind::File) {
        return Err(refuse(Code::EntrySymlink, name, "is a symbolic link")
            .hint("Edit the file that it leads to, or remove the link first"));
    }
    if bytes > limits.file_bytes {
        let why = format!("would have more than {} bytes", limits.file_bytes);
        return Err(refuse(Code::EntryTooLarge, name, &why));
    }
    let others: u64 = there.iter().filter(|entry| entry.path != name).map(|entry| entry.bytes).sum();
    if others.saturating_add(bytes) > limits.total_bytes {
        return Err(too_many_bytes(limits).entry(name));
    }
    if found.is_some() {
        return Ok(());
    }
    refuse_new(there, path, limits)
}

/// A new file is none that is there already under another spelling, or that stands where something else does.
fn refuse_new(there: &[Entry], path: &EntryPath, limits: &Limits) -> Result<()> {
    let mut tree = Tree::default();
    for entry in there {
        let kind = if entry.kind == EntryKind::File { Kind::File } else { Kind::Link };
        if let Some(known) = EntryPath::parse(entry.path.as_bytes())? {
            tree.add(&known, kind)?;
        }
    }
    tree.add(path, Kind::File)?;
    if tree.len() as u64 > limits.entries {
        return Err(too_many_entries(limits).entry(path.as_str()));
    }
    Ok(())
}

fn stage(base: Base<'_>, staging: &Path, change: Option<&Change<'_>>) -> Result<Staged> {
    let folder = staging.join(SOURCE);
    folders::link_tree(base.folder, &folder)?;
    change.map_or(Ok(()), |change| replace(&folder, change))?;
    let found = inspect::inspect(&folder, "app", Vec::new())?;
    let scm_version = base.scm_version.map(str::to_owned);
    Ok(Staged { folder, found, origin: base.origin.clone(), scm_version })
}

/// Puts a file in the place of what is there. The folders on the way are the new tree's own, but as read-only as those
/// that they were made after.
fn replace(root: &Path, change: &Change<'_>) -> Result<()> {
    let failed = |error| Error::io(format!("write `{}`", change.path), error);
    let folders = change.path.match_indices('/').map(|(end, _)| root.join(&change.path[..end]));
    for folder in std::iter::once(root.to_owned()).chain(folders) {
        folders::create(&folder, 0o755)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).map_err(failed)?;
    }
    let place = root.join(change.path);
    folders::remove(&place)?;
    let Edit::Write(content) = change.edit else { return Ok(()) };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(place).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.set_permissions(Permissions::from_mode(change.mode.bits())).map_err(failed)
}

#[cfg(test)]
mod tests;
