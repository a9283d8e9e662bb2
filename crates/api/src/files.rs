//! `/api/apps/{app}/releases/{number}/files/…`: one file of a release, read as it is, or another release with it edited.
//!
//! What is in a file is an app's own: it is sent as plain text or as a download, never as anything that a browser would
//! show as a page of Mantyx.

use actix_web::dev::Payload;
use actix_web::http::header::{
    CONTENT_DISPOSITION, Charset, ContentDisposition, DispositionParam, DispositionType, ExtendedValue,
};
use actix_web::web::{Data, Path};
use actix_web::{FromRequest, HttpRequest, HttpResponse, delete, get, put};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, StreamExt};
use mantyx_api_types::OperationView;
use mantyx_core::{Code, Error, RelativePath, Result};
use mantyx_operations::Mantyx;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Operator, Reader};
use crate::forms::announced_length;
use crate::inputs::FilePath;
use crate::problem::{Answer, ApiError};
use crate::query::Query;
use crate::waiting::{self, WaitQuery};

/// The most bytes of an edited file: as many as one may have that is read.
pub(crate) const FILE_LIMIT: u64 = 4 << 20;

pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const BYTES: &str = "application/octet-stream";

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(read_release_file).service(write_release_file).service(remove_release_file);
}

/// Read a file of a release
///
/// UTF-8 comes as plain text, everything else as a download. Files of more than 4 MiB are refused.
#[utoipa::path(tag = "Releases", params(FilePath), responses((
    status = 200, description = "The content, byte by byte",
    content((String = "text/plain"), (inline(Content) = "application/octet-stream"))
)))]
#[get("/api/apps/{app}/releases/{number}/files/{path:.+}")]
async fn read_release_file(_: Reader, mantyx: Data<Mantyx>, path: Path<FilePath>) -> Answer {
    let content = mantyx.release_file(&path.app, path.number, &path.path).await?;
    Ok(sent(&path.path, content))
}

/// Save an edited file as a new release
///
/// The new release is the active one, which `number` has to be, with this content in one file; a file that is not there
/// yet is made. It is taken into use by an update like any other: backed up before, watched after, and undone when the
/// app does not become healthy.
#[utoipa::path(
    tag = "Releases",
    params(FilePath, WaitQuery),
    request_body(
        content = inline(Content),
        content_type = "application/octet-stream",
        description = "The whole content, at most 4 MiB and no more than `upload_limit`; any media type will do"
    ),
    responses(
        (status = 200, description = "Done, when waited for", body = OperationView),
        (status = 202, description = "Begun", body = OperationView),
    )
)]
#[put("/api/apps/{app}/releases/{number}/files/{path:.+}")]
async fn write_release_file(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<FilePath>,
    Query(query): Query<WaitQuery>,
    Content(content): Content,
) -> Answer {
    let operation = mantyx.update_file(&caller, &path.app, path.number, &path.path, Some(content)).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}

/// Make a new release without a file
///
/// The new release is the active one, which `number` has to be, without this file. It is taken into use by an update
/// like any other.
#[utoipa::path(tag = "Releases", params(FilePath, WaitQuery), responses(
    (status = 200, description = "Done, when waited for", body = OperationView),
    (status = 202, description = "Begun", body = OperationView),
))]
#[delete("/api/apps/{app}/releases/{number}/files/{path:.+}")]
async fn remove_release_file(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<FilePath>,
    Query(query): Query<WaitQuery>,
) -> Answer {
    let operation = mantyx.update_file(&caller, &path.app, path.number, &path.path, None).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}

/// A file as an answer. `X-Content-Type-Options: nosniff` is on every answer, so that it is taken as what it is called.
fn sent(path: &RelativePath, content: Vec<u8>) -> HttpResponse {
    if is_text(&content) {
        return HttpResponse::Ok().content_type(TEXT).body(content);
    }
    HttpResponse::Ok()
        .insert_header((CONTENT_DISPOSITION, download(path.file_name())))
        .content_type(BYTES)
        .body(content)
}

/// UTF-8 may hold NUL, and no text does.
pub(crate) fn is_text(content: &[u8]) -> bool {
    !content.contains(&0) && std::str::from_utf8(content).is_ok()
}

/// A name may hold any character; what not every client reads as it is, is said in the form that can hold it (RFC 6266,
/// section 4.3).
pub(crate) fn download(name: &str) -> ContentDisposition {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let parameter = if name.bytes().all(is_plain) {
        DispositionParam::Filename(name.to_owned())
    } else {
        let charset = Charset::Ext("UTF-8".into());
        DispositionParam::FilenameExt(ExtendedValue { charset, language_tag: None, value: name.into() })
    };
    ContentDisposition { disposition: DispositionType::Attachment, parameters: vec![parameter] }
}

/// The content of a file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
struct Content(Vec<u8>);

impl FromRequest for Content {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    /// Nothing of it is read before this is awaited, which is after the caller was looked at.
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let upload_limit = request.app_data::<Data<Mantyx>>().map(|mantyx| mantyx.settings().upload_limit);
        let limit = upload_limit.unwrap_or_default().min(FILE_LIMIT);
        let (announced, payload) = (announced_length(request), payload.take());
        async move { Ok(Self(read(payload, announced, limit).await?)) }.boxed_local()
    }
}

async fn read(mut payload: Payload, announced: Option<u64>, limit: u64) -> Result<Vec<u8>> {
    let too_large = || {
        Error::new(Code::UploadTooLarge, format!("The file has more than {limit} bytes"))
            .hint("Bring it with an archive, as an update")
    };
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut content = Vec::new();
    while let Some(chunk) = payload.next().await {
        let broken = |_| Error::new(Code::Malformed, "The body ended before it was complete");
        content.extend_from_slice(&chunk.map_err(broken)?);
        if content.len() as u64 > limit {
            return Err(too_large());
        }
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::CONTENT_TYPE;

    fn headers(name: &str, content: &[u8]) -> (String, Option<String>) {
        let response = sent(&RelativePath::parse(name).unwrap(), content.to_vec());
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        (header(CONTENT_TYPE).unwrap(), header(CONTENT_DISPOSITION))
    }

    #[test]
    fn only_text_is_shown() {
        for text in [&b""[..], b"<script>", "grüße".as_bytes()] {
            assert_eq!(headers("page.html", text), (TEXT.to_owned(), None));
        }
        for bytes in [&b"\xff\xfe"[..], b"a\0b", b"\x89PNG\r\n\x1a\n\0"] {
            assert_eq!(headers("page.html", bytes).0, BYTES);
        }
    }

    #[test]
    fn a_download_has_the_name_of_the_file_whatever_that_is() {
        let named = |name| headers(name, b"\0").1.unwrap();
        assert_eq!(named("img/a.png"), "attachment; filename=\"a.png\"");
        assert_eq!(named("ä \"b\"; c"), "attachment; filename*=UTF-8''%C3%A4%20%22b%22%3B%20c");
    }
}
