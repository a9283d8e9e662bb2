//! Exports that are there to be fetched.

use std::path::PathBuf;
use std::time::SystemTime;

use chrono::Utc;
use mantyx_api_types::{ExportView, Page};
use mantyx_core::{Actor, Code, Error, EventKind, OperationId, Result, Subject};
use mantyx_platform::folders;
use mantyx_registry::Change;
use serde_json::json;

use super::KEPT;
use crate::mantyx::Mantyx;
use crate::work::{blocking, whole};

/// An export as a file.
#[derive(Clone, Debug)]
pub struct ExportFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What is known of it.
    pub view: ExportView,
}

impl Mantyx {
    /// The exports that can be fetched, the newest first.
    pub async fn exports(&self) -> Result<Page<ExportView>> {
        let layout = self.layout().clone();
        let ids = blocking(move || ids_in(&layout.exports())).await?;
        let mut items = Vec::new();
        for id in ids {
            match self.export_file(id).await {
                Ok(file) => items.push(file.view),
                Err(error) if error.code() == Code::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        items.sort_unstable_by_key(|export| std::cmp::Reverse((export.made_at, export.id)));
        Ok(Page { items, next_cursor: None })
    }

    /// One of them, as a file.
    pub async fn export_file(&self, id: OperationId) -> Result<ExportFile> {
        let missing =
            move || Error::not_found("export", id).hint("`GET /api/exports` lists those that are there");
        let (path, label) = (self.layout().export(id), self.layout().export_label(id));
        blocking(move || {
            // What has no label is not done, or was removed meanwhile.
            let label = std::fs::read(&label).map_err(|_| missing())?;
            let view: ExportView = serde_json::from_slice(&label).map_err(|_| missing())?;
            let is_there = path.is_file() && view.kept_until > Utc::now();
            if is_there { Ok(ExportFile { path, view }) } else { Err(missing()) }
        })
        .await
    }

    /// Writes down that somebody fetches an export: whoever has it has everything.
    pub async fn record_fetch(&self, actor: &Actor, export: &ExportView) -> Result<()> {
        self.record_export(actor, EventKind::ExportFetched, export).await
    }

    /// Removes an export.
    pub async fn remove_export(&self, actor: &Actor, id: OperationId) -> Result<()> {
        let (mantyx, actor) = (self.clone(), actor.clone());
        whole(async move {
            let file = mantyx.export_file(id).await?;
            let label = mantyx.layout().export_label(id);
            blocking(move || folders::remove(&label).and_then(|()| folders::remove(&file.path))).await?;
            mantyx.record_export(&actor, EventKind::ExportRemoved, &file.view).await
        })
        .await
    }

    async fn record_export(&self, actor: &Actor, kind: EventKind, export: &ExportView) -> Result<()> {
        let subject =
            Subject { kind: "export".into(), id: export.id.to_string(), name: export.file_name.clone() };
        let payload = json!({ "made_at": export.made_at, "bytes": export.bytes });
        let record = move |change: &mut Change<'_, '_>| change.record(kind, &subject, payload);
        self.registry().change(actor, record).await
    }

    /// Removes those that are kept no longer.
    pub(crate) async fn retire_exports(&self, now: SystemTime) {
        let layout = self.layout().clone();
        let retire = move || {
            for id in ids_in(&layout.exports())? {
                let (path, label) = (layout.export(id), layout.export_label(id));
                let written = std::fs::metadata(&path).and_then(|found| found.modified());
                let age = written.ok().and_then(|written| now.duration_since(written).ok());
                if age.is_some_and(|age| age > KEPT) {
                    folders::remove(&label).and_then(|()| folders::remove(&path))?;
                }
            }
            Ok(())
        };
        if let Err(error) = blocking(retire).await {
            tracing::warn!(?error, "exports that are kept no longer could not be removed yet");
        }
    }
}

/// The exports of which there is a file.
fn ids_in(folder: &std::path::Path) -> Result<Vec<OperationId>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(format!("list the folder `{}`", folder.display()), error)),
    };
    let id = |name: std::ffi::OsString| name.to_str()?.strip_suffix(".tar.gz")?.parse().ok();
    Ok(entries.filter_map(|entry| id(entry.ok()?.file_name())).collect())
}
