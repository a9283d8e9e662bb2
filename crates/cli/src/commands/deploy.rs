//! From a folder, a script, an archive or a repository to an app that runs.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use mantyx_api_types::{AppCreated, AppView, GitSource, NewApp};
use mantyx_core::{AppName, AppType, Code, Error, RelativePath, RestartPolicy};
use reqwest::Body;
use reqwest::multipart::{Form, Part};
use serde_json::{Map, Value, json};
use tokio_util::io::ReaderStream;

use super::{Session, apps};
use crate::arguments::DeployArgs;
use crate::failure::{Failure, Result};
use crate::manifest;
use crate::output::{aside, count};
use crate::pack::pack;

/// Endings of archives that Mantyx reads.
const ARCHIVES: [&str; 4] = [".zip", ".tar", ".tar.gz", ".tgz"];

/// What is deployed.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Folder(PathBuf),
    Script(PathBuf),
    Archive(PathBuf),
    Git(String),
}

impl Source {
    /// What is there on the disk comes first: a folder may be called anything.
    fn of(text: &str) -> Result<Self> {
        let path = PathBuf::from(text);
        if path.is_dir() {
            return Ok(Self::Folder(path));
        }
        if path.is_file() {
            return Self::of_file(path);
        }
        // As git reads addresses: a scheme, or a host and a path with a colon in between.
        if text.contains("://") || text.split_once(':').is_some_and(|(host, _)| !host.contains('/')) {
            return Ok(Self::Git(text.to_owned()));
        }
        let error = Error::new(Code::NotFound, format!("There is nothing at `{text}`"));
        Err(Failure::Usage(
            error.hint("Give a folder, a `.py` file, an archive, or the address of a repository"),
        ))
    }

    fn of_file(path: PathBuf) -> Result<Self> {
        let name = path.to_string_lossy().to_lowercase();
        if ARCHIVES.iter().any(|ending| name.ends_with(ending)) {
            return Ok(Self::Archive(path));
        }
        if path.extension().is_some_and(|ending| ending == "py") {
            return Ok(Self::Script(path));
        }
        let detail = format!("`{}` is neither a `.py` file nor an archive", path.display());
        let hint = format!("Archives end in {}", ARCHIVES.join(", "));
        Err(Failure::Usage(Error::new(Code::UnsupportedType, detail).hint(hint)))
    }
}

pub(super) async fn deploy(what: DeployArgs, session: Session) -> Result<()> {
    let source = Source::of(&what.source)?;
    let app = new_app(&source, &what).map_err(Failure::Usage)?;
    let asked = app.name.clone();
    let created = upload(&session, source, app, &what).await?;
    for remark in remarks(&created, asked.as_ref()) {
        aside(&remark)?;
    }
    let name = created.app.name;
    apps::install_app(&session, &name).await?;
    if !what.no_enable {
        session.client.ask::<AppView>(&format!("/api/apps/{name}/enable"), &[]).await?;
    }
    apps::show(&session, &name).await
}

/// What a person should know of a new app.
fn remarks(created: &AppCreated, asked: Option<&AppName>) -> Vec<String> {
    let AppCreated { app, found, configuration } = created;
    let files = count(found.files, "file");
    let mut remarks = vec![format!("Found {files}, starts with `{}`", configuration.entrypoint)];
    remarks.extend(another_name(asked, &app.name, &found.suggested_name));
    remarks.extend(found.warnings.iter().map(|warning| format!("warning: {warning}")));
    remarks
}

/// Says that an app has not got the name of its source, unless somebody wanted that.
fn another_name(asked: Option<&AppName>, name: &AppName, suggested: &AppName) -> Option<String> {
    let is_another = asked.is_none() && name != suggested;
    is_another.then(|| format!("`{suggested}` is taken: this one is `{name}`"))
}

/// What the folder declares, with the flags over it.
fn new_app(source: &Source, what: &DeployArgs) -> mantyx_core::Result<NewApp> {
    let mut fields = match source {
        Source::Folder(folder) => manifest::read(folder)?,
        _ => Map::new(),
    };
    manifest::overlay(&mut fields, flags(what));
    manifest::into_new_app(fields)
}

