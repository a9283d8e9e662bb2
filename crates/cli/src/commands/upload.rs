//! Sources of apps: what a person named, and how what lies on this disk is sent.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use mantyx_core::{Code, Error};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio_util::io::ReaderStream;

use super::Session;
use crate::failure::{Failure, Result};
use crate::manifest;
use crate::output::{aside, count};
use crate::pack::pack;

/// Endings of archives that Mantyx reads.
const ARCHIVES: [&str; 4] = [".zip", ".tar", ".tar.gz", ".tgz"];

/// Where code comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// This disk.
    Local(Local),
    /// The address of a repository.
    Git(String),
}

/// Code that lies on this disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Local {
    Folder(PathBuf),
    Script(PathBuf),
    Archive(PathBuf),
}

impl Source {
    /// What is there on the disk comes first: a folder may be called anything.
    pub(super) fn of(text: &str) -> Result<Self> {
        let path = PathBuf::from(text);
        if path.is_dir() {
            return Ok(Self::Local(Local::Folder(path)));
        }
        if path.is_file() {
            return Local::of_file(path).map(Self::Local);
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

    /// What it declares about an app: only a folder can.
    pub(super) fn declared(&self) -> mantyx_core::Result<Map<String, Value>> {
        match self {
            Self::Local(Local::Folder(folder)) => manifest::read(folder),
            Self::Local(Local::Script(_) | Local::Archive(_)) | Self::Git(_) => Ok(Map::new()),
        }
    }
}

impl Local {
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

/// Sends code to `{address}/archive` or `{address}/script`, with fields of the form beside it.
pub(super) async fn send<T: DeserializeOwned>(
    session: &Session,
    source: &Local,
    address: &str,
    fields: Vec<(String, String)>,
) -> Result<T> {
    let (archive, script) = (format!("{address}/archive"), format!("{address}/script"));
    match source {
        Local::Folder(folder) => {
            let packed = pack(folder).map_err(Failure::Local)?;
            aside(&format!("Packed {} of `{}`", count(packed.files, "file"), folder.display()))?;
            let name = format!("{}.tar.gz", folder_name(folder));
            send_file(session, &archive, packed.file.path(), name, fields).await
        }
        Local::Archive(file) => send_file(session, &archive, file, file_name(file), fields).await,
        Local::Script(file) => send_file(session, &script, file, file_name(file), fields).await,
    }
}

/// Sends a file, with a bar on a terminal.
pub(super) async fn send_file<T: DeserializeOwned>(
    session: &Session,
    address: &str,
    path: &Path,
    name: String,
    fields: Vec<(String, String)>,
) -> Result<T> {
    let fault = |error| Failure::Local(Error::io(format!("read `{}`", path.display()), error));
    let file = tokio::fs::File::open(path).await.map_err(fault)?;
    let length = file.metadata().await.map_err(fault)?.len();
    let bar = progress("Uploading", length);
    let counting = bar.clone();
    let pieces = ReaderStream::new(file).inspect_ok(move |piece| counting.inc(piece.len() as u64));
    let part = Part::stream_with_length(Body::wrap_stream(pieces), length).file_name(name);
    let form = fields.into_iter().fold(Form::new(), |form, (field, text)| form.text(field, text));
    // The file comes last, so that a field that is wrong is told before much is sent.
    let form = form.part("file", part);
    let answer = session.client.read(address, session.client.request(Method::POST, address).multipart(form));
    let answer = answer.await;
    bar.finish_and_clear();
    answer
}

/// A bar on a terminal for so many bytes.
pub(super) fn progress(doing: &str, length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(&format!("{doing} {{wide_bar}} {{bytes}}/{{total_bytes}}"));
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

    #[test]
    fn a_source_is_what_it_is_on_the_disk_first() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a.py", "a.TAR.GZ", "a.zip", "a.txt"] {
            std::fs::write(at(name), "").unwrap();
        }
        let source = |path: PathBuf| Source::of(path.to_str().unwrap());
        let local = |path: PathBuf| match source(path).unwrap() {
            Source::Local(local) => local,
            Source::Git(address) => unreachable!("{address}"),
        };
        assert_eq!(local(folder.path().into()), Local::Folder(folder.path().into()));
        assert_eq!(local(at("a.py")), Local::Script(at("a.py")));
        assert_eq!(local(at("a.TAR.GZ")), Local::Archive(at("a.TAR.GZ")));
        assert!(matches!(source(at("a.txt")), Err(Failure::Usage(_))));
        assert!(matches!(source(at("nothing")), Err(Failure::Usage(_))));
        for address in ["https://example.org/x.git", "git@example.org:x/y", "file:///tmp/x"] {
            assert_eq!(Source::of(address).unwrap(), Source::Git(address.into()));
        }
    }

    #[test]
    fn folders_have_names() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("weather")).unwrap();
        assert_eq!(folder_name(&folder.path().join("weather/.")), "weather");
        assert_eq!(folder_name(Path::new("/")), "app");
    }
}
