//! `/api/schedules`: when scheduled apps run.

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, delete, get, patch, post};
use mantyx_api_types::{NewSchedule, Page, SchedulePatch, SchedulePreview, ScheduleView};
use mantyx_core::{AppName, Result, ScheduleSpec};
use mantyx_operations::Mantyx;
use serde::Deserialize;
use tokio::sync::Mutex;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Operator, Reader};
use crate::inputs::{Body, SchedulePath};
use crate::paging::{PageQuery, page};
use crate::problem::Answer;
use crate::query::Query;
use crate::revision::{IfMatch, digest, tagged};

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(list_schedules)
        .service(create_schedule)
        .service(preview_schedule)
        .service(read_schedule)
        .service(patch_schedule)
        .service(delete_schedule);
}

/// Changes of schedules come one after the other, so that none lies between what `If-Match` finds and the change.
#[derive(Default)]
pub(crate) struct Turn(Mutex<()>);

/// Which schedules a list is about, and which part of it.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct SchedulesQuery {
    /// Only those of this app.
    app: Option<AppName>,
    /// At most this many, 1 to 500; 500 when not given.
    limit: Option<u32>,
    /// Where the page before this one ended.
    cursor: Option<String>,
}

/// The tag of what a person says about a schedule; when it is due next says only the clock.
fn tag_of(schedule: &ScheduleView) -> Result<String> {
    digest(&(schedule.id, &schedule.name, schedule.enabled, &schedule.spec))
}

/// List schedules
#[utoipa::path(tag = "Schedules", params(SchedulesQuery), responses(
    (status = 200, description = "Schedules, by app and name", body = Page<ScheduleView>)
))]
#[get("/api/schedules")]
async fn list_schedules(
    _: Reader,
    mantyx: Data<Mantyx>,
    Query(query): Query<SchedulesQuery>,
) -> Answer<Json<Page<ScheduleView>>> {
    let SchedulesQuery { app, limit, cursor } = query;
    let schedules = mantyx.schedules(app.as_ref()).await?;
    let key = |schedule: &ScheduleView| (schedule.app.clone(), schedule.name.clone(), schedule.id);
    Ok(Json(page(schedules, &PageQuery { limit, cursor }, key)?))
}

/// Make a schedule
#[utoipa::path(
    request_body = NewSchedule,tag = "Schedules", responses((
    status = 201, description = "The schedule", body = ScheduleView,
    headers(("Location" = String, description = "Its address"))
)))]
#[post("/api/schedules")]
async fn create_schedule(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    Body(new): Body<NewSchedule>,
) -> Answer {
    let schedule = mantyx.create_schedule(&caller.actor(), new).await?;
    let location = format!("/api/schedules/{}", schedule.id);
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(schedule))
}

/// Show what a schedule would do, without making it
#[utoipa::path(
    request_body = ScheduleSpec,tag = "Schedules", responses(
    (status = 200, description = "It in words, and its next ten instants", body = SchedulePreview)
))]
#[post("/api/schedules/preview")]
async fn preview_schedule(
    _: Reader,
    mantyx: Data<Mantyx>,
    Body(spec): Body<ScheduleSpec>,
) -> Answer<Json<SchedulePreview>> {
    Ok(Json(mantyx.preview_schedule(spec)?))
}

/// Read a schedule
///
/// The `ETag` changes with its name, its switch and what it says, to be sent back as `If-Match`.
#[utoipa::path(tag = "Schedules", params(SchedulePath), responses((
    status = 200, description = "The schedule", body = ScheduleView,
    headers(("ETag" = String, description = "A digest of its content, in quotes"))
)))]
#[get("/api/schedules/{id}")]
async fn read_schedule(_: Reader, mantyx: Data<Mantyx>, path: Path<SchedulePath>) -> Answer {
    let schedule = mantyx.schedule(path.id).await?;
    Ok(tagged(&tag_of(&schedule)?, &schedule))
}

/// Change a schedule
///
/// Absent fields stay as they are. With `If-Match` it is changed only if it is as it was read.
#[utoipa::path(
    request_body = SchedulePatch,
    tag = "Schedules",
    params(
        SchedulePath,
        ("If-Match" = Option<String>, Header, description = "The `ETag` of what the change is for, in quotes")
    ),
    responses((
        status = 200, description = "The schedule after the change", body = ScheduleView,
        headers(("ETag" = String, description = "A digest of its content, in quotes"))
    ))
)]
#[patch("/api/schedules/{id}")]
async fn patch_schedule(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<SchedulePath>,
    expected: IfMatch,
    turn: Data<Turn>,
    Body(change): Body<SchedulePatch>,
) -> Answer {
    let _turn = turn.0.lock().await;
    expected.refuse_other(&tag_of(&mantyx.schedule(path.id).await?)?)?;
    let schedule = mantyx.patch_schedule(&caller.actor(), path.id, change).await?;
    Ok(tagged(&tag_of(&schedule)?, &schedule))
}

/// Remove a schedule
#[utoipa::path(tag = "Schedules", params(SchedulePath), responses(
    (status = 204, description = "It is gone")
))]
#[delete("/api/schedules/{id}")]
async fn delete_schedule(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<SchedulePath>,
) -> Answer {
    mantyx.delete_schedule(&caller.actor(), path.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
