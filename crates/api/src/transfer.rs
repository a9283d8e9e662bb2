//! `/api/exports`, `/api/imports`: all of Mantyx in one archive, and out of one. All of it is for administrators: whoever
//! has an archive has everything, and what is in one may run as anybody.

use std::cmp::Reverse;

use actix_multipart::Multipart;
use actix_web::dev::Payload;
use actix_web::web::{Data, Json, Path};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, delete, get, post};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, StreamExt};
use mantyx_api_types::{ExportRequest, ExportView, OperationView, Page};
use mantyx_core::{Code, Error, Result, Scope};
use mantyx_operations::Mantyx;
use serde::Deserialize;
use tempfile::TempPath;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::Admin;
use crate::files::download;
use crate::forms::{FILE, OVERHEAD, announced_length, broken, receive};
use crate::gate::Gate;
use crate::inputs::{OperationPath, OptionalBody};
use crate::paging::{PageQuery, page};
use crate::parts::Part;
use crate::problem::{Answer, ApiError};
use crate::query::Query;
use crate::shell::WasHead;
use crate::waiting::{self, WaitQuery};

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(export_mantyx)
        .service(list_exports)
        .service(fetch_export)
        .service(remove_export)
        .service(import_mantyx);
}

/// Export all of Mantyx
///
/// One archive with a copy of the database, the key of the secrets, and the releases, data and backups of every app, the
/// trash included; the logs where they are asked for. No environments, no tokens, no settings. Apps go on meanwhile:
/// what they are just writing may be in it as it was in the middle. No other operation begins before its end. It is
/// kept for a day, and is as private as Mantyx itself.
#[utoipa::path(
    tag = "System",
    params(WaitQuery),
    request_body(content = Option<ExportRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "Done, when waited for", body = OperationView),
        (status = 202, description = "Begun; the export has the id of the operation", body = OperationView),
    )
)]
#[post("/api/exports")]
async fn export_mantyx(
    Admin(caller): Admin,
    mantyx: Data<Mantyx>,
    Query(query): Query<WaitQuery>,
    OptionalBody(request): OptionalBody<ExportRequest>,
) -> Answer {
    let operation = mantyx.export(&caller.actor(), request).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}

/// List the exports that can be fetched
#[utoipa::path(tag = "System", params(PageQuery), responses(
    (status = 200, description = "Exports, the newest first", body = Page<ExportView>)
))]
#[get("/api/exports")]
async fn list_exports(
    _: Admin,
    mantyx: Data<Mantyx>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<ExportView>>> {
    Ok(Json(page(mantyx.exports().await?, &query, |export| (Reverse(export.made_at), export.id))?))
}

/// Who fetches, where that cannot be said in a header.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct FetchQuery {
    /// A ticket of `POST /api/live/ticket`, good for one download: a link of a browser carries no token.
    ticket: Option<String>,
}

/// Fetch an export
///
/// A download that broke off can be gone on with by `Range`.
#[utoipa::path(tag = "System", params(OperationPath, FetchQuery), responses(
    (status = 200, description = "The archive", body = Vec<u8>, content_type = "application/gzip"),
    (status = 206, description = "A part of it", body = Vec<u8>, content_type = "application/gzip"),
    (status = 416, description = "It is not as long as that"),
))]
#[get("/api/exports/{id}")]
async fn fetch_export(
    request: HttpRequest,
    mantyx: Data<Mantyx>,
    gate: Data<Gate>,
    path: Path<OperationPath>,
    Query(query): Query<FetchQuery>,
) -> Answer {
    let caller = gate.caller(&request, query.ticket.as_deref(), Scope::Admin).await?;
    let file = mantyx.export_file(path.id).await?;
    let part = Part::of(&request, file.view.bytes, None);
    if part.has_bytes() && request.extensions().get::<WasHead>().is_none() {
        mantyx.record_fetch(&caller.actor(), &file.view).await?;
    }
    let failed = |error| Error::io(format!("read `{}`", file.path.display()), error);
    let archive = tokio::fs::File::open(&file.path).await.map_err(failed)?;
    let name = download(&file.view.file_name);
    Ok(part.answer(archive, "application/gzip", Some(name)).await.map_err(failed)?)
}

/// Remove an export before its time
#[utoipa::path(tag = "System", params(OperationPath), responses((status = 204, description = "It is gone")))]
#[delete("/api/exports/{id}")]
async fn remove_export(Admin(caller): Admin, mantyx: Data<Mantyx>, path: Path<OperationPath>) -> Answer {
    mantyx.remove_export(&caller.actor(), path.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// An archive.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is read field by field")]
struct ImportForm {
    /// What `GET /api/exports/{id}` has answered.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Import all of another Mantyx
///
/// Only an empty Mantyx takes one in: no apps, nothing in the trash, no secrets. The archive may be as large as the disk
/// has room for it and for what is in it. Tokens, the password, the settings and the record of events stay as they are.
/// Environments are built anew: an app whose environment cannot be built is `failed`, with the reason, and the others run.
/// Nothing else is changed meanwhile; a failure before the end of the step `place` leaves nothing behind.
#[utoipa::path(
    tag = "System",
    params(WaitQuery),
    request_body(content = ImportForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "Done, when waited for", body = OperationView),
        (status = 202, description = "Begun", body = OperationView),
    )
)]
#[post("/api/imports")]
async fn import_mantyx(
    Admin(caller): Admin,
    mantyx: Data<Mantyx>,
    Query(query): Query<WaitQuery>,
    Archive(archive): Archive,
) -> Answer {
    let operation = mantyx.import(&caller.actor(), &archive).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}

/// An archive that was received: it lies on the disk until this is dropped, or taken in.
struct Archive(TempPath);

impl FromRequest for Archive {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    /// Nothing of it is read before this is awaited, which is after the caller was looked at.
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let mantyx = Data::<Mantyx>::from_request(request, payload);
        let (announced, form) = (announced_length(request), Multipart::from_request(request, payload));
        async move {
            let (mantyx, form) = (mantyx.await?, form.await?);
            let archive = Self::read(&mantyx, announced, form).await;
            archive.map_err(|error| ApiError::from(error).into())
        }
        .boxed_local()
    }
}

impl Archive {
    async fn read(mantyx: &Mantyx, announced: Option<u64>, mut form: Multipart) -> Result<Self> {
        let (folder, room) = mantyx.prepare_import().await?;
        if announced.is_some_and(|length| length > room.saturating_add(OVERHEAD)) {
            return Err(no_room(room));
        }
        let mut file = None;
        while let Some(field) = form.next().await {
            let mut field = field.map_err(broken)?;
            let name = field.name().unwrap_or_default().to_owned();
            if name != FILE || file.is_some() {
                return Err(Error::field(name, "There is one field, `file`, and it is there once"));
            }
            let received = receive(&folder, &mut field, room, broken).await;
            file = Some(received.map_err(|error| match error.code() {
                Code::UploadTooLarge => no_room(room),
                _ => error,
            })?);
        }
        file.map(Self).ok_or_else(|| Error::field(FILE, "There is no file in the form"))
    }
}

fn no_room(room: u64) -> Error {
    Error::new(
        Code::DiskFull,
        format!("The disk of the root has room for {room} bytes, and the archive has more"),
    )
    .hint("Free some space: what is in the archive needs room as well")
}
