//! `/api/operations`: long work, watched and called off.

use actix_web::web::{Data, Json, Path};
use actix_web::{get, post};
use mantyx_api_types::{OperationView, Page};
use mantyx_operations::Mantyx;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Operator, Reader};
use crate::inputs::{HistoryQuery, OperationPath};
use crate::problem::Answer;
use crate::query::Query;
use crate::waiting::{WaitQuery, at_most};

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_operations).service(read_operation).service(cancel_operation);
}

/// List operations
#[utoipa::path(tag = "Operations", params(HistoryQuery), responses(
    (status = 200, description = "Operations, the newest first", body = Page<OperationView>)
))]
#[get("/api/operations")]
async fn list_operations(
    _: Reader,
    mantyx: Data<Mantyx>,
    Query(query): Query<HistoryQuery>,
) -> Answer<Json<Page<OperationView>>> {
    let page = mantyx.operations(query.app.as_ref(), query.limit, query.cursor.as_deref()).await?;
    Ok(Json(page))
}

/// Read an operation
///
/// With `wait` the answer is held until it ends. However it ended, it is the answer: a failure is its `problem`.
#[utoipa::path(tag = "Operations", params(OperationPath, WaitQuery), responses(
    (status = 200, description = "The operation", body = OperationView)
))]
#[get("/api/operations/{id}")]
async fn read_operation(
    _: Reader,
    mantyx: Data<Mantyx>,
    path: Path<OperationPath>,
    Query(query): Query<WaitQuery>,
) -> Answer<Json<OperationView>> {
    let operation = match at_most(query.wait) {
        Some(at_most) => mantyx.wait_operation(path.id, at_most).await?,
        None => mantyx.operation(path.id).await?,
    };
    Ok(Json(operation))
}

/// Call an operation off
#[utoipa::path(tag = "Operations", params(OperationPath), responses(
    (status = 200, description = "The operation", body = OperationView)
))]
#[post("/api/operations/{id}/cancel")]
async fn cancel_operation(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<OperationPath>,
) -> Answer<Json<OperationView>> {
    Ok(Json(mantyx.cancel_operation(&caller.actor(), path.id).await?))
}
