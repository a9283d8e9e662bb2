//! What apps use over time: one app at length, and the last minutes of all of them.

use actix_web::get;
use actix_web::web::{Data, Json, Path};
use mantyx_api_types::{AppMetrics, Sparkline, UsageSpan};
use mantyx_operations::Mantyx;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::Reader;
use crate::inputs::AppPath;
use crate::problem::Answer;
use crate::query::Query;

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(read_app_metrics).service(list_sparklines);
}

/// Which time is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct MetricsQuery {
    /// The last hour when not given.
    #[serde(default)]
    span: UsageSpan,
}

/// Read what an app used over time, and how it fared
///
/// Everything that the app started counts, its children's children too. Memory is what is resident: pages that
/// processes share count for each of them.
#[utoipa::path(tag = "Apps", params(AppPath, MetricsQuery), responses(
    (status = 200, description = "The oldest first; the newest 500 lives at most", body = AppMetrics)
))]
#[get("/api/apps/{app}/metrics")]
async fn read_app_metrics(
    _: Reader,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<MetricsQuery>,
) -> Answer<Json<AppMetrics>> {
    Ok(Json(mantyx.app_metrics(&path.app, query.span).await?))
}

/// Read the last ten minutes of every app that was alive in them
///
/// At most sixty points each, so that a dashboard asks once; `/api/live` tells what follows.
#[utoipa::path(tag = "Apps", responses(
    (status = 200, description = "By the names of the apps", body = Vec<Sparkline>)
))]
#[get("/api/sparklines")]
async fn list_sparklines(_: Reader, mantyx: Data<Mantyx>) -> Answer<Json<Vec<Sparkline>>> {
    Ok(Json(mantyx.sparklines().await?))
}
