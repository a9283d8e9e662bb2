//! Looking at releases: which there are, what is in one, and what changed between two.

use std::fmt::Write as _;
use std::io::Write as _;

use chrono::Utc;
use futures_util::{Stream, StreamExt};
use mantyx_api_types::{AppView, ReleaseDetail, ReleaseDiff, ReleaseView};
use mantyx_core::{AppName, Code, Error, RelativePath};

use super::Session;
use crate::arguments::{CatArgs, DiffArgs, ReleasesArgs};
use crate::failure::{Failure, Result};
use crate::output::{aside, line};
use crate::paint::{Ink, Paint};
use crate::{diff, tables};

pub(super) async fn list(what: ReleasesArgs, session: Session) -> Result<()> {
    let path = format!("/api/apps/{}/releases", what.app);
    if let Some(number) = what.release {
        let detail: ReleaseDetail = session.client.get(&format!("{path}/{number}"), &[]).await?;
        return session.output.show(&detail, |detail| tables::release(detail, Utc::now()));
    }
    let releases: Vec<ReleaseView> = session.client.list(&path, &[], usize::MAX).await?;
    session.output.show(&releases, |releases| tables::releases(releases, Utc::now()))
}

/// The number of the active release.
pub(super) async fn active(session: &Session, app: &AppName) -> Result<u32> {
    let view: AppView = session.client.get(&format!("/api/apps/{app}"), &[]).await?;
    view.release.ok_or_else(|| {
        let error = Error::new(Code::NotFound, format!("`{app}` has no active release"));
        Failure::Local(error.hint(format!("`mantyx releases {app}` lists those that are kept")))
    })
}

async fn or_active(session: &Session, app: &AppName, release: Option<u32>) -> Result<u32> {
    match release {
        Some(release) => Ok(release),
        None => active(session, app).await,
    }
}

pub(super) async fn diff(what: DiffArgs, session: Session) -> Result<()> {
    let (from, to) = (what.from, or_active(&session, &what.app, what.to).await?);
    let path = format!("/api/apps/{}/releases/{from}/diff/{to}", what.app);
    let changes: ReleaseDiff = session.client.get(&path, &[]).await?;
    session.output.text(&changes, |changes| diff::text(changes, Paint::of_stdout()))?;
    if changes.truncated {
        aside("There is more than is shown")?;
    }
    Ok(())
}

pub(super) async fn cat(what: CatArgs, session: Session) -> Result<()> {
    let release = or_active(&session, &what.app, what.release).await?;
    let address = format!("/api/apps/{}/releases/{release}/files/{}", what.app, encoded(&what.path));
    print(&session, &address, &what.path).await
}

/// Prints what an address answers, as it is. On a terminal only what can be seen there.
pub(super) async fn print(session: &Session, address: &str, path: &RelativePath) -> Result<()> {
    let mut pieces = std::pin::pin!(session.client.bytes(address).await?);
    match Paint::of_stdout() {
        Paint::Untouched => {
            let mut out = std::io::stdout();
            while let Some(piece) = pieces.next().await {
                out.write_all(piece?.as_ref())?;
            }
            Ok(out.flush()?)
        }
        seen @ (Paint::Plain | Paint::Coloured) => {
            let text = text(pieces, path).await?;
            text.lines().try_for_each(|text| line(&seen.line(Ink::Text, text)))
        }
    }
}

async fn text(
    mut pieces: impl Stream<Item = Result<impl AsRef<[u8]>>> + Unpin,
    path: &RelativePath,
) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(piece?.as_ref());
    }
    String::from_utf8(bytes).map_err(|_| {
        let error = Error::new(Code::UnsupportedType, format!("`{path}` is no text"));
        Failure::Local(error.hint("Write it to a file: put `> FILE` behind the command"))
    })
}

/// A path as a part of an address (RFC 3986, unreserved characters and `/`).
pub(super) fn encoded(path: &RelativePath) -> String {
    let mut text = String::new();
    for byte in path.as_str().bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                text.push(byte.into());
            }
            // Writing into a text cannot fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    #[test]
    fn a_path_survives_in_an_address() {
        let path = RelativePath::parse("a b/50%?#ü.py").unwrap();
        assert_eq!(encoded(&path), "a%20b/50%25%3F%23%C3%BC.py");
        let address = reqwest::Url::parse(&format!("http://x/files/{}", encoded(&path))).unwrap();
        assert_eq!((address.path(), address.query()), ("/files/a%20b/50%25%3F%23%C3%BC.py", None));
    }

    #[tokio::test]
    async fn only_a_text_is_shown_on_a_terminal() {
        let path = RelativePath::parse("logo.png").unwrap();
        let pieces = |pieces: Vec<&'static [u8]>| stream::iter(pieces.into_iter().map(Ok));
        assert_eq!(text(pieces(vec![b"\xc3", b"\xbc\n"]), &path).await.unwrap(), "ü\n");
        let refused = text(pieces(vec![b"\x89PNG"]), &path).await.unwrap_err().to_string();
        assert!(refused.contains("`logo.png` is no text") && refused.contains("> FILE"), "{refused}");
    }
}
