//! Forms with a file: the upload of a new app, and that of a new release.
//!
//! A file is written to the disk as it arrives and never held in memory; reading stops at the limit.

use std::path::Path;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, Stream, StreamExt};
use mantyx_core::{Code, Error, Result};
use mantyx_operations::Mantyx;
use serde_json::{Map, Value};
use tempfile::TempPath;
use tokio::io::AsyncWriteExt;

use crate::new_app;
use crate::problem::ApiError;

/// The field that holds the file; every other one is text.
pub(crate) const FILE: &str = "file";

/// The most bytes of a text field, and the most fields.
const TEXT_LIMIT: usize = 64 << 10;
const FIELD_LIMIT: usize = 64;

/// How much of a request may be anything but the file.
pub(crate) const OVERHEAD: u64 = 1 << 20;

/// What the fields beside the file say.
pub(crate) trait Told: Sized {
    /// Reads them, and refuses by name those that are not known or cannot be read.
    fn told(fields: Map<String, Value>) -> Result<Self>;
}

/// A form that was read: the file lies on the disk until this is dropped.
pub(crate) struct Upload<T> {
    pub(crate) path: TempPath,
    pub(crate) file_name: String,
    pub(crate) told: T,
}

impl<T: Told> FromRequest for Upload<T> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    /// Nothing of the form is read before this is awaited, which is after the caller was looked at.
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let mantyx = Data::<Mantyx>::from_request(request, payload);
        let (announced, form) = (announced_length(request), Multipart::from_request(request, payload));
        async move {
            let mantyx = mantyx.await?;
            let upload = Self::read(&mantyx, announced, form.await?).await;
            upload.map_err(|error| ApiError::from(error).into())
        }
        .boxed_local()
    }
}

impl<T: Told> Upload<T> {
    async fn read(mantyx: &Mantyx, announced: Option<u64>, mut form: Multipart) -> Result<Self> {
        let limit = mantyx.settings().upload_limit;
        if announced.is_some_and(|length| length > limit.saturating_add(OVERHEAD)) {
            return Err(too_large(limit));
        }
        let (mut file, mut fields) = (None, Map::new());
        while let Some(field) = form.next().await {
            let mut field = field.map_err(broken)?;
            let name = field.name().unwrap_or_default().to_owned();
            if fields.len() >= FIELD_LIMIT {
                return Err(Error::new(
                    Code::Invalid,
                    format!("The form has more than {FIELD_LIMIT} fields"),
                ));
            }
            if fields.contains_key(&name) || (name == FILE && file.is_some()) {
                return Err(Error::field(name, "The field is there twice"));
            }
            if name == FILE {
                file =
                    Some((receive(&mantyx.uploads(), &mut field, limit, broken).await?, file_name(&field)));
            } else {
                let text = text(&name, &mut field).await?;
                fields.insert(name.clone(), new_app::value_of(&name, text));
            }
        }
        let (path, file_name) = file.ok_or_else(|| Error::field(FILE, "There is no file in the form"))?;
        Ok(Self { path, file_name, told: T::told(fields)? })
    }
}

/// Writes a file to the disk as it arrives, into this folder.
pub(crate) async fn receive<E>(
    folder: &Path,
    pieces: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    limit: u64,
    broken: impl Fn(E) -> Error,
) -> Result<TempPath> {
    let doing = || format!("keep the upload in `{}`", folder.display());
    let file = tempfile::Builder::new().prefix("upload-").tempfile_in(folder);
    let (file, path) = file.map_err(|e| Error::io(doing(), e))?.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    let mut length = 0;
    while let Some(chunk) = pieces.next().await {
        let chunk = chunk.map_err(&broken)?;
        length += chunk.len() as u64;
        if length > limit {
            return Err(too_large(limit));
        }
        file.write_all(&chunk).await.map_err(|e| Error::io(doing(), e))?;
    }
    file.flush().await.map_err(|e| Error::io(doing(), e))?;
    Ok(path)
}

async fn text(name: &str, field: &mut Field) -> Result<String> {
    let bytes = field.bytes(TEXT_LIMIT).await;
    let bytes = bytes.map_err(|_| Error::field(name, format!("It has more than {TEXT_LIMIT} bytes")))?;
    String::from_utf8(bytes.map_err(broken)?.to_vec()).map_err(|_| Error::field(name, "It is not UTF-8"))
}

/// The last part of the name that the client gave: some send a whole path.
fn file_name(field: &Field) -> String {
    let given = field.content_disposition().and_then(|disposition| disposition.get_filename());
    let last = given.unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
    if last.is_empty() { "upload".to_owned() } else { last.to_owned() }
}

/// How long a body says that it is.
pub(crate) fn announced_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pub(crate) fn too_large(limit: u64) -> Error {
    Error::new(Code::UploadTooLarge, format!("The upload has more than {limit} bytes"))
        .hint("Leave out data and environments, or raise `upload_limit` in the settings")
}

/// How a form that cannot be read is refused.
pub(crate) fn broken(error: MultipartError) -> Error {
    use MultipartError::{ContentTypeIncompatible, ContentTypeMissing, ContentTypeParse};
    match error {
        ContentTypeMissing | ContentTypeParse | ContentTypeIncompatible => {
            Error::new(Code::UnsupportedType, "The body is not a form")
                .hint("Send it as `multipart/form-data` with the file in the field `file`")
        }
        other => Error::new(Code::Malformed, format!("The form cannot be read: {other}")),
    }
}
