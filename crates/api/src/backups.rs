//! `/api/apps/{app}/backups`: what was kept of an app, made, taken into use again, and removed.

use std::cmp::Reverse;

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, delete, get, post};
use mantyx_api_types::{BackupRequest, BackupRestoreRequest, BackupView, OperationView, Page};
use mantyx_operations::Mantyx;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Admin, Operator, Reader};
use crate::inputs::{AppPath, BackupPath, OptionalBody};
use crate::paging::{PageQuery, page};
use crate::problem::Answer;
use crate::query::Query;
use crate::waiting::{self, WaitQuery};

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_backups).service(back_up_app).service(restore_backup).service(remove_backup);
}

/// List the backups of an app
#[utoipa::path(tag = "Backups", params(AppPath, PageQuery), responses(
    (status = 200, description = "Backups, the newest first", body = Page<BackupView>)
))]
#[get("/api/apps/{app}/backups")]
async fn list_backups(
    _: Reader,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<BackupView>>> {
    let backups = mantyx.backups(&path.app).await?;
    Ok(Json(page(backups, &query, |backup| (Reverse(backup.made_at), backup.id))?))
}

/// Back an app up
///
/// Its source, lock, configuration and schedules, and its own files where that is asked for. The app goes on running.
#[utoipa::path(
    tag = "Backups",
    params(AppPath, WaitQuery),
    request_body(content = Option<BackupRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "Done, when waited for", body = OperationView),
        (status = 202, description = "Begun", body = OperationView),
    )
)]
#[post("/api/apps/{app}/backups")]
async fn back_up_app(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<WaitQuery>,
    OptionalBody(request): OptionalBody<BackupRequest>,
) -> Answer {
    let operation = mantyx.back_up(&caller.actor(), &path.app, request).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}

/// Take a backup into use again
///
/// As a new release, by the same steps as an update: what is there now is backed up before, and comes back when the app
/// does not become healthy. A backup that has a user or groups of its own, or a place before others, needs the scope
/// `admin`.
#[utoipa::path(
    tag = "Backups",
    params(BackupPath, WaitQuery),
    request_body(content = Option<BackupRestoreRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "Done, when waited for", body = OperationView),
        (status = 202, description = "Begun", body = OperationView),
    )
)]
#[post("/api/apps/{app}/backups/{id}/restore")]
async fn restore_backup(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<BackupPath>,
    Query(query): Query<WaitQuery>,
    OptionalBody(request): OptionalBody<BackupRestoreRequest>,
) -> Answer {
    let operation = mantyx.restore_backup(&caller, &path.app, path.id, request).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}

/// Remove a backup for good
#[utoipa::path(tag = "Backups", params(BackupPath), responses(
    (status = 204, description = "It is gone")
))]
#[delete("/api/apps/{app}/backups/{id}")]
async fn remove_backup(Admin(caller): Admin, mantyx: Data<Mantyx>, path: Path<BackupPath>) -> Answer {
    mantyx.remove_backup(&caller.actor(), &path.app, path.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
