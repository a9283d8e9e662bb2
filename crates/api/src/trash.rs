//! `/api/trash`: deleted apps, brought back or removed for good.

use std::cmp::Reverse;

use actix_web::web::{Data, Json, Path};
use actix_web::{delete, get, post};
use mantyx_api_types::{OperationView, Page, RestoreRequest, TrashedAppView};
use mantyx_operations::Mantyx;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Admin, Operator, Reader};
use crate::inputs::{OptionalBody, TrashPath};
use crate::paging::{PageQuery, page};
use crate::problem::Answer;
use crate::query::Query;
use crate::waiting::{self, WaitQuery};

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_trash).service(restore_app).service(purge_app);
}

/// List deleted apps
#[utoipa::path(tag = "Trash", params(PageQuery), responses(
    (status = 200, description = "Deleted apps, the newest first", body = Page<TrashedAppView>)
))]
#[get("/api/trash")]
async fn list_trash(
    _: Reader,
    mantyx: Data<Mantyx>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<TrashedAppView>>> {
    Ok(Json(page(mantyx.trash().await?, &query, |app| (Reverse(app.deleted_at), app.id))?))
}

/// Restore a deleted app
///
/// One that has a user or groups of its own, or a place before others, needs the scope `admin`.
#[utoipa::path(
    tag = "Trash",
    params(TrashPath, WaitQuery),
    request_body(content = Option<RestoreRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "Done, when waited for", body = OperationView),
        (status = 202, description = "Begun", body = OperationView),
    )
)]
#[post("/api/trash/{id}/restore")]
async fn restore_app(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<TrashPath>,
    Query(query): Query<WaitQuery>,
    OptionalBody(request): OptionalBody<RestoreRequest>,
) -> Answer {
    let operation = mantyx.restore(&caller, path.id, request).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}

/// What a purge is told.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct PurgeQuery {
    /// The app's name once more.
    #[serde(default)]
    confirm: String,
    /// Hold the answer for this many seconds, or until the operation ends.
    wait: Option<u32>,
}

/// Remove a deleted app for good
#[utoipa::path(tag = "Trash", params(TrashPath, PurgeQuery), responses(
    (status = 200, description = "Done, when waited for", body = OperationView),
    (status = 202, description = "Begun", body = OperationView),
))]
#[delete("/api/trash/{id}")]
async fn purge_app(
    Admin(caller): Admin,
    mantyx: Data<Mantyx>,
    path: Path<TrashPath>,
    Query(query): Query<PurgeQuery>,
) -> Answer {
    let operation = mantyx.purge(&caller.actor(), path.id, &query.confirm).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}
