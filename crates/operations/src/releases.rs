//! What the releases of an app hold, and what changed between two of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use mantyx_api_types::{
    DiffHunk, DiffKind, DiffLine, FileChange, FileDiff, FileEntry, FileKind, OutdatedPackage, PackageChange,
    ReleaseDetail, ReleaseDiff,
};
use mantyx_core::{AppId, AppName, Code, Error, RelativePath, Result};
use mantyx_ingest as ingest;
use mantyx_registry::tables::{apps, config_revisions, instances, releases};
use mantyx_registry::{Read, views};
use mantyx_venv::{Lock, Locked, Pin};

use crate::identity::{identity_of, refuse_foreign};
use crate::mantyx::Mantyx;
use crate::work::blocking;

/// No file of a source that people look at is larger, in bytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// How long an index may take to say what is newer.
const INDEX_PATIENCE: Duration = Duration::from_secs(120);

impl Mantyx {
    /// A release with its files and its packages.
    pub async fn release(&self, name: &AppName, number: u32) -> Result<ReleaseDetail> {
        let (folder, row, active) = self.release_numbered(name, number).await?;
        let lock = row.lock.clone();
        let entries = blocking(move || ingest::entries(&folder)).await?;
        let release = views::release(row, &active);
        Ok(ReleaseDetail { release, files: entries.into_iter().map(entry).collect(), lock })
    }

    /// The content of one file of a release.
    pub async fn release_file(&self, name: &AppName, number: u32, path: &RelativePath) -> Result<Vec<u8>> {
        let (folder, ..) = self.release_numbered(name, number).await?;
        let path = path.clone();
        let file = blocking(move || ingest::read_file(&folder, &path, LARGEST)).await?;
        if let ingest::EntryKind::Link { target } = &file.entry.kind {
            let hint = format!("It is a symbolic link to `{target}`: read what is there");
            return Err(Error::not_found("file", &file.entry.path).hint(hint));
        }
        if file.truncated {
            let detail = format!("`{}` has more than {LARGEST} bytes", file.entry.path);
            return Err(Error::new(Code::UploadTooLarge, detail).hint("Look at it on the disk"));
        }
        Ok(file.bytes)
    }

    /// What changed from one release to another.
    pub async fn release_diff(&self, name: &AppName, from: u32, to: u32) -> Result<ReleaseDiff> {
        let (old, old_row, _) = self.release_numbered(name, from).await?;
        let (new, new_row, _) = self.release_numbered(name, to).await?;
        let _room = self.inner().inquiries.near().await?;
        let tree = blocking(move || ingest::diff(&old, &new, &ingest::DiffLimits::default())).await?;
        Ok(ReleaseDiff {
            from,
            to,
            files: tree.files.into_iter().map(file_diff).collect(),
            packages: package_changes(old_row.lock.as_deref(), new_row.lock.as_deref())?,
            truncated: tree.truncated,
        })
    }

    /// The packages of the active environment that the index has a newer version of.
    pub async fn outdated(&self, name: &AppName) -> Result<Vec<OutdatedPackage>> {
        let app = self.find(name).await?.id.0;
        self.inner().inquiries.outdated.answer(app, self.look_for_newer(name, app)).await
    }

    async fn look_for_newer(&self, name: &AppName, app: AppId) -> Result<Vec<OutdatedPackage>> {
        let (_, release) = self.active_release(name).await?;
        let environment = release.environment_id.ok_or_else(|| {
            Error::new(Code::IllegalState, format!("`{name}` has no environment")).hint("Install it first")
        })?;
        let (place, settings) = (self.layout().environment(name, environment.0), self.settings().clone());
        let configuration = move |db: &mut Read<'_>| {
            let revision = instances::of_app(db, app)?.revision_id.0;
            Ok(config_revisions::get(db, revision)?.configuration.0)
        };
        let configuration = self.registry().read(configuration).await?;
        let folder = place.clone();
        let user = blocking(move || {
            let runs_as = identity_of(&configuration, &settings)?;
            // Looking at packages runs the Python of the environment, which another one may have changed.
            refuse_foreign(&configuration, &runs_as, &folder)?;
            Ok(runs_as.identity)
        })
        .await?;
        let tools = self.tools(user.as_ref()).await;
        let _room = self.inner().inquiries.far().await?;
        let found = mantyx_venv::outdated(&place, &self.layout().cache(), &tools, INDEX_PATIENCE).await?;
        let view = |package: mantyx_venv::Outdated| OutdatedPackage {
            name: package.name,
            installed: package.installed,
            latest: package.latest,
        };
        Ok(found.into_iter().map(view).collect())
    }

    /// A kept release of an app: where it lies, its row, and what is active.
    async fn release_numbered(
        &self,
        name: &AppName,
        number: u32,
    ) -> Result<(PathBuf, releases::Release, instances::Instance)> {
        let wanted = name.clone();
        let read = move |db: &mut Read<'_>| {
            let app: apps::App = views::find_app_by_name(db, &wanted)?;
            let row = releases::numbered(db, app.id.0, i32::try_from(number).unwrap_or_default())?;
            let row = row.ok_or_else(|| {
                Error::not_found("release", number)
                    .hint(format!("`GET /api/apps/{wanted}/releases` lists those that are kept"))
            })?;
            Ok((row, instances::of_app(db, app.id.0)?))
        };
        let (row, active) = self.registry().read(read).await?;
        Ok((self.layout().release(name, number), row, active))
    }
}

