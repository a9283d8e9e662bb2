//! An app's own files: listed, fetched, put in place and removed.

use std::path::Path;

use chrono::Utc;
use futures_util::TryStreamExt as _;
use mantyx_api_types::DataEntry;
use mantyx_core::{AppName, Code, Error, RelativePath};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Body, Method};
use tokio_util::io::ReaderStream;

use super::releases::{encoded, print};
use super::{Session, transfer, upload};
use crate::arguments::{DataArgs, DataCommand};
use crate::failure::{Failure, Result};
use crate::output::line;
use crate::tables;

pub(super) async fn run(what: DataArgs, session: Session) -> Result<()> {
    match what.command {
        DataCommand::Ls { app, path } => list(&session, &app, path.as_ref()).await,
        DataCommand::Get { app, path, file } => get(&session, &app, &path, file.as_deref()).await,
        DataCommand::Put { app, path, file } => put(&session, &app, &path, &file).await,
        DataCommand::Rm { app, path, recursive } => {
            let query = [("recursive", recursive.to_string())];
            let request = session.client.request(Method::DELETE, &address(&app, &path)).query(&query);
            session.client.send(request).await?;
            line(&format!("`{path}` is removed"))
        }
    }
}

/// What an address leads to.
enum Found {
    Folder,
    File,
}

fn address(app: &AppName, path: &RelativePath) -> String {
    format!("/api/apps/{app}/data/{}", encoded(path))
}

/// A folder answers a list, a file its content, and neither should be taken for the other.
async fn look(session: &Session, address: &str) -> Result<Found> {
    let answer = session.client.send(session.client.request(Method::HEAD, address)).await?;
    let media_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if media_type.is_some_and(|media_type| media_type.starts_with("application/json")) {
        return Ok(Found::Folder);
    }
    Ok(Found::File)
}

async fn list(session: &Session, app: &AppName, path: Option<&RelativePath>) -> Result<()> {
    let address = match path {
        Some(path) => address(app, path),
        None => format!("/api/apps/{app}/data"),
    };
    if let (Some(path), Found::File) = (path, look(session, &address).await?) {
        return Err(other(path, "a file", &format!("mantyx data get {app} {path}")));
    }
    let entries: Vec<DataEntry> = session.client.list(&address, &[], usize::MAX).await?;
    session.output.show(&entries, |entries| tables::data(entries, Utc::now()))
}

async fn get(session: &Session, app: &AppName, path: &RelativePath, file: Option<&Path>) -> Result<()> {
    let address = address(app, path);
    if let Found::Folder = look(session, &address).await? {
        return Err(other(path, "a folder", &format!("mantyx data ls {app} {path}")));
    }
    match file {
        Some(file) => transfer::save(session, &address, file).await,
        None => print(session, &address, path).await,
    }
}

async fn put(session: &Session, app: &AppName, path: &RelativePath, file: &Path) -> Result<()> {
    let fault = |error| Failure::Local(Error::io(format!("read `{}`", file.display()), error));
    let content = tokio::fs::File::open(file).await.map_err(fault)?;
    let length = content.metadata().await.map_err(fault)?.len();
    let bar = upload::progress("Uploading", length);
    let counting = bar.clone();
    let pieces = ReaderStream::new(content).inspect_ok(move |piece| counting.inc(piece.len() as u64));
    let address = address(app, path);
    let request = session.client.request(Method::PUT, &address).body(Body::wrap_stream(pieces));
    let answer = session.client.read(&address, request).await;
    bar.finish_and_clear();
    session.output.show(&answer?, |entry: &DataEntry| format!("`{path}` has {}", tables::bytes(entry.bytes)))
}

fn other(path: &RelativePath, is: &str, instead: &str) -> Failure {
    let error = Error::new(Code::IllegalState, format!("`{path}` is {is}"));
    Failure::Local(error.hint(format!("Use `{instead}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::client_of;
    use crate::output::Output;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    /// A server that answers as a file that is being written: the look and the fetch each say a length of their own.
    async fn growing(looked_at: u64, fetched: u64, content: &'static str) -> Session {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client_of(&format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(async move {
            for (length, content) in [(looked_at, ""), (fetched, content)] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut lines = BufReader::new(&mut stream).lines();
                while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
                let head =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(format!("{head}{content}").as_bytes()).await.unwrap();
            }
        });
        Session { client, output: Output::new(false) }
    }

    async fn fetched(session: &Session, to: &Path) -> Result<()> {
        let (app, path) = (AppName::parse("paper").unwrap(), RelativePath::parse("log.txt").unwrap());
        get(session, &app, &path, Some(to)).await
    }

    #[tokio::test]
    async fn a_file_that_grows_meanwhile_is_as_long_as_it_was_when_it_was_fetched() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("log.txt");
        fetched(&growing(3, 5, "three").await, &to).await.unwrap();
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "three");
    }

    #[tokio::test]
    async fn a_file_that_breaks_off_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("log.txt");
        let failure = fetched(&growing(5, 5, "thr").await, &to).await.unwrap_err();
        assert!(matches!(failure, Failure::Unreachable(_)), "{failure}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
