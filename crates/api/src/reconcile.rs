//! `/api/reconcile`: what is, held against what should be.

use actix_web::web::{Data, Json};
use actix_web::{get, post};
use mantyx_api_types::ReconcileView;
use mantyx_operations::Mantyx;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Operator, Reader};
use crate::problem::Answer;

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(read_findings).service(look_now);
}

/// Read what the last look found
///
/// It is looked every few minutes, and after a start: environments, processes, links and folders against the database.
/// What is missing is made again; what nobody knows is told, and never deleted. Empty before the first look has ended.
#[utoipa::path(tag = "System", responses(
    (status = 200, description = "What was found, if it was looked by now", body = Option<ReconcileView>)
))]
#[get("/api/reconcile")]
async fn read_findings(_: Reader, mantyx: Data<Mantyx>) -> Json<Option<ReconcileView>> {
    Json(mantyx.reconciled())
}

/// Look now
#[utoipa::path(tag = "System", responses(
    (status = 200, description = "What was found", body = ReconcileView)
))]
#[post("/api/reconcile")]
async fn look_now(_: Operator, mantyx: Data<Mantyx>) -> Answer<Json<ReconcileView>> {
    Ok(Json(mantyx.reconcile().await?))
}
