//! The trash: list, restore, purge.

use chrono::Utc;
use mantyx_api_types::{OperationView, RestoreRequest, TrashedAppView};
use mantyx_core::{AppName, Code, Error};

use super::{Session, operation};
use crate::arguments::{TrashArgs, TrashCommand};
use crate::failure::{Failure, Result};
use crate::tables;
use crate::terminal::{Consent, confirm};

pub(super) async fn run(what: TrashArgs, session: Session) -> Result<()> {
    match what.command {
        TrashCommand::Ls => {
            let apps = list(&session).await?;
            session.output.show(&apps, |apps| tables::trash(apps, Utc::now()))
        }
        TrashCommand::Restore { app, name } => restore(&session, &app, name).await,
        TrashCommand::Purge { app, yes } => purge(&session, &app, Consent::new(yes)).await,
    }
}

async fn list(session: &Session) -> Result<Vec<TrashedAppView>> {
    session.client.list("/api/trash", &[], usize::MAX).await
}

async fn restore(session: &Session, app: &str, name: Option<AppName>) -> Result<()> {
    let app = find(list(session).await?, app)?;
    let path = format!("/api/trash/{}/restore", app.id);
    let operation = begin_restore(session, &path, name).await.map_err(with_another_name)?;
    session
        .output
        .show(&operation, |operation| format!("`{}` is back", operation.app.as_ref().unwrap_or(&app.name)))
}

async fn begin_restore(session: &Session, path: &str, name: Option<AppName>) -> Result<OperationView> {
    let operation: OperationView = session.client.post(path, &RestoreRequest { name }).await?;
    operation::finish(&session.client, operation).await
}

/// Says how the remedy for a taken name is typed.
fn with_another_name(mut failure: Failure) -> Failure {
    if let Some(problem) = failure.problem_mut()
        && problem.code == Code::NameTaken
    {
        problem.hint = Some("Give it another name with --name".to_owned());
    }
    failure
}

async fn purge(session: &Session, app: &str, consent: Consent) -> Result<()> {
    let app = find(list(session).await?, app)?;
    confirm(consent, &format!("`{}` and all its data will be gone for good", app.name), app.name.as_str())?;
    let query = [("confirm", app.name.to_string())];
    let operation: OperationView = session.client.delete(&format!("/api/trash/{}", app.id), &query).await?;
    let operation = operation::finish(&session.client, operation).await?;
    session.output.show(&operation, |_| format!("`{}` is gone", app.name))
}

/// The app with this id, or the only one that had this name.
fn find(apps: Vec<TrashedAppView>, which: &str) -> Result<TrashedAppView> {
    let is_meant = |app: &TrashedAppView| app.id.to_string() == which || app.name.as_str() == which;
    let mut found: Vec<TrashedAppView> = apps.into_iter().filter(is_meant).collect();
    match (found.pop(), found.len()) {
        (Some(app), 0) => Ok(app),
        (None, _) => Err(Failure::Local(
            Error::not_found("app in the trash called", which).hint("`mantyx trash ls` lists them"),
        )),
        (Some(_), others) => {
            let detail = format!("{} apps in the trash were called `{which}`", others + 1);
            Err(Failure::Usage(
                Error::new(Code::Invalid, detail).hint("Give the id that `mantyx trash ls` shows"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::{AppId, AppType};

    fn trashed(name: &str) -> TrashedAppView {
        TrashedAppView {
            id: AppId::generate(),
            name: AppName::parse(name).unwrap(),
            display_name: String::new(),
            r#type: AppType::Perpetual,
            deleted_at: Utc::now(),
            name_free: true,
        }
    }

    #[test]
    fn a_taken_name_has_a_remedy_that_can_be_typed() {
        let problem = |code: &str| {
            let problem = serde_json::json!({
                "type": "", "title": "", "status": 409, "detail": "No", "code": code, "hint": "Choose"
            });
            Failure::Refused(Box::new(serde_json::from_value(problem).unwrap()))
        };
        assert!(with_another_name(problem("name_taken")).to_string().contains("--name"));
        assert!(with_another_name(problem("illegal_state")).to_string().contains("Choose"));
    }

    #[test]
    fn an_app_is_found_by_its_id_or_its_only_name() {
        let apps = vec![trashed("a"), trashed("b"), trashed("b")];
        assert_eq!(find(apps.clone(), "a").unwrap(), apps[0]);
        assert_eq!(find(apps.clone(), &apps[2].id.to_string()).unwrap(), apps[2]);
        assert!(matches!(find(apps.clone(), "b"), Err(Failure::Usage(_))));
        assert!(matches!(find(apps, "c"), Err(Failure::Local(_))));
    }
}
