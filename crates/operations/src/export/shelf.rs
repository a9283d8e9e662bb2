//! Exports that are there to be fetched.

use std::path::PathBuf;
use std::time::SystemTime;

use mantyx_core::{EventKind, Subject};
use mantyx_registry::Change;
use serde_json::json;

use super::{
    Actor, Error, ExportView, Exporting, KEPT, Mantyx, OperationId, OperationStatus, Page, Result, blocking, folders,
    operations, whole,
};

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
                // It was removed meanwhile, or is not done.
                Err(error) if error.code() == mantyx_core::Code::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        items.sort_unstable_by_key(|export| std::cmp::Reverse((export.made_at, export.id)));
        Ok(Page { items, next_cursor: None })
    }

    /// One of them, as a file.
    pub async fn export_file(&self, id: OperationId) -> Result<ExportFile> {
        let missing = || Error::not_found("export", id).hint("`GET /api/exports` lists those that are there");
        let row = self.registry().read(move |db| operations::find(db, id)).await?;
        let row = row.filter(|row| row.status.0 == OperationStatus::Succeeded).ok_or_else(missing)?;
        let memory: Exporting = serde_json::from_value(row.memory.0).map_err(|_| missing())?;
        let path = self.layout().export(id);
        let place = path.clone();
        let bytes = blocking(move || Ok(std::fs::metadata(&place).ok().map(|found| found.len()))).await?;
        let finished = row.finished_at.unwrap_or(row.started_at);
        let view = bytes.and_then(|bytes| memory.view(id, bytes, finished)).ok_or_else(missing)?;
        let over = view.kept_until <= chrono::Utc::now();
        if over { Err(missing()) } else { Ok(ExportFile { path, view }) }
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
            blocking(move || folders::remove(&file.path)).await?;
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
                let path = layout.export(id);
                let written = std::fs::metadata(&path).and_then(|found| found.modified());
                let age = written.ok().and_then(|written| now.duration_since(written).ok());
                if age.is_some_and(|age| age > KEPT) {
                    folders::remove(&path)?;
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
