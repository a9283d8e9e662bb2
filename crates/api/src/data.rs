//! `/api/apps/{app}/data/…`: an app's own files. A folder answers what is in it, a file its content.
//!
//! As with the files of a release, nothing is sent as anything that a browser would show as a page of Mantyx; a list is
//! JSON, and the content of a file never says that it is.

use std::fs::File;

use actix_web::dev::Payload;
use actix_web::http::header::ETAG;
use actix_web::web::{self, Json, Path};
use actix_web::{FromRequest, HttpRequest, HttpResponse, delete, get, put};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use mantyx_api_types::{DataEntry, Page};
use mantyx_core::{Code, Error, Result, Scope};
use mantyx_operations::{Condition, Data, DataFile, Mantyx, Removal};
use serde::Deserialize;
use tempfile::TempPath;
use tokio::io::AsyncReadExt;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Operator, Reader};
use crate::files::{BYTES, FILE_LIMIT, TEXT, download, is_text};
use crate::forms::{announced_length, receive, too_large};
use crate::gate::Gate;
use crate::inputs::{AppPath, DataPath};
use crate::parts::Part;
use crate::problem::{Answer, ApiError};
use crate::query::Query;
use crate::revision::{IfMatch, IfNoneMatch, quoted};

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_data).service(read_data).service(write_data).service(remove_data);
}

/// Which part of a folder.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct FolderQuery {
    /// At most this many entries, 1 to 500; 100 when not given.
    limit: Option<u32>,
    /// Where the page before this one ended.
    cursor: Option<String>,
}

/// Which part of a folder, or who fetches a file where that cannot be said in a header.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct DataQuery {
    /// Of a folder at most this many entries, 1 to 500; 100 when not given.
    limit: Option<u32>,
    /// Where the page of a folder before this one ended.
    cursor: Option<String>,
    /// A ticket of `POST /api/live/ticket`, good for one download: a link of a browser carries no token.
    ticket: Option<String>,
}

/// List the own files of an app
///
/// What lies in its data folder, `APP_DATA_DIR` to the app itself: folders first, then by name.
#[utoipa::path(tag = "Data", params(AppPath, FolderQuery), responses(
    (status = 200, description = "What is there; empty for an app that never ran", body = Page<DataEntry>)
))]
#[get("/api/apps/{app}/data")]
async fn list_data(
    _: Reader,
    mantyx: web::Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<FolderQuery>,
) -> Answer<Json<Page<DataEntry>>> {
    Ok(Json(mantyx.data_folder(&path.app, query.limit, query.cursor.as_deref()).await?))
}

/// Read one of the own files of an app
///
/// A folder answers what is in it as JSON. UTF-8 of at most 4 MiB comes as plain text, everything else as a download; a
/// part of it can be asked for by `Range`. Links are not followed and nothing special is opened.
#[utoipa::path(tag = "Data", params(DataPath, DataQuery), responses(
    (status = 200, description = "What is in the folder, or the content of the file",
        content(
            (Page<DataEntry> = "application/json"),
            (String = "text/plain"),
            (inline(Content) = "application/octet-stream")
        ),
        headers(("ETag" = String, description = "Another one once the file was written to"))),
    (status = 206, description = "A part of the file", content((inline(Content) = "application/octet-stream"))),
    (status = 416, description = "It is not as long as that"),
))]
#[get("/api/apps/{app}/data/{path:.+}")]
async fn read_data(
    request: HttpRequest,
    mantyx: web::Data<Mantyx>,
    gate: web::Data<Gate>,
    path: Path<DataPath>,
    Query(query): Query<DataQuery>,
) -> Answer {
    gate.caller(&request, query.ticket.as_deref(), Scope::Read).await?;
    let DataPath { app, path } = path.into_inner();
    let name = path.file_name().to_owned();
    match mantyx.data(&app, path, query.limit, query.cursor.as_deref()).await? {
        Data::Folder(page) => Ok(HttpResponse::Ok().json(page)),
        Data::File(file) => Ok(sent(&request, &name, file).await?),
    }
}

