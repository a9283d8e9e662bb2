//! The web page's files, as `cargo xtask page` left them: read when they are asked for, compressed beforehand.
//!
//! A name with a digest in it never changes its content and is cached for ever; `index.html` never is. Every
//! address that is neither a file nor part of the API is one of the page's own, and gets `index.html`.

use std::io;
use std::path::{Path, PathBuf};

use actix_web::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, HeaderMap, VARY};
use actix_web::{HttpRequest, HttpResponse};
use mantyx_core::{Error, RelativePath, Result};

use crate::problem::Answer;

const INDEX: &str = "index.html";

/// Compressed forms, the smallest first: content coding and extension.
const CODINGS: [(&str, &str); 2] = [("br", "br"), ("gzip", "gz")];

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Mantyx</title>\
    <body style=\"background:#0d1117;color:#e6edf3;font:16px system-ui;padding:4rem\">\
    <h1>The page was not built</h1><p>Run <code>cargo xtask page</code>, or name its folder in the setting \
    <code>page</code>. The API is there: see <a style=\"color:#7cc4ff\" href=\"/docs/\">/docs</a>.</p>";

/// The folder of the page.
pub(crate) struct PageFolder(PathBuf);

/// A file as it goes over the wire.
struct File {
    bytes: Vec<u8>,
    coding: Option<&'static str>,
}

impl PageFolder {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Answers for a path that the API does not know.
    pub(crate) async fn answer(&self, request: &HttpRequest) -> Answer {
        if let Some(path) = file_path(request.path())
            && let Some(file) = self.read(&path, request.headers()).await?
        {
            return Ok(respond(path.file_name(), file));
        }
        if looks_like_a_file(request.path()) {
            return Err(Error::not_found("file", request.path()).into());
        }
        let index = RelativePath::parse(INDEX).map_err(|e| Error::internal("name the page", e))?;
        match self.read(&index, request.headers()).await? {
            Some(file) => Ok(respond(INDEX, file)),
            None => Ok(HttpResponse::ServiceUnavailable()
                .content_type("text/html; charset=utf-8")
                .insert_header((CACHE_CONTROL, "no-store"))
                .body(NOT_BUILT)),
        }
    }

    /// The file in the smallest form that the client takes.
    async fn read(&self, path: &RelativePath, headers: &HeaderMap) -> Result<Option<File>> {
        let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        for (coding, extension) in CODINGS {
            if accepts(accepted, coding)
                && let Some(bytes) = self.bytes(&format!("{path}.{extension}")).await?
            {
                return Ok(Some(File { bytes, coding: Some(coding) }));
            }
        }
        Ok(self.bytes(path.as_str()).await?.map(|bytes| File { bytes, coding: None }))
    }

    async fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let path = self.0.join(path);
        match tokio::fs::read(&path).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(Error::io(format!("read `{}`", path.display()), error)),
        }
    }
}

/// A folder is no file, and neither is something below a file.
fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | IsADirectory | NotADirectory | InvalidFilename)
}

/// The path of a file of the page, which cannot leave its folder. Escapes are not decoded: no name has any.
fn file_path(path: &str) -> Option<RelativePath> {
    let path = RelativePath::parse(path.strip_prefix('/')?).ok()?;
    let hidden = path.as_str().split('/').any(|part| part.starts_with('.'));
    (!hidden).then_some(path)
}

/// The page's own addresses have no dots.
fn looks_like_a_file(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.contains('.'))
}

/// Whether an `Accept-Encoding` names a coding with a weight above 0 (RFC 9110, section 12.5.3).
fn accepts(header: &str, coding: &str) -> bool {
    header.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)));
        named && !refused
    })
}

fn respond(name: &str, file: File) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.content_type(media_type(name)).insert_header((VARY, "Accept-Encoding"));
    response.insert_header((CACHE_CONTROL, caching(name)));
    if let Some(coding) = file.coding {
        response.insert_header((CONTENT_ENCODING, coding));
    }
    response.body(file.bytes)
}

fn caching(name: &str) -> &'static str {
    if name == INDEX {
        "no-store"
    } else if has_digest(name) {
        "public, max-age=31536000, immutable"
    } else {
        "public, max-age=300"
    }
}

