//! From one release to another: with new code, with newer packages, or back.

use chrono::Utc;
use mantyx_api_types::{GitUpdate, OperationView, RollbackRequest, UpdateCheck};
use mantyx_core::{AppName, Code};
use serde_json::{Map, Value};

use super::upload::{self, Source};
use super::{Session, configure, operation, releases};
use crate::arguments::{GitArgs, RollbackArgs, UpdateArgs};
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::{manifest, tables};

pub(super) async fn update(what: UpdateArgs, session: Session) -> Result<()> {
    if what.check {
        return check(&session, &what.app).await;
    }
    let source = what.source.as_deref().map(Source::of).transpose()?;
    let operation = begin(&session, source, &what).await?;
    let operation = operation::see_through(&session, operation).await?;
    let app = &what.app;
    finish(&session, app, &operation, &format!("; `mantyx rollback {app}` goes back")).await
}

pub(super) async fn rollback(what: RollbackArgs, session: Session) -> Result<()> {
    let path = format!("/api/apps/{}/rollback", what.app);
    let operation: OperationView = session.client.post(&path, &RollbackRequest { release: what.to }).await?;
    let operation = operation::see_through(&session, operation).await?;
    finish(&session, &what.app, &operation, " again").await
}

/// Says which release it came to, which only the app knows.
async fn finish(session: &Session, app: &AppName, operation: &OperationView, rest: &str) -> Result<()> {
    let said = match session.output {
        Output::People => format!("`{app}` is at release {}{rest}", releases::active(session, app).await?),
        Output::Programs => String::new(),
    };
    session.output.show(operation, |_| said)
}

async fn check(session: &Session, app: &AppName) -> Result<()> {
    let check: UpdateCheck = session.client.get(&format!("/api/apps/{app}/update/check"), &[]).await?;
    session.output.show(&check, |check| tables::update_check(app, check, Utc::now()))
}

async fn begin(session: &Session, source: Option<Source>, what: &UpdateArgs) -> Result<OperationView> {
    let address = format!("/api/apps/{}/update", what.app);
    if what.dependencies {
        return session.client.ask(&format!("{address}/dependencies"), &[]).await;
    }
    let configuration = configuration(source.as_ref(), what).map_err(Failure::Usage)?;
    let url = match source {
        Some(Source::Local(local)) => {
            what.git.refuse().map_err(Failure::Usage)?;
            return upload::send(session, &local, &address, form_fields(configuration)).await;
        }
        Some(Source::Git(url)) => Some(url),
        None => None,
    };
    let update = git_update(url, configuration, what.git.clone());
    let begun = session.client.post(&format!("{address}/git"), &update).await;
    begun.map_err(|failure| with_a_source(failure, &update, &what.app))
}

/// The merge patch that goes along: what a folder declares, with the flags over it. The name and the like of an app are
/// not part of its code.
fn configuration(source: Option<&Source>, what: &UpdateArgs) -> mantyx_core::Result<Map<String, Value>> {
    let mut fields = source.map_or_else(|| Ok(Map::new()), Source::declared)?;
    manifest::overlay(&mut fields, configure::flags(&what.configuration).collect());
    manifest::into_new_app(fields).map(|app| app.configuration)
}

fn form_fields(configuration: Map<String, Value>) -> Vec<(String, String)> {
    if configuration.is_empty() {
        return Vec::new();
    }
    vec![("configuration".to_owned(), Value::Object(configuration).to_string())]
}

fn git_update(url: Option<String>, configuration: Map<String, Value>, git: GitArgs) -> GitUpdate {
    // Who says nothing means it as it was.
    let submodules = git.submodules();
    let GitArgs { reference, subdir, credential, .. } = git;
    GitUpdate { url, reference, subdir, credential, submodules, configuration }
}

/// Says how the remedy is typed for an app that has no repository to fetch from.
fn with_a_source(mut failure: Failure, update: &GitUpdate, app: &AppName) -> Failure {
    if let Some(problem) = failure.problem_mut()
        && problem.code == Code::IllegalState
        && problem.legal_events.is_empty()
        && update.url.is_none()
    {
        let update = format!("`mantyx update {app} PATH`");
        problem.hint = Some(format!(
            "Say where the code is: {update} takes a folder, a `.py` file, an archive, or the address of a repository"
        ));
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{ClientCommand, Invocation};
    use clap::Parser;
    use serde_json::json;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        invocation: Invocation,
    }

    fn arguments(line: &str) -> UpdateArgs {
        let program = Program::try_parse_from(line.split_whitespace()).unwrap();
        let ClientCommand::Update(what) = program.invocation.command else { unreachable!() };
        *what
    }

    #[test]
    fn a_repository_is_told_what_was_typed_and_no_more() {
        let update = |line: &str, url: Option<&str>| {
            let (what, source) = (arguments(line), url.map(|url| Source::Git(url.into())));
            let configuration = configuration(source.as_ref(), &what).unwrap();
            json!(git_update(url.map(Into::into), configuration, what.git))
        };
        assert_eq!(update("mantyx update weather", None), json!({}));
        let line = "mantyx update weather https://x/y --ref v2 --subdir app --credential deploy --no-submodules --env A=1";
        let said = update(line, Some("https://x/y"));
        let expected = json!({
            "url": "https://x/y", "ref": "v2", "subdir": "app", "credential": "deploy", "submodules": false,
            "configuration": {"env": {"A": "1"}}
        });
        assert_eq!(said, expected);
    }

    #[test]
    fn what_a_folder_declares_goes_along_with_its_code() {
        let folder = tempfile::tempdir().unwrap();
        let text = "name = 'other'\nschedule = '@daily'\nentrypoint = 'old.py'\nwatchdog = 30";
        std::fs::write(folder.path().join(manifest::FILE), text).unwrap();
        let source = Source::of(folder.path().to_str().unwrap()).unwrap();
        let what = arguments("mantyx update weather . --entrypoint new.py");
        let patch = configuration(Some(&source), &what).unwrap();
        let form = form_fields(patch);
        assert_eq!(form.len(), 1);
        assert_eq!(form[0].0, "configuration");
        let patch: Value = serde_json::from_str(&form[0].1).unwrap();
        assert_eq!(patch, json!({"entrypoint": "new.py", "watchdog": 30}));
        assert_eq!(form_fields(Map::new()), []);
    }

    #[test]
    fn what_is_no_repository_has_no_reference() {
        let refused = |line: &str| arguments(line).git.refuse().map_err(|refusal| refusal.to_string());
        assert!(refused("mantyx update weather .").is_ok());
        assert!(refused("mantyx update weather . --ref v1").unwrap_err().contains("--ref"));
        assert!(refused("mantyx update weather . --subdir app").unwrap_err().contains("--subdir"));
        assert!(refused("mantyx update weather . --credential x").unwrap_err().contains("--credential"));
    }

    #[test]
    fn an_app_without_a_repository_has_a_remedy_that_can_be_typed() {
        let app = AppName::parse("weather").unwrap();
        let refusal = |legal: Value| {
            let problem = json!({
                "type": "", "title": "", "status": 409, "detail": "No", "code": "illegal_state", "hint": "`url`",
                "legal_events": legal
            });
            Failure::Refused(Box::new(serde_json::from_value(problem).unwrap()))
        };
        let own = GitUpdate::default();
        let said = |failure| with_a_source(failure, &own, &app).to_string();
        assert!(said(refusal(json!([]))).contains("`mantyx update weather PATH`"));
        assert!(said(refusal(json!(["install"]))).contains("`url`"));
    }
}
