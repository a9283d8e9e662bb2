//! An app's own files: looked at, written and removed by people.
//!
//! They lie in a folder that the app may be writing to, so all of it goes through
//! [`OwnedFolder`](mantyx_platform::owned::OwnedFolder), which works with no more rights than the owner of the folder
//! has: what is made belongs to whom the app runs as, and goes along when that becomes another user. Nothing is changed
//! beside an operation of the app, since some of them move, keep or put back the same files.

use std::fs::File;

use chrono::DateTime;
use mantyx_api_types::{DataEntry, DataKind, Page};
use mantyx_core::{AppName, Configuration, Error, EventKind, RelativePath, Result, Timestamp};
use mantyx_platform::owned::{Entry, Found, Kind, Listing, OwnedFolder, Place, Removal};
use mantyx_platform::reading::Facts;
use mantyx_registry::tables::{apps, config_revisions, instances};
use mantyx_registry::{Change, Read};
use mantyx_settings::{Layout, Settings};
use serde_json::{Value, json};
use tokio::sync::OwnedMutexGuard;

use crate::identity::{identity_of, make_data};
use crate::mantyx::{Caller, Mantyx};
use crate::queries::{limit, parse_cursor};
use crate::work::{blocking, whole};

/// What is at a place among an app's own files.
#[derive(Debug)]
pub enum Data {
    /// Other entries.
    Folder(Page<DataEntry>),
    /// A file.
    File(DataFile),
}

/// A file that is open for reading.
#[derive(Debug)]
pub struct DataFile {
    /// Its content, as long as it was when it was opened or as it has become since.
    pub content: File,
    /// How many bytes it had.
    pub bytes: u64,
    /// What is different once it was written to.
    pub mark: String,
}

/// Refuses, by the mark of the file that is there, to change it; without a mark there is none.
pub type Condition = Box<dyn FnOnce(Option<&str>) -> Result<()> + Send>;

impl Mantyx {
    /// A page of all own files of an app; of none when it never ran.
    pub async fn data_folder(
        &self,
        name: &AppName,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<DataEntry>> {
        let (part, folder) = (PartOf::read(limit, cursor)?, self.find(name).await?.name.0);
        let folder = self.layout().app_data(&folder);
        blocking(move || match OwnedFolder::open(&folder)? {
            Some(folder) => part.of(&folder, None),
            None => Ok(Page { items: Vec::new(), next_cursor: None }),
        })
        .await
    }

    /// What is at a place among the own files of an app; of a folder it is a page.
    pub async fn data(
        &self,
        name: &AppName,
        path: RelativePath,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Data> {
        refuse_unsaid(&path)?;
        let (part, folder) = (PartOf::read(limit, cursor)?, self.find(name).await?.name.0);
        let folder = self.layout().app_data(&folder);
        blocking(move || {
            let folder = OwnedFolder::open(&folder)?.ok_or_else(|| Error::not_found("file", &path))?;
            match folder.find(&path)? {
                Found::File(content, facts) => {
                    Ok(Data::File(DataFile { content, bytes: facts.size(), mark: facts.mark() }))
                }
                Found::Folder => part.of(&folder, Some(&path)).map(Data::Folder),
            }
        })
        .await
    }

    /// Puts content at a place among the own files of an app, in one step, and makes the folders on the way. Answers the
    /// entry and its mark.
    pub async fn write_data(
        &self,
        caller: &Caller,
        name: &AppName,
        path: RelativePath,
        content: File,
        may: Condition,
    ) -> Result<(DataEntry, String)> {
        refuse_unsaid(&path)?;
        let (mantyx, caller, name) = (self.clone(), caller.clone(), name.clone());
        whole(async move {
            let held = mantyx.hold_data(&caller, &name).await?;
            let (layout, settings) = (mantyx.layout().clone(), mantyx.settings().clone());
            let (app, configuration, place) =
                (held.app.name.0.clone(), held.configuration.clone(), path.clone());
            let written = blocking(move || {
                let (folder, may) = provided(&layout, &settings, &app, &configuration, may)?;
                folder.write(&place, &content, |before| may(before.map(Facts::mark).as_deref()))
            });
            let facts = written.await?;
            let payload = json!({ "path": path, "bytes": facts.size() });
            mantyx.record_file(&caller, &held, EventKind::FileWritten, payload).await?;
            Ok((file_view(path, &facts), facts.mark()))
        })
        .await
    }

    /// Removes what is at a place among the own files of an app.
    pub async fn remove_data(
        &self,
        caller: &Caller,
        name: &AppName,
        path: RelativePath,
        removal: Removal,
        may: Condition,
    ) -> Result<()> {
        refuse_unsaid(&path)?;
        let (mantyx, caller, name) = (self.clone(), caller.clone(), name.clone());
        whole(async move {
            let held = mantyx.hold_data(&caller, &name).await?;
            let (folder, place) = (mantyx.layout().app_data(&held.app.name.0), path.clone());
            let removed = blocking(move || match OwnedFolder::open(&folder)? {
                Some(folder) => folder.remove(&place, removal, |found| may(Some(&found.mark()))),
                None => Err(Error::not_found("file", &place)),
            });
            removed.await?;
            mantyx.record_file(&caller, &held, EventKind::FileRemoved, json!({ "path": path })).await
        })
        .await
    }

    /// Sees that an app's own files may be changed by a caller, and that nothing else comes between.
    async fn hold_data(&self, caller: &Caller, name: &AppName) -> Result<Held> {
        let (lock, app) = self.locked_idle(name).await?;
        let id = app.id.0;
        let read = move |db: &mut Read<'_>| {
            let revision = instances::of_app(db, id)?.revision_id.0;
            Ok(config_revisions::get(db, revision)?.configuration.0)
        };
        let configuration = self.registry().read(read).await?;
        caller.require_for_files(&configuration)?;
        Ok(Held { app, configuration, _lock: lock })
    }

    async fn record_file(&self, caller: &Caller, held: &Held, kind: EventKind, payload: Value) -> Result<()> {
        let app = held.app.clone();
        let record = move |change: &mut Change<'_, '_>| change.record_app(kind, &app, payload);
        self.registry().change(&caller.actor(), record).await
    }
}

/// An app whose files are being changed.
struct Held {
    app: apps::App,
    configuration: Configuration,
    _lock: OwnedMutexGuard<()>,
}

/// The folder, made as at the first start of the app where that has not been, and what is still to be asked before it is
/// changed: nothing is made for what is refused.
fn provided(
    layout: &Layout,
    settings: &Settings,
    name: &AppName,
    configuration: &Configuration,
    may: Condition,
) -> Result<(OwnedFolder, Condition)> {
    let place = layout.app_data(name);
    if let Some(folder) = OwnedFolder::open(&place)? {
        return Ok((folder, may));
    }
    may(None)?;
    make_data(layout, name, identity_of(configuration, settings)?.identity.as_ref())?;
    let folder = OwnedFolder::open(&place)?.ok_or_else(|| Error::not_found("folder", place.display()))?;
    Ok((folder, Box::new(|_| Ok(()))))
}

/// Which part of a folder is wanted.
struct PartOf {
    limit: u32,
    after: Option<Place>,
}

impl PartOf {
    fn read(limit: Option<u32>, cursor: Option<&str>) -> Result<Self> {
        Ok(Self { limit: self::limit(limit)?, after: parse_cursor(cursor)? })
    }

