//! From a source to an enabled app: upload or import, install, enable, with every step shown as it ends.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use mantyx_api_types::core::{AppEvent, OperationStatus, StepStatus};
use mantyx_api_types::{AppCreated, AppView, OperationView};
use serde_json::{Value, json};

use super::examples::{Example, Source};
use crate::http::{Client, Part};
use crate::interrupt;
use crate::terminal;

/// Takes an example as far as it goes from where it is: new, or left over from an earlier demonstration.
pub(super) fn deploy(client: &Client, example: &Example) -> Result<()> {
    let start = Instant::now();
    terminal::step(&format!("Deploying `{}`: {}", example.name, example.title));
    let path = format!("/api/apps/{}", example.name);
    let mut app = match client.get::<AppView>(&path) {
        Ok(app) => app,
        Err(_) => create(client, example)?,
    };
    if app.release.is_none() || app.state.as_str() == "uploaded" {
        install(client, &path)?;
        app = client.get(&path)?;
    }
    for (event, word) in [(AppEvent::Enable, "enable"), (AppEvent::Start, "start")] {
        if app.legal_events.contains(&event) {
            client.post::<Value>(&format!("{path}/{word}"), &json!({}))?;
            app = client.get(&path)?;
        }
    }
    terminal::done(&format!("`{}` is deployed", example.name), start);
    Ok(())
}

fn create(client: &Client, example: &Example) -> Result<AppView> {
    let created: AppCreated = match &example.source {
        Source::Git(request) => client.post("/api/apps/upload/git", request)?,
        Source::Upload { path, file, bytes, fields } => {
            let mut parts = vec![Part::Text("name", example.name)];
            parts.extend(fields.iter().map(|(name, text)| Part::Text(name, text)));
            parts.push(Part::File(file, bytes));
            client.upload(path, &parts)?
        }
    };
    let (found, entrypoint) = (created.found, created.configuration.entrypoint);
    terminal::note(&format!("{}, starts with `{entrypoint}`", terminal::size(found.bytes)));
    Ok(created.app)
}

/// Installs and says each step once it is done.
fn install(client: &Client, path: &str) -> Result<()> {
    let mut operation: OperationView = client.post(&format!("{path}/install"), &json!({}))?;
    let mut said = 0;
    loop {
        let done = |step: &&mantyx_api_types::StepView| step.status == StepStatus::Done;
        for step in operation.steps.iter().filter(done).skip(said) {
            terminal::note(&format!("{}: {}", step.title, step.detail.as_deref().unwrap_or("done")));
            said += 1;
        }
        match (operation.status, operation.problem) {
            (OperationStatus::Running, _) => interrupt::sleep(Duration::from_millis(200))?,
            (OperationStatus::Succeeded, _) => return Ok(()),
            (_, Some(problem)) => bail!("{}. {}", problem.detail, problem.hint.unwrap_or_default()),
            (status, None) => bail!("The installation ended as {}", status.as_str()),
        }
        operation = client.get(&format!("/api/operations/{}", operation.id))?;
    }
}
