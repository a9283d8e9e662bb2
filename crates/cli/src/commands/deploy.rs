//! From a folder, a script, an archive or a repository to an app that runs.

use mantyx_api_types::{AppCreated, AppView, GitSource, NewApp};
use mantyx_core::{AppName, AppType, Code};
use serde_json::{Map, Value, json};

use super::upload::{self, Source};
use super::{Session, apps, configure};
use crate::arguments::{DeployArgs, GitArgs};
use crate::failure::{Failure, Result};
use crate::manifest;
use crate::output::{aside, count};

pub(super) async fn deploy(what: DeployArgs, session: Session) -> Result<()> {
    let source = Source::of(&what.source)?;
    let app = new_app(&source, &what).map_err(Failure::Usage)?;
    let asked = app.name.clone();
    let created = match upload(&session, source, app, &what).await {
        Ok(created) => created,
        Err(failure) => return Err(or_update(&session, failure, asked.as_ref(), &what.source).await),
    };
    for remark in remarks(&created, asked.as_ref(), &what.source) {
        aside(&remark)?;
    }
    let name = created.app.name;
    apps::install_app(&session, &name).await?;
    if !what.no_enable {
        session.client.ask::<AppView>(&format!("/api/apps/{name}/enable"), &[]).await?;
    }
    apps::show(&session, &name).await
}

/// Whoever deploys under the name of an app that is there may mean new code for that one.
async fn or_update(session: &Session, failure: Failure, asked: Option<&AppName>, source: &str) -> Failure {
    match (failure, asked) {
        (Failure::Refused(mut problem), Some(name)) if problem.code == Code::NameTaken => {
            let app = session.client.get::<AppView>(&format!("/api/apps/{name}"), &[]).await;
            if app.is_ok() {
                let update = format!("`mantyx update {name} {source}` updates it");
                problem.hint = Some(format!("{update}, --name deploys another app beside it"));
            }
            Failure::Refused(problem)
        }
        (failure, _) => failure,
    }
}

/// What a person should know of a new app.
fn remarks(created: &AppCreated, asked: Option<&AppName>, source: &str) -> Vec<String> {
    let AppCreated { app, found, configuration } = created;
    let files = count(found.files, "file");
    let mut remarks = vec![format!("Found {files}, starts with `{}`", configuration.entrypoint)];
    remarks.extend(another_name(asked, &app.name, &found.suggested_name, source));
    remarks.extend(found.warnings.iter().map(|warning| format!("warning: {warning}")));
    remarks
}

/// Says that an app has not got the name of its source, unless somebody wanted that.
fn another_name(
    asked: Option<&AppName>,
    name: &AppName,
    suggested: &AppName,
    source: &str,
) -> Option<String> {
    let is_another = asked.is_none() && name != suggested;
    let update = format!("`mantyx update {suggested} {source}` updates the other");
    is_another.then(|| format!("`{suggested}` is taken: this one is `{name}`; {update}"))
}

/// What the folder declares, with the flags over it.
fn new_app(source: &Source, what: &DeployArgs) -> mantyx_core::Result<NewApp> {
    let mut fields = source.declared()?;
    manifest::overlay(&mut fields, flags(what));
    manifest::into_new_app(fields)
}

/// The fields that flags give.
fn flags(what: &DeployArgs) -> Map<String, Value> {
    let fields = [
        ("name", what.name.as_ref().map(|name| json!(name))),
        ("display_name", what.display_name.as_ref().map(|name| json!(name))),
        ("description", what.description.as_ref().map(|text| json!(text))),
        ("tags", (!what.tags.is_empty()).then(|| json!(what.tags))),
        ("type", what.app_type.map(|kind| json!(AppType::from(kind)))),
        ("schedule", what.schedule.as_ref().map(|line| json!(line))),
    ];
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    fields.chain(configure::flags(&what.configuration)).collect()
}

async fn upload(session: &Session, source: Source, app: NewApp, what: &DeployArgs) -> Result<AppCreated> {
    const ADDRESS: &str = "/api/apps/upload";
    match source {
        Source::Local(local) => {
            what.git.refuse().map_err(Failure::Usage)?;
            upload::send(session, &local, ADDRESS, manifest::form_fields(&app)).await
        }
        Source::Git(url) => {
            let source = git_source(url, app, what.git.clone());
            aside(&format!("Importing {}", source.url))?;
            session.client.post(&format!("{ADDRESS}/git"), &git_fields(&source)).await
        }
    }
}

fn git_source(url: String, app: NewApp, git: GitArgs) -> GitSource {
    let submodules = git.submodules().unwrap_or_default();
    let GitArgs { reference, subdir, credential, .. } = git;
    GitSource { url, reference, subdir, credential, submodules, app }
}

/// The request as JSON, without what nobody said.
fn git_fields(source: &GitSource) -> Value {
    match json!(source) {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{ClientCommand, Invocation};
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        invocation: Invocation,
    }

    fn arguments(line: &str) -> DeployArgs {
        let program = Program::try_parse_from(line.split_whitespace()).unwrap();
        let ClientCommand::Deploy(what) = program.invocation.command else { unreachable!() };
        *what
    }

    #[test]
    fn flags_become_the_fields_of_a_request() {
        let what = arguments(
            "mantyx deploy https://x/y --name y --ref v1 --subdir app --credential deploy --submodules --env A=1 --web-port 8000 \
             --type perpetual",
        );
        let app = new_app(&Source::Git("https://x/y".into()), &what).unwrap();
        let source = git_source("https://x/y".into(), app, what.git);
        let expected = json!({
            "url": "https://x/y", "ref": "v1", "subdir": "app", "credential": "deploy", "submodules": true, "name": "y",
            "type": "perpetual", "tags": [],
            "configuration": {"env": {"A": "1"}, "web_port": 8000}
        });
        assert_eq!(git_fields(&source), expected);
    }

    #[test]
    fn a_manifest_and_flags_are_one_request() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(manifest::FILE), "name = 'a'\nschedule = '@daily'").unwrap();
        let what = arguments("mantyx deploy . --name b");
        let source = Source::of(folder.path().to_str().unwrap()).unwrap();
        let app = new_app(&source, &what).unwrap();
        assert_eq!((app.name.unwrap().as_str(), app.schedule.as_deref()), ("b", Some("@daily")));
    }

    #[test]
    fn a_name_that_was_taken_is_said() {
        let [first, second] = ["hello", "hello-2"].map(|name| AppName::parse(name).unwrap());
        let said = another_name(None, &second, &first, "./hello").unwrap();
        let expected =
            "`hello` is taken: this one is `hello-2`; `mantyx update hello ./hello` updates the other";
        assert_eq!(said, expected);
        assert_eq!(another_name(None, &first, &first, "."), None);
        assert_eq!(another_name(Some(&second), &second, &first, "."), None);
    }
}