    fn of(&self, folder: &OwnedFolder, path: Option<&RelativePath>) -> Result<Page<DataEntry>> {
        let most = usize::try_from(self.limit).unwrap_or_default();
        let Listing { entries, rest } = folder.list(path, self.after.as_ref(), most)?;
        let items = entries.iter().map(|entry| view(path, entry)).collect();
        Ok(Page { items, next_cursor: rest.map(|place| place.to_string()) })
    }
}

fn view(folder: Option<&RelativePath>, entry: &Entry) -> DataEntry {
    let (kind, bytes) = match entry.kind {
        Kind::Folder => (DataKind::Folder, 0),
        Kind::File => (DataKind::File, entry.facts.size()),
        Kind::Link => (DataKind::Link, 0),
        Kind::Special => (DataKind::Special, 0),
    };
    let name = entry.name.to_string_lossy().into_owned();
    let path = entry.name.to_str().and_then(|name| below(folder, name));
    DataEntry { name, path, kind, bytes, modified_at: modified(&entry.facts) }
}

fn file_view(path: RelativePath, facts: &Facts) -> DataEntry {
    DataEntry {
        name: path.file_name().to_owned(),
        path: Some(path),
        kind: DataKind::File,
        bytes: facts.size(),
        modified_at: modified(facts),
    }
}

/// Where a name is, if that can be said: a disk takes names that no address does.
fn below(folder: Option<&RelativePath>, name: &str) -> Option<RelativePath> {
    let path = folder.map_or_else(|| name.to_owned(), |folder| format!("{folder}/{name}"));
    RelativePath::parse(&path).ok().filter(|parsed| parsed.as_str() == path && is_said(parsed))
}

/// What of an address is not UTF-8 is read as a character that stands for it (U+FFFD), which could be anything.
fn is_said(path: &RelativePath) -> bool {
    !path.as_str().contains(char::REPLACEMENT_CHARACTER)
}

fn refuse_unsaid(path: &RelativePath) -> Result<()> {
    if is_said(path) {
        return Ok(());
    }
    Err(Error::not_found("file", path).hint("A name that is not UTF-8 can only be changed on the disk"))
}

fn modified(facts: &Facts) -> Timestamp {
    let seconds = i64::try_from(facts.modified()).unwrap_or_default();
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_address_says_has_no_path() {
        let folder = RelativePath::parse("a/b").unwrap();
        assert_eq!(below(Some(&folder), "c d%").unwrap().as_str(), "a/b/c d%");
        assert_eq!(below(None, "x").unwrap().as_str(), "x");
        for name in ["a\\b", "line\nbreak", "c:", "\u{fffd}"] {
            assert_eq!(below(None, name), None, "{name}");
        }
    }
}
