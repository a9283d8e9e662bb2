//! All of Mantyx in one archive: written while everything goes on, fetched, and removed after a day.
//!
//! The archive holds a copy of the database, the key that secrets are sealed with, and of every app, the trash included,
//! releases, data and backups. Not in it are environments, which are built anew from the locks; caches; who may ask
//! (tokens, password); and the settings, which are about a machine. It is as private as the root, and so is its mode.
//!
//! The database is of one moment, releases and backups never change, and none is removed meanwhile (see
//! [`alone`](crate::alone)). Data is copied as it is when its turn comes: what an app is just writing to may be in the
//! archive as it was in the middle, as it would be after a loss of power.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use mantyx_api_types::{ExportRequest, ExportView, OperationView};
use mantyx_bundle::export::{Report, Why, Writer, unfinished};
use mantyx_core::{Actor, AppName, Error, OperationId, OperationKind, Result, Timestamp};
use mantyx_platform::{atomic, folders};
use serde::{Deserialize, Serialize};

use crate::mantyx::Mantyx;
use crate::progress::{size, with_progress};
use crate::saga::{Saga, Said, Task, step};
use crate::work::{blocking, whole};

mod contents;
mod shelf;

pub(crate) use contents::{DATABASE, KEY};
pub use shelf::ExportFile;

/// How much of what is not in an export as it was is said one by one.
const MOST_SAID: usize = 100;
/// How long an export is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// What an archive says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// The apps that are not in the trash.
    pub(crate) apps: Vec<AppName>,
    /// How many are.
    pub(crate) trashed: usize,
    /// Whether it holds their logs.
    pub(crate) logs: bool,
}

/// What an export remembers.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Exporting {
    /// Of which moment it is.
    made_at: Timestamp,
    logs: bool,
}

/// Everything.
pub(crate) static EXPORT: Saga<Exporting> = Saga {
    kind: OperationKind::Export,
    steps: &[
        step::<Exporting>("copy", "Copy the database", |task, it| Box::pin(it.copy(task)))
            .undo(|task, _| Box::pin(remove_copy(task)))
            .cancellable(),
        step::<Exporting>("pack", "Pack all of it", |task, it| Box::pin(it.pack(task)))
            .undo(|task, _| Box::pin(remove_archive(task)))
            .cancellable(),
        step::<Exporting>("tidy", "Tidy up", |task, _| Box::pin(tidy(task))).insist(),
    ],
    failed: None,
};

impl Mantyx {
    /// Writes all of Mantyx into an archive.
    pub async fn export(&self, actor: &Actor, request: ExportRequest) -> Result<OperationView> {
        let (mantyx, actor) = (self.clone(), actor.clone());
        whole(async move {
            let memory = Exporting { made_at: Utc::now(), logs: request.logs };
            // Who is just removing what is kept no longer has not seen this yet.
            let _locks = mantyx.locked_all().await?;
            mantyx.begin(&actor, &EXPORT, None, memory).await
        })
        .await
    }
}

impl Exporting {
    /// It is written beside the archive: what a crash leaves of both is found under the same name.
    async fn copy(&mut self, task: &Task) -> Result<Said> {
        remove_copy(task).await?;
        folders::create(&task.layout().exports(), 0o700)?;
        self.made_at = Utc::now();
        let copy = copy_of(task);
        task.registry().copy_to(&copy).await?;
        let length = blocking(move || folders::size(&copy)).await?;
        Ok(Said::detail(size(length)))
    }

    async fn pack(&mut self, task: &Task) -> Result<Said> {
        let contents = task.contents(self.logs).await?;
        let (made_at, archive, copy) = (self.made_at, task.layout().export(task.id), copy_of(task));
        let (contents, total) = blocking(move || Ok(contents.measured())).await?;
        let words = move |bytes| format!("{} of {}", size(bytes), size(total));
        let (report, missing) = with_progress(task, words, move |watch| {
            let mut writer = Writer::create(&archive, made_at, contents.about(), watch)?;
            let missing = contents.pack(&mut writer, &copy)?;
            Ok((writer.finish()?, missing))
        })
        .await?;
        let view = self.view(task.id, &report, missing);
        let label = task.layout().export_label(task.id);
        let said = in_words(&view);
        let text =
            serde_json::to_vec_pretty(&view).map_err(|error| Error::internal("label an export", error))?;
        blocking(move || atomic::write(&label, &text, 0o600)).await?;
        Ok(Said::detail(said))
    }

    fn view(&self, id: OperationId, report: &Report, missing: Vec<String>) -> ExportView {
        let odd = report.odd.iter().map(|odd| format!("`{}` {}", odd.name, why(odd.why)));
        let left_out_count = report.odd_count + missing.len() as u64;
        ExportView {
            id,
            made_at: self.made_at,
            file_name: format!("mantyx-{}.tar.gz", self.made_at.format("%Y-%m-%d")),
            bytes: report.packed_bytes,
            files: report.files,
            content_bytes: report.bytes,
            logs: self.logs,
            left_out: missing.into_iter().chain(odd).take(MOST_SAID).collect(),
            left_out_count,
            kept_until: Utc::now() + TimeDelta::from_std(KEPT).unwrap_or_default(),
        }
    }
}

fn in_words(export: &ExportView) -> String {
    let ExportView { files, content_bytes, bytes, left_out, left_out_count, .. } = export;
    let all = format!("{files} files of {}, packed {}", size(*content_bytes), size(*bytes));
    match left_out.first() {
        None => all,
        Some(first) if *left_out_count == 1 => format!("{all}. Not as it was: {first}"),
        Some(first) => format!("{all}. Not as they were: {first}, and {} others", left_out_count - 1),
    }
}

fn why(why: Why) -> &'static str {
    match why {
        Why::LinkLeaves => "is a link that leaves its folder, and is left out",
        Why::Special => "is no file, and is left out",
        Why::TooLong => "has too long a path, and is left out",
        Why::Foreign => "belongs to somebody else, and is left out",
        Why::Resized => "was written to meanwhile",
    }
}

fn copy_of(task: &Task) -> std::path::PathBuf {
    task.layout().exports().join(format!("{}.db", task.id))
}

async fn remove_copy(task: &Task) -> Result<()> {
    let copy = copy_of(task);
    blocking(move || {
        let journal = copy.with_extension("db-journal");
        folders::remove(&copy).and_then(|()| folders::remove(&journal))
    })
    .await
}

async fn remove_archive(task: &Task) -> Result<()> {
    let (archive, label) = (task.layout().export(task.id), task.layout().export_label(task.id));
    blocking(move || [unfinished(&archive), label, archive].iter().try_for_each(|path| folders::remove(path)))
        .await
}

/// The archive is there: what is left over is removed with the next look.
async fn tidy(task: &Task) -> Result<Said> {
    if let Err(error) = remove_copy(task).await {
        tracing::warn!(?error, "the copy of the database that was exported could not be removed");
    }
    task.retire_exports(std::time::SystemTime::now()).await;
    Ok(Said::nothing())
}
