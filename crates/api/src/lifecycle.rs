//! `/api/apps/{app}/…`: one address for each event of the lifecycle that a person can cause.

use actix_web::post;
use actix_web::web::{Data, Json, Path};
use mantyx_api_types::{AppView, ExecutionView, OperationView};
use mantyx_operations::Mantyx;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Operator, Place};
use crate::inputs::AppPath;
use crate::problem::Answer;
use crate::query::Query;
use crate::waiting::{self, WaitQuery};

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(install_app)
        .service(enable_app)
        .service(disable_app)
        .service(start_app)
        .service(stop_app)
        .service(restart_app)
        .service(run_app);
}

/// Install an app
///
/// Builds the environment of its newest release. Nothing runs before it is enabled.
#[utoipa::path(tag = "Lifecycle", params(AppPath, WaitQuery), responses(
    (status = 200, description = "Done, when waited for", body = OperationView),
    (status = 202, description = "Begun", body = OperationView),
))]
#[post("/api/apps/{app}/install")]
async fn install_app(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<WaitQuery>,
) -> Answer {
    let operation = mantyx.install(&caller.actor(), &path.app).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}

/// Enable an app
///
/// Arms its schedules; a perpetual app starts at once.
#[utoipa::path(tag = "Lifecycle", params(AppPath), responses(
    (status = 200, description = "The app after it", body = AppView)
))]
#[post("/api/apps/{app}/enable")]
async fn enable_app(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    place: Place,
    path: Path<AppPath>,
) -> Answer<Json<AppView>> {
    let app = mantyx.enable(&caller.actor(), &path.app).await?;
    Ok(Json(place.linked(app)))
}

/// Disable an app
///
/// Stops it and disarms its schedules. Nothing of it runs until it is enabled again.
#[utoipa::path(tag = "Lifecycle", params(AppPath), responses(
    (status = 200, description = "The app after it", body = AppView)
))]
#[post("/api/apps/{app}/disable")]
async fn disable_app(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    place: Place,
    path: Path<AppPath>,
) -> Answer<Json<AppView>> {
    let app = mantyx.disable(&caller.actor(), &path.app).await?;
    Ok(Json(place.linked(app)))
}

/// Start a perpetual app
#[utoipa::path(tag = "Lifecycle", params(AppPath), responses(
    (status = 200, description = "The app after it", body = AppView)
))]
#[post("/api/apps/{app}/start")]
async fn start_app(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    place: Place,
    path: Path<AppPath>,
) -> Answer<Json<AppView>> {
    let app = mantyx.start(&caller.actor(), &path.app).await?;
    Ok(Json(place.linked(app)))
}

/// Stop an app
///
/// A perpetual app stays stopped across reboots; the live runs of a scheduled app are cancelled.
#[utoipa::path(tag = "Lifecycle", params(AppPath), responses(
    (status = 200, description = "The app after it", body = AppView)
))]
#[post("/api/apps/{app}/stop")]
async fn stop_app(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    place: Place,
    path: Path<AppPath>,
) -> Answer<Json<AppView>> {
    let app = mantyx.stop(&caller.actor(), &path.app).await?;
    Ok(Json(place.linked(app)))
}

/// Restart a perpetual app
#[utoipa::path(tag = "Lifecycle", params(AppPath), responses(
    (status = 200, description = "The app after it", body = AppView)
))]
#[post("/api/apps/{app}/restart")]
async fn restart_app(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    place: Place,
    path: Path<AppPath>,
) -> Answer<Json<AppView>> {
    let app = mantyx.restart(&caller.actor(), &path.app).await?;
    Ok(Json(place.linked(app)))
}

/// Run a scheduled app once, now
#[utoipa::path(tag = "Lifecycle", params(AppPath), responses(
    (status = 200, description = "The execution that began", body = ExecutionView)
))]
#[post("/api/apps/{app}/run")]
async fn run_app(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
) -> Answer<Json<ExecutionView>> {
    Ok(Json(mantyx.run(&caller.actor(), &path.app).await?))
}
