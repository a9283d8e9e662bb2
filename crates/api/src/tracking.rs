//! `/api/apps/{app}/tracking`: how the git origin of an app is followed.

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, delete, get, post, put};
use mantyx_api_types::{HookCreated, TrackingOutcome, TrackingRequest, TrackingView};
use mantyx_operations::Mantyx;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Operator, Reader};
use crate::inputs::{AppPath, Body};
use crate::problem::Answer;

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(read_tracking)
        .service(set_tracking)
        .service(remove_tracking)
        .service(check_tracking)
        .service(make_hook)
        .service(remove_hook);
}

/// Read how an app is followed
///
/// With what the last look found. An app that does not come from git has nothing to follow: a 409.
#[utoipa::path(tag = "Tracking", params(AppPath), responses(
    (status = 200, description = "How it is followed; `off` where nobody ever said", body = TrackingView)
))]
#[get("/api/apps/{app}/tracking")]
async fn read_tracking(_: Reader, mantyx: Data<Mantyx>, path: Path<AppPath>) -> Answer<Json<TrackingView>> {
    Ok(Json(mantyx.tracking(&path.app).await?))
}

/// Follow the git origin of an app
///
/// Looked at by `schedule`, when its webhook says so, and on demand. `notify` says when there is a newer commit, once for
/// each; `apply` takes it into use as an update does, and leaves one alone that failed or that somebody went back from.
/// What is done on this account may do what the token may that sets it. The webhook stays as it is.
#[utoipa::path(tag = "Tracking", params(AppPath), request_body = TrackingRequest, responses(
    (status = 200, description = "How it is followed", body = TrackingView)
))]
#[put("/api/apps/{app}/tracking")]
async fn set_tracking(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Body(request): Body<TrackingRequest>,
) -> Answer<Json<TrackingView>> {
    Ok(Json(mantyx.set_tracking(&caller, &path.app, request).await?))
}

/// Follow the git origin of an app no more
///
/// Its webhook goes too.
#[utoipa::path(tag = "Tracking", params(AppPath), responses(
    (status = 204, description = "Nobody looks any more")
))]
#[delete("/api/apps/{app}/tracking")]
async fn remove_tracking(Operator(caller): Operator, mantyx: Data<Mantyx>, path: Path<AppPath>) -> Answer {
    mantyx.remove_tracking(&caller.actor(), &path.app).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Look now
///
/// And do what the mode says.
#[utoipa::path(tag = "Tracking", params(AppPath), responses(
    (status = 200, description = "What came of it", body = TrackingOutcome),
    (
        status = 202, description = "An update has begun", body = TrackingOutcome,
        headers(("Location" = String, description = "The address of its operation"))
    ),
))]
#[post("/api/apps/{app}/tracking/check")]
async fn check_tracking(Operator(caller): Operator, mantyx: Data<Mantyx>, path: Path<AppPath>) -> Answer {
    let outcome = mantyx.check_tracking(&caller.actor(), &path.app).await?;
    let mut response = match outcome.operation {
        Some(_) => HttpResponse::Accepted(),
        None => HttpResponse::Ok(),
    };
    if let Some(operation) = outcome.operation {
        response.insert_header((LOCATION, format!("/api/operations/{operation}")));
    }
    Ok(response.json(outcome))
}

/// Make the webhook of an app
///
/// Or give the one that is there another secret. The answer is the only one that shows it. GitHub, Gitea, Forgejo and
/// GitLab are given the address, and the secret to sign with.
#[utoipa::path(tag = "Tracking", params(AppPath), responses(
    (status = 201, description = "Its path and its secret", body = HookCreated)
))]
#[post("/api/apps/{app}/tracking/hook")]
async fn make_hook(Operator(caller): Operator, mantyx: Data<Mantyx>, path: Path<AppPath>) -> Answer {
    Ok(HttpResponse::Created().json(mantyx.make_hook(&caller.actor(), &path.app).await?))
}

/// Remove the webhook of an app
#[utoipa::path(tag = "Tracking", params(AppPath), responses(
    (status = 204, description = "Its address is nobody's any more")
))]
#[delete("/api/apps/{app}/tracking/hook")]
async fn remove_hook(Operator(caller): Operator, mantyx: Data<Mantyx>, path: Path<AppPath>) -> Answer {
    mantyx.remove_hook(&caller.actor(), &path.app).await?;
    Ok(HttpResponse::NoContent().finish())
}