/// Write one of the own files of an app
///
/// In one step: who reads it meanwhile reads the old content or the new one. It belongs to the user that the app runs as;
/// folders on the way are made. Only for administrators where they gave the app more than others have.
#[utoipa::path(
    tag = "Data",
    params(
        DataPath,
        ("If-Match" = Option<String>, Header, description = "The `ETag` of what is to be replaced, or `*` for whatever is there as long as something is; anything or nothing when not given"),
        ("If-None-Match" = Option<String>, Header, description = "`*` to replace nothing: 412 when there is one already")
    ),
    request_body(
        content = inline(Content),
        content_type = "application/octet-stream",
        description = "The whole content, at most `upload_limit`; any media type will do"
    ),
    responses((
        status = 200, description = "The file as it is now", body = DataEntry,
        headers(("ETag" = String, description = "Another one once the file was written to"))
    ))
)]
#[put("/api/apps/{app}/data/{path:.+}")]
async fn write_data(
    Operator(caller): Operator,
    request: HttpRequest,
    mantyx: web::Data<Mantyx>,
    path: Path<DataPath>,
    if_match: IfMatch,
    Content(content): Content,
) -> Answer {
    let DataPath { app, path } = path.into_inner();
    let content = File::open(&content).map_err(|error| Error::io("read what was received", error))?;
    let named = IfNoneMatch::of(request.headers());
    let may: Condition = Box::new(move |mark| {
        if_match.refuse_missing_or_other(mark)?;
        named.refuse_named(mark)
    });
    let (entry, mark) = mantyx.write_data(&caller, &app, path, content, may).await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, quoted(&mark)?)).json(entry))
}

/// How much goes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct RemovalQuery {
    /// Whether a folder goes with all that is in it; otherwise it has to be empty.
    recursive: Option<bool>,
}

/// Remove one of the own files of an app
///
/// A link goes itself. A folder goes when it is empty, or with `recursive=true`.
#[utoipa::path(
    tag = "Data",
    params(
        DataPath,
        RemovalQuery,
        ("If-Match" = Option<String>, Header, description = "The `ETag` of what is to go; whatever is there when not given")
    ),
    responses((status = 204, description = "It is gone"))
)]
#[delete("/api/apps/{app}/data/{path:.+}")]
async fn remove_data(
    Operator(caller): Operator,
    mantyx: web::Data<Mantyx>,
    path: Path<DataPath>,
    Query(query): Query<RemovalQuery>,
    if_match: IfMatch,
) -> Answer {
    let DataPath { app, path } = path.into_inner();
    let removal = if query.recursive.unwrap_or_default() { Removal::Tree } else { Removal::One };
    let may: Condition = Box::new(move |mark| if_match.refuse_missing_or_other(mark));
    mantyx.remove_data(&caller, &app, path, removal, may).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn sent(request: &HttpRequest, name: &str, file: DataFile) -> Result<HttpResponse> {
    let failed = |error| Error::io(format!("read `{name}`"), error);
    let DataFile { content, bytes, mark } = file;
    let mut content = tokio::fs::File::from_std(content);
    let is_text = holds_text(&mut content, bytes).await.map_err(failed)?;
    let (media_type, disposition) = if is_text { (TEXT, None) } else { (BYTES, Some(download(name))) };
    let part = Part::of(request, bytes, Some(&mark));
    let mut answer = part.answer(content, media_type, disposition).await.map_err(failed)?;
    answer.headers_mut().insert(ETAG, quoted(&mark)?);
    Ok(answer)
}

async fn holds_text(content: &mut tokio::fs::File, bytes: u64) -> std::io::Result<bool> {
    if bytes > FILE_LIMIT {
        return Ok(false);
    }
    let mut all = Vec::new();
    content.take(FILE_LIMIT).read_to_end(&mut all).await?;
    Ok(is_text(&all))
}

/// The content of a file, which lies on the disk until this is dropped.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
struct Content(TempPath);

impl FromRequest for Content {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    /// Nothing of it is read before this is awaited, which is after the caller was looked at.
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let mantyx = request.app_data::<web::Data<Mantyx>>().cloned();
        let (announced, mut payload) = (announced_length(request), payload.take());
        async move {
            let mantyx = mantyx.ok_or_else(|| Error::new(Code::Unavailable, "Mantyx is not there"))?;
            let limit = mantyx.settings().upload_limit;
            if announced.is_some_and(|length| length > limit) {
                return Err(too_large(limit).into());
            }
            let broken = |_| Error::new(Code::Malformed, "The body ended before it was complete");
            Ok(Self(receive(&mantyx.uploads(), &mut payload, limit, broken).await?))
        }
        .boxed_local()
    }
}