/// Whether a part of a name is a digest: eight or more hexadecimal digits, with a number among them.
fn has_digest(name: &str) -> bool {
    let is_digest = |part: &str| {
        part.len() >= 8
            && part.bytes().all(|byte| byte.is_ascii_hexdigit())
            && part.bytes().any(|byte| byte.is_ascii_digit())
    };
    name.split(['-', '_', '.']).any(is_digest)
}

fn media_type(name: &str) -> &'static str {
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::ResponseError;
    use actix_web::body::to_bytes;
    use actix_web::http::StatusCode;
    use actix_web::test::TestRequest;

    /// A page with an index and a script that is there in three forms, and a secret beside it.
    fn folder() -> tempfile::TempDir {
        let outer = tempfile::tempdir().unwrap();
        let page = outer.path().join("page");
        std::fs::create_dir_all(page.join("assets")).unwrap();
        std::fs::write(outer.path().join("secret.txt"), "secret").unwrap();
        std::fs::write(page.join(".hidden"), "secret").unwrap();
        for (name, text) in [
            ("index.html", "index"),
            ("app-1a2b3c4d5e.js", "plain"),
            ("app-1a2b3c4d5e.js.br", "brotli"),
            ("app-1a2b3c4d5e.js.gz", "gzip"),
            ("assets/logo.svg", "logo"),
        ] {
            std::fs::write(page.join(name), text).unwrap();
        }
        outer
    }

    async fn get(folder: &Path, path: &str, encodings: &str) -> (StatusCode, HeaderMap, String) {
        let request =
            TestRequest::with_uri(path).insert_header((ACCEPT_ENCODING, encodings)).to_http_request();
        let page = PageFolder::new(folder.join("page"));
        let response = page.answer(&request).await.unwrap_or_else(|error| error.error_response());
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.unwrap();
        (status, headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn sends_the_smallest_form_that_is_accepted() {
        let folder = folder();
        let script = "/app-1a2b3c4d5e.js";
        for (encodings, body, coding) in [
            ("gzip, deflate, br", "brotli", Some("br")),
            ("gzip", "gzip", Some("gzip")),
            ("br;q=0, gzip;q=0.5", "gzip", Some("gzip")),
            ("identity", "plain", None),
            ("", "plain", None),
        ] {
            let (status, headers, text) = get(folder.path(), script, encodings).await;
            assert_eq!((status, text.as_str()), (StatusCode::OK, body), "{encodings}");
            assert_eq!(headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap()), coding);
            assert_eq!(headers.get("content-type").unwrap(), "text/javascript; charset=utf-8");
            assert!(headers.get(CACHE_CONTROL).unwrap().to_str().unwrap().contains("immutable"));
        }
    }

    #[actix_web::test]
    async fn the_page_has_addresses_of_its_own() {
        let folder = folder();
        for path in ["/", "/index.html", "/apps/weather", "/login", "/assets"] {
            let (status, headers, text) = get(folder.path(), path, "br").await;
            assert_eq!((status, text.as_str()), (StatusCode::OK, "index"), "{path}");
            assert_eq!(headers.get(CACHE_CONTROL).unwrap(), "no-store");
        }
        assert_eq!(get(folder.path(), "/old-1a2b3c4d.js", "br").await.0, StatusCode::NOT_FOUND);
        assert_eq!(get(folder.path(), "/assets/logo.svg", "br").await.2, "logo");
    }

    #[actix_web::test]
    async fn no_path_leaves_the_folder() {
        let folder = folder();
        for path in [
            "/../secret.txt",
            "/assets/../../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/assets/..%5c..%5csecret.txt",
            "//secret.txt",
            "/.hidden",
            "/assets/../.hidden",
        ] {
            let (_, _, text) = get(folder.path(), path, "").await;
            assert_ne!(text, "secret", "{path}");
        }
    }

    #[actix_web::test]
    async fn a_page_that_was_not_built_says_so() {
        let empty = tempfile::tempdir().unwrap();
        let (status, _, text) = get(empty.path(), "/", "br").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.contains("cargo xtask page"));
    }

    #[test]
    fn a_digest_is_no_word() {
        assert!(has_digest("mantyx-0f3a9c1d77_bg.wasm"));
        assert!(has_digest("app.1a2b3c4d.js"));
        assert!(!has_digest("feedface.js"), "letters alone may be a word");
        assert!(!has_digest("logo-2.svg"));
    }
}
