//! The daemon itself: its machine, its health, its figures, and the description of its interface.

use actix_web::http::header::ContentType;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, get};
use mantyx_api_types::{HealthView, SystemView};
use mantyx_operations::Mantyx;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::Reader;
use crate::problem::Answer;
use crate::server::Document;

/// The text format of Prometheus.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(read_system).service(read_health).service(read_metrics).service(read_document);
}

/// Read the daemon and its machine
#[utoipa::path(tag = "System", responses((status = 200, description = "As they are now", body = SystemView)))]
#[get("/api/system")]
async fn read_system(_: Reader, mantyx: Data<Mantyx>) -> Answer<Json<SystemView>> {
    Ok(Json(mantyx.system().await?))
}

/// Read whether the daemon is well
///
/// It answers 200 while it is alive; what is not well stands in `reasons`.
#[utoipa::path(tag = "System", security(()), responses(
    (status = 200, description = "Alive", body = HealthView)
))]
#[get("/health")]
async fn read_health(mantyx: Data<Mantyx>) -> Json<HealthView> {
    Json(mantyx.health().await)
}

/// Read the daemon's figures, for Prometheus
#[utoipa::path(tag = "System", responses(
    (status = 200, description = "Prometheus text format", body = String, content_type = "text/plain")
))]
#[get("/metrics")]
async fn read_metrics(_: Reader, mantyx: Data<Mantyx>) -> Answer {
    Ok(HttpResponse::Ok().content_type(PROMETHEUS).body(mantyx.metrics().await?))
}

/// Read this document
#[utoipa::path(tag = "System", responses(
    (status = 200, description = "OpenAPI 3.1", body = serde_json::Value)
))]
#[get("/api/openapi.json")]
async fn read_document(_: Reader, document: Data<Document>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(document.json.clone())
}