fn entry(entry: ingest::Entry) -> FileEntry {
    let kind = match entry.kind {
        ingest::EntryKind::Link { .. } => FileKind::Link,
        ingest::EntryKind::File if entry.executable => FileKind::Program,
        ingest::EntryKind::File => FileKind::File,
    };
    FileEntry { path: entry.path, kind, bytes: entry.bytes }
}

fn file_diff(diff: ingest::FileDiff) -> FileDiff {
    let change = match diff.change {
        ingest::FileChange::Added => FileChange::Added,
        ingest::FileChange::Removed => FileChange::Removed,
        ingest::FileChange::Modified => FileChange::Modified,
        ingest::FileChange::ModeChanged | ingest::FileChange::TypeChanged => FileChange::Mode,
        ingest::FileChange::Renamed => FileChange::Renamed,
    };
    let (note, hunks) = match diff.content {
        ingest::ContentDiff::Text(hunks) => (None, hunks),
        ingest::ContentDiff::Same => (None, Vec::new()),
        ingest::ContentDiff::Binary => (Some("It is binary"), Vec::new()),
        ingest::ContentDiff::TooLarge => (Some("It is too large to be compared line by line"), Vec::new()),
        ingest::ContentDiff::LeftOut => (Some("There is more than is shown"), Vec::new()),
    };
    FileDiff {
        old_path: diff.old.filter(|_| change == FileChange::Renamed).map(|old| old.path),
        path: diff.path,
        change,
        added: count(diff.added),
        removed: count(diff.removed),
        note: note.map(str::to_owned),
        hunks: hunks.into_iter().map(hunk).collect(),
    }
}

fn hunk(hunk: ingest::Hunk) -> DiffHunk {
    let line = |line: ingest::Line| DiffLine {
        kind: match line.kind {
            ingest::LineKind::Context => DiffKind::Same,
            ingest::LineKind::Added => DiffKind::Added,
            ingest::LineKind::Removed => DiffKind::Removed,
        },
        text: line.text,
    };
    DiffHunk {
        from_line: u32::try_from(hunk.old_start).unwrap_or(u32::MAX),
        to_line: u32::try_from(hunk.new_start).unwrap_or(u32::MAX),
        lines: hunk.lines.into_iter().map(line).collect(),
    }
}

fn count(lines: u64) -> u32 {
    u32::try_from(lines).unwrap_or(u32::MAX)
}

/// The packages that are not the same in both locks, by name.
fn package_changes(from: Option<&str>, to: Option<&str>) -> Result<Vec<PackageChange>> {
    let (from, to) = (versions(from)?, versions(to)?);
    let names = from.keys().chain(to.keys()).collect::<std::collections::BTreeSet<_>>();
    let change = |name: &String| PackageChange {
        name: name.clone(),
        from: from.get(name).cloned(),
        to: to.get(name).cloned(),
    };
    Ok(names.into_iter().map(change).filter(|change| change.from != change.to).collect())
}

/// A package that does not come from the index has a place in the stead of a version.
fn versions(lock: Option<&str>) -> Result<BTreeMap<String, String>> {
    let Some(lock) = lock else { return Ok(BTreeMap::new()) };
    let lock = Lock::parse(lock)?;
    let version = |package: &Locked| match &package.pin {
        Pin::Index(version) => (package.name.clone(), version.clone()),
        Pin::Elsewhere(place) => (package.name.clone(), place.clone()),
    };
    Ok(lock.packages().iter().map(version).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_compared_by_name() {
        let changes =
            package_changes(Some("flask==3.0\nold==1\nsame==2\n"), Some("flask==3.1\nnew==1\nsame==2\n"));
        let changes = changes.unwrap();
        let shown: Vec<_> =
            changes.iter().map(|c| (c.name.as_str(), c.from.as_deref(), c.to.as_deref())).collect();
        let expected =
            [("flask", Some("3.0"), Some("3.1")), ("new", None, Some("1")), ("old", Some("1"), None)];
        assert_eq!(shown, expected);
        assert_eq!(package_changes(None, None).unwrap(), []);
    }
}
