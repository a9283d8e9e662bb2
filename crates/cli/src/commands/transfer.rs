//! All of Mantyx in one file, and out of one.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use futures_util::{Stream, StreamExt as _};
use indicatif::ProgressBar;
use mantyx_api_types::{ExportRequest, ExportView, OperationView, Page};
use mantyx_core::{Code, Error, OperationId};
use reqwest::Method;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

use super::{Session, operation, upload};
use crate::arguments::{ExportArgs, ImportArgs};
use crate::failure::{Failure, Result};
use crate::output::aside;

/// What an archive is called on its way.
const NAME: &str = "mantyx.tar.gz";

pub(super) async fn export(what: ExportArgs, session: Session) -> Result<()> {
    if let Some(file) = what.file.as_deref() {
        refuse_taken(file)?;
    }
    let request = ExportRequest { logs: what.logs };
    let begun: OperationView = session.client.post("/api/exports", &request).await?;
    let ended = operation::see_through(&session, begun).await?;
    let export = find(&session, ended.id).await?;
    let file = what.file.unwrap_or_else(|| own_name(&export.file_name));
    save(&session, &address(export.id), &file).await?;
    // Whoever has it has everything: it lies about no longer than it has to.
    session.client.send(session.client.request(Method::DELETE, &address(export.id))).await?;
    for odd in &export.left_out {
        aside(odd)?;
    }
    session.output.show(&export, |_| {
        format!(
            "All of Mantyx is in `{}`. It holds the key of the secrets: keep it to yourself",
            file.display()
        )
    })
}

pub(super) async fn import(what: ImportArgs, session: Session) -> Result<()> {
    let begun: OperationView =
        upload::send_file(&session, "/api/imports", &what.file, NAME.to_owned(), Vec::new()).await?;
    let ended = operation::see_through(&session, begun).await?;
    let said = ended.steps.iter().find(|step| step.name == "rebuild").and_then(|step| step.detail.clone());
    session.output.show(&ended, |_| match said {
        Some(said) => format!("`{}` is taken over: {said}", what.file.display()),
        None => format!("`{}` is taken over", what.file.display()),
    })
}

/// A name and never a path, whatever the daemon says.
fn own_name(said: &str) -> PathBuf {
    Path::new(said).file_name().map_or_else(|| PathBuf::from(NAME), PathBuf::from)
}

fn address(id: OperationId) -> String {
    format!("/api/exports/{id}")
}

async fn find(session: &Session, id: OperationId) -> Result<ExportView> {
    let exports: Page<ExportView> = session.client.get("/api/exports", &[]).await?;
    let export = exports.items.into_iter().find(|export| export.id == id);
    export.ok_or_else(|| Failure::Local(Error::not_found("export", id).hint("Was it removed meanwhile?")))
}

/// Saves what an address answers as a file that is not there yet: writes it beside its place, where nobody else may read it, and gives it its name when it is whole.
pub(super) async fn save(session: &Session, address: &str, to: &Path) -> Result<()> {
    refuse_taken(to)?;
    let failed = |error| Failure::Local(Error::io(format!("write `{}`", to.display()), error));
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let part = NamedTempFile::new_in(folder).map_err(failed)?;
    let file = tokio::fs::File::from_std(part.reopen().map_err(failed)?);
    let (length, pieces) = session.client.measured_bytes(address).await?;
    let (pieces, bar) = (Box::pin(pieces), upload::progress("Fetching", length.unwrap_or_default()));
    let written = write(file, pieces, &bar, to).await;
    bar.finish_and_clear();
    let written = written?;
    if length.is_some_and(|length| length != written) {
        return Err(session.client.broke_off());
    }
    part.persist_noclobber(to).map(drop).map_err(|error| failed(error.error))
}

async fn write(
    mut file: tokio::fs::File,
    mut pieces: impl Stream<Item = Result<impl AsRef<[u8]>>> + Unpin,
    bar: &ProgressBar,
    to: &Path,
) -> Result<u64> {
    let failed = |error| Failure::Local(Error::io(format!("write `{}`", to.display()), error));
    let mut length = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        file.write_all(piece.as_ref()).await.map_err(failed)?;
        length += piece.as_ref().len() as u64;
        bar.set_position(length);
    }
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    Ok(length)
}

fn refuse_taken(file: &Path) -> Result<()> {
    match std::fs::symlink_metadata(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        _ => {
            let error = Error::new(Code::NameTaken, format!("There is a `{}` already", file.display()));
            Err(Failure::Usage(error.hint("Give another name, or move it away")))
        }
    }
}
