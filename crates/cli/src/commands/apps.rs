//! Commands about one app, and the list of all.

use chrono::Utc;
use mantyx_api_types::{AppMetrics, AppView, ExecutionView, OperationView, RenameRequest, Sparkline};
use mantyx_core::{AppName, AppType};
use serde::de::DeserializeOwned;

use super::{Session, operation};
use crate::arguments::{AppArgs, ExecutionsArgs, ListArgs, RemoveArgs, RenameArgs};
use crate::failure::Result;
use crate::output::Output;
use crate::tables;
use crate::terminal::{Consent, confirm};

pub(super) async fn list(what: ListArgs, session: Session) -> Result<()> {
    let filters = [
        ("tag", what.tag),
        ("type", what.app_type.map(|kind| AppType::from(kind).as_str().to_owned())),
        ("text", what.text),
    ];
    let query: Vec<_> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let apps: Vec<AppView> = session.client.list("/api/apps", &query, usize::MAX).await?;
    let lines: Vec<Sparkline> = extra(&session, "/api/sparklines").await.unwrap_or_default();
    session.output.show(&apps, |apps| tables::apps(apps, &lines, Utc::now()))
}

pub(super) async fn status(what: AppArgs, session: Session) -> Result<()> {
    show(&session, &what.app).await
}

/// Prints an app as it is now.
pub(super) async fn show(session: &Session, app: &AppName) -> Result<()> {
    let view: AppView = session.client.get(&format!("/api/apps/{app}"), &[]).await?;
    let metrics: Option<AppMetrics> = extra(session, &format!("/api/apps/{app}/metrics")).await;
    let points = metrics.map(|metrics| metrics.points).unwrap_or_default();
    session.output.show(&view, |app| tables::app(app, &points, Utc::now()))
}

/// Figures beside an answer, for people alone. An older daemon has none, which is no reason to show nothing.
async fn extra<T: DeserializeOwned>(session: &Session, path: &str) -> Option<T> {
    match session.output {
        Output::People => session.client.get(path, &[]).await.ok(),
        Output::Programs => None,
    }
}

/// Events that are answered with the app after it.
pub(super) async fn event(event: &'static str, what: AppArgs, session: Session) -> Result<()> {
    let app: AppView = session.client.ask(&format!("/api/apps/{}/{event}", what.app), &[]).await?;
    session.output.show(&app, |app| format!("`{}` is {}", app.name, app.state))
}

pub(super) async fn run(what: AppArgs, session: Session) -> Result<()> {
    let execution: ExecutionView = session.client.ask(&format!("/api/apps/{}/run", what.app), &[]).await?;
    session.output.show(&execution, |execution| {
        let (app, id) = (&execution.app, execution.id);
        format!("`{app}` runs: `mantyx logs {app} -f --execution {id}` follows it")
    })
}

pub(super) async fn install(what: AppArgs, session: Session) -> Result<()> {
    install_app(&session, &what.app).await?;
    show(&session, &what.app).await
}

/// Installs an app with its steps and its log on standard error.
pub(super) async fn install_app(session: &Session, app: &AppName) -> Result<OperationView> {
    let operation: OperationView = session.client.ask(&format!("/api/apps/{app}/install"), &[]).await?;
    operation::follow(&session.client, operation).await
}

pub(super) async fn rename(what: RenameArgs, session: Session) -> Result<()> {
    let path = format!("/api/apps/{}/rename", what.app);
    let operation: OperationView =
        session.client.post(&path, &RenameRequest { name: what.name.clone() }).await?;
    let operation = operation::see_through(&session, operation).await?;
    session.output.show(&operation, |_| format!("`{}` is called `{}` now", what.app, what.name))
}

pub(super) async fn remove(what: RemoveArgs, session: Session) -> Result<()> {
    let app = &what.app;
    let (mode, warning, done) = if what.permanent {
        let warning = format!("`{app}` and all its data will be gone for good");
        ("permanent", warning, format!("`{app}` is gone"))
    } else {
        let done = format!("`{app}` is in the trash: `mantyx trash restore {app}` brings it back");
        ("trash", format!("`{app}` goes to the trash"), done)
    };
    confirm(Consent::new(what.yes), &warning, app.as_str())?;
    let query = [("confirm", app.to_string()), ("mode", mode.to_owned())];
    let operation: OperationView = session.client.delete(&format!("/api/apps/{app}"), &query).await?;
    let operation = operation::finish(&session.client, operation).await?;
    session.output.show(&operation, |_| done)
}

pub(super) async fn executions(what: ExecutionsArgs, session: Session) -> Result<()> {
    let query: Vec<_> = what.app.iter().map(|app| ("app", app.to_string())).collect();
    let executions: Vec<ExecutionView> =
        session.client.list("/api/executions", &query, what.limit.get()).await?;
    session.output.show(&executions, |executions| tables::executions(executions, Utc::now()))
}