/// The fields that flags give.
fn flags(what: &DeployArgs) -> Map<String, Value> {
    let env: Map<String, Value> = what.env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let list = |items: &Vec<String>| (!items.is_empty()).then(|| json!(items));
    let fields = [
        ("name", what.name.as_ref().map(|name| json!(name))),
        ("display_name", what.display_name.as_ref().map(|name| json!(name))),
        ("description", what.description.as_ref().map(|text| json!(text))),
        ("tags", list(&what.tags)),
        ("type", what.app_type.map(|kind| json!(AppType::from(kind)))),
        ("schedule", what.schedule.as_ref().map(|line| json!(line))),
        ("entrypoint", what.entrypoint.as_ref().map(|launch| json!(launch))),
        ("arguments", list(&what.arguments)),
        ("env", (!env.is_empty()).then_some(Value::Object(env))),
        ("web_port", what.web_port.clone()),
        ("restart_policy", what.restart_policy.map(|policy| json!(RestartPolicy::from(policy)))),
        ("python", what.python.as_ref().map(|constraint| json!(constraint))),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

async fn upload(session: &Session, source: Source, app: NewApp, what: &DeployArgs) -> Result<AppCreated> {
    match source {
        Source::Folder(folder) => {
            let packed = pack(&folder).map_err(Failure::Local)?;
            aside(&format!("Packed {} of `{}`", count(packed.files, "file"), folder.display()))?;
            let name = format!("{}.tar.gz", folder_name(&folder));
            send_file(session, "archive", packed.file.path(), name, &app).await
        }
        Source::Archive(file) => send_file(session, "archive", &file, file_name(&file), &app).await,
        Source::Script(file) => send_file(session, "script", &file, file_name(&file), &app).await,
        Source::Git(url) => {
            let source = git_source(url, app, what).map_err(Failure::Usage)?;
            aside(&format!("Importing {}", source.url))?;
            session.client.post("/api/apps/upload/git", &git_fields(&source)).await
        }
    }
}

fn git_source(url: String, app: NewApp, what: &DeployArgs) -> mantyx_core::Result<GitSource> {
    let subdir = what.subdir.as_deref().map(RelativePath::parse).transpose();
    let subdir =
        subdir.map_err(|why| Error::new(Code::Invalid, format!("--subdir is not accepted: {why}")))?;
    Ok(GitSource { url, reference: what.reference.clone(), subdir, app })
}

/// The request as JSON, without what nobody said.
fn git_fields(source: &GitSource) -> Value {
    match json!(source) {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => other,
    }
}

/// Sends a file with everything that the app is told, with a bar on a terminal.
async fn send_file(
    session: &Session,
    kind: &str,
    path: &Path,
    name: String,
    app: &NewApp,
) -> Result<AppCreated> {
    let fault = |error| Failure::Local(Error::io(format!("read `{}`", path.display()), error));
    let file = tokio::fs::File::open(path).await.map_err(fault)?;
    let length = file.metadata().await.map_err(fault)?.len();
    let bar = progress(length);
    let counting = bar.clone();
    let pieces = ReaderStream::new(file).inspect_ok(move |piece| counting.inc(piece.len() as u64));
    let part = Part::stream_with_length(Body::wrap_stream(pieces), length).file_name(name);
    let mut form = Form::new();
    for (field, text) in manifest::form_fields(app) {
        form = form.text(field, text);
    }
    // The file comes last, so that a field that is wrong is told before much is sent.
    let form = form.part("file", part);
    let path = format!("/api/apps/upload/{kind}");
    let request = session.client.request(reqwest::Method::POST, &path).multipart(form);
    let created = session.client.read(&path, request).await;
    bar.finish_and_clear();
    created
}

fn progress(length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("Uploading {wide_bar} {bytes}/{total_bytes}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A folder's own name, also for `.` and `..`.
fn folder_name(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(|| "app".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn file_name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
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
    fn a_source_is_what_it_is_on_the_disk_first() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a.py", "a.TAR.GZ", "a.zip", "a.txt"] {
            std::fs::write(at(name), "").unwrap();
        }
        let source = |path: PathBuf| Source::of(path.to_str().unwrap());
        assert_eq!(source(folder.path().into()).unwrap(), Source::Folder(folder.path().into()));
        assert_eq!(source(at("a.py")).unwrap(), Source::Script(at("a.py")));
        assert_eq!(source(at("a.TAR.GZ")).unwrap(), Source::Archive(at("a.TAR.GZ")));
        assert!(matches!(source(at("a.txt")), Err(Failure::Usage(_))));
        assert!(matches!(source(at("nothing")), Err(Failure::Usage(_))));
        for address in ["https://example.org/x.git", "git@example.org:x/y", "file:///tmp/x"] {
            assert_eq!(Source::of(address).unwrap(), Source::Git(address.into()));
        }
    }

    #[test]
    fn flags_become_the_fields_of_a_request() {
        let what = arguments(
            "mantyx deploy https://x/y --name y --ref v1 --subdir app --env A=1 --web-port 8000 --type perpetual",
        );
        let app = new_app(&Source::Git("https://x/y".into()), &what).unwrap();
        let source = git_source("https://x/y".into(), app, &what).unwrap();
        let expected = json!({
            "url": "https://x/y", "ref": "v1", "subdir": "app", "name": "y", "type": "perpetual", "tags": [],
            "configuration": {"env": {"A": "1"}, "web_port": 8000}
        });
        assert_eq!(git_fields(&source), expected);
    }

    #[test]
    fn a_manifest_and_flags_are_one_request() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(manifest::FILE), "name = 'a'\nschedule = '@daily'").unwrap();
        let what = arguments("mantyx deploy . --name b");
        let app = new_app(&Source::Folder(folder.path().into()), &what).unwrap();
        assert_eq!((app.name.unwrap().as_str(), app.schedule.as_deref()), ("b", Some("@daily")));
    }

    #[test]
    fn a_name_that_was_taken_is_said() {
        let [first, second] = ["hello", "hello-2"].map(|name| AppName::parse(name).unwrap());
        let said = another_name(None, &second, &first).unwrap();
        assert_eq!(said, "`hello` is taken: this one is `hello-2`");
        assert_eq!(another_name(None, &first, &first), None);
        assert_eq!(another_name(Some(&second), &second, &first), None);
    }

    #[test]
    fn folders_have_names() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("weather")).unwrap();
        assert_eq!(folder_name(&folder.path().join("weather/.")), "weather");
        assert_eq!(folder_name(Path::new("/")), "app");
    }
}
