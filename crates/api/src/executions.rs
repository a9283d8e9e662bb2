//! `/api/executions`: every process that ran, the newest first.

use actix_web::get;
use actix_web::web::{Data, Json, Path};
use mantyx_api_types::{ExecutionView, Page};
use mantyx_operations::Mantyx;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::Reader;
use crate::inputs::{ExecutionPath, HistoryQuery};
use crate::problem::Answer;
use crate::query::Query;

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_executions).service(read_execution);
}

/// List executions
#[utoipa::path(tag = "Executions", params(HistoryQuery), responses(
    (status = 200, description = "Executions, the newest first", body = Page<ExecutionView>)
))]
#[get("/api/executions")]
async fn list_executions(
    _: Reader,
    mantyx: Data<Mantyx>,
    Query(query): Query<HistoryQuery>,
) -> Answer<Json<Page<ExecutionView>>> {
    let page = mantyx.executions(query.app.as_ref(), query.limit, query.cursor.as_deref()).await?;
    Ok(Json(page))
}

/// Read an execution
#[utoipa::path(tag = "Executions", params(ExecutionPath), responses(
    (status = 200, description = "The execution", body = ExecutionView)
))]
#[get("/api/executions/{id}")]
async fn read_execution(
    _: Reader,
    mantyx: Data<Mantyx>,
    path: Path<ExecutionPath>,
) -> Answer<Json<ExecutionView>> {
    Ok(Json(mantyx.execution(path.id).await?))
}
