//! Backups: make, list, restore, remove.

use chrono::Utc;
use mantyx_api_types::{BackupRequest, BackupRestoreRequest, BackupView, OperationView};
use mantyx_core::{AppName, BackupId};
use reqwest::Method;

use super::{Session, operation};
use crate::arguments::{BackupArgs, BackupCommand};
use crate::failure::Result;
use crate::output::aside;
use crate::tables;
use crate::terminal::{Consent, confirm};

pub(super) async fn run(what: BackupArgs, session: Session) -> Result<()> {
    match what.command {
        BackupCommand::Create { app, data } => create(&session, &app, &BackupRequest { data }).await,
        BackupCommand::Ls { app } => {
            let backups: Vec<BackupView> = session.client.list(&address(&app), &[], usize::MAX).await?;
            session.output.show(&backups, |backups| tables::backups(backups, Utc::now()))
        }
        BackupCommand::Restore { app, backup, data, yes } => {
            restore(&session, &app, backup, &BackupRestoreRequest { data }, Consent::new(yes)).await
        }
        BackupCommand::Rm { app, backup, yes } => remove(&session, &app, backup, Consent::new(yes)).await,
    }
}

fn address(app: &AppName) -> String {
    format!("/api/apps/{app}/backups")
}

async fn create(session: &Session, app: &AppName, request: &BackupRequest) -> Result<()> {
    let operation: OperationView = session.client.post(&address(app), request).await?;
    let operation = operation::see_through(session, operation).await?;
    session
        .output
        .show(&operation, |_| format!("`{app}` is kept as it is: `mantyx backup ls {app}` lists it"))
}

/// Only what the app itself has written needs consent: everything else that is replaced is kept in a backup of its own.
async fn restore(
    session: &Session,
    app: &AppName,
    backup: BackupId,
    request: &BackupRestoreRequest,
    consent: Consent,
) -> Result<()> {
    if request.data {
        confirm(consent, &format!("The data of `{app}` is replaced by what was kept"), app.as_str())?;
    }
    let path = format!("{}/{backup}/restore", address(app));
    let operation: OperationView = session.client.post(&path, request).await?;
    let operation = operation::see_through(session, operation).await?;
    session.output.show(&operation, |_| format!("`{app}` is as it was kept"))
}

async fn remove(session: &Session, app: &AppName, backup: BackupId, consent: Consent) -> Result<()> {
    confirm(consent, &format!("This backup of `{app}` will be gone for good"), app.as_str())?;
    let request = session.client.request(Method::DELETE, &format!("{}/{backup}", address(app)));
    session.client.send(request).await?;
    aside(&format!("The backup of `{app}` is gone"))
}
