//! `/api/apps`: list, read, configure, rename, delete.

use std::cmp::Reverse;

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, delete, get, patch, post};
use mantyx_api_types::{
    AppFilter, AppPatch, AppView, ConfigurationView, DependenciesView, OperationView, Page, ReleaseView,
    RenameRequest,
};
use mantyx_core::Scope;
use mantyx_operations::Mantyx;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Operator, Place, Reader, require};
use crate::inputs::{AppPath, Body};
use crate::lists::Lists;
use crate::paging::{PageQuery, page};
use crate::problem::Answer;
use crate::query::Query;
use crate::revision::{IfMatch, revised, tagged, tagged_unless_had};
use crate::waiting;

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config
        // Each worker has its own, so that none waits for another.
        .app_data(Data::new(Lists::default()))
        .service(list_apps)
        .service(read_app)
        .service(patch_app)
        .service(delete_app)
        .service(read_configuration)
        .service(rename_app)
        .service(list_releases)
        .service(read_dependencies);
}

/// List the apps
///
/// Whoever asks again sends the `ETag` back as `If-None-Match`, and is told in a few bytes when nothing has changed.
#[utoipa::path(
    tag = "Apps",
    params(AppFilter, ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what one has")),
    responses(
        (status = 200, description = "Apps, by name", body = Page<AppView>,
         headers(("ETag" = String, description = "The same for the same content, in quotes"))),
        (status = 304, description = "It is what one has")
    )
)]
#[get("/api/apps")]
async fn list_apps(
    _: Reader,
    mantyx: Data<Mantyx>,
    lists: Data<Lists>,
    place: Place,
    request: HttpRequest,
) -> Answer {
    Ok(lists.apps(&mantyx, &place, &request).await?)
}

/// Read an app
///
/// Its `ETag` begins with the revision of the configuration. As `If-Match` of a change it asks for that revision; as
/// `If-None-Match` it stands for everything that is answered.
#[utoipa::path(
    tag = "Apps",
    params(AppPath, ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what one has")),
    responses(
        (status = 200, description = "The app", body = AppView,
         headers(("ETag" = String, description = "The revision and a digest of the rest, in quotes"))),
        (status = 304, description = "It is what one has")
    )
)]
#[get("/api/apps/{app}")]
async fn read_app(
    _: Reader,
    mantyx: Data<Mantyx>,
    place: Place,
    path: Path<AppPath>,
    request: HttpRequest,
) -> Answer {
    let (app, revision) = mantyx.app_at_revision(&path.app).await?;
    let app = place.linked(app);
    tagged_unless_had(request.headers(), &revised(revision, &app)?, &app).map_err(Into::into)
}

/// Read the active configuration
///
/// The `ETag` is its revision, to be sent back as `If-Match`.
#[utoipa::path(tag = "Apps", params(AppPath), responses((
    status = 200, description = "The configuration", body = ConfigurationView,
    headers(("ETag" = String, description = "The revision, in quotes"))
)))]
#[get("/api/apps/{app}/configuration")]
async fn read_configuration(_: Reader, mantyx: Data<Mantyx>, path: Path<AppPath>) -> Answer {
    let view = mantyx.configuration(&path.app).await?;
    Ok(tagged(&view.revision.to_string(), &view))
}

/// Change an app
///
/// A merge patch (RFC 7396). With `If-Match` it is applied only to that revision of the configuration.
/// `user`, `groups`, and `limits.nice` or `limits.oom_score` below 0 need the scope `admin`; so they do where an app is
/// made or restored.
#[utoipa::path(
    request_body = AppPatch,
    tag = "Apps",
    params(
        AppPath,
        ("If-Match" = Option<String>, Header, description = "The revision that the patch is for, in quotes")
    ),
    responses((
        status = 200, description = "The configuration after the change", body = ConfigurationView,
        headers(("ETag" = String, description = "The revision, in quotes"))
    ))
)]
#[patch("/api/apps/{app}")]
async fn patch_app(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    expected: IfMatch,
    Body(change): Body<AppPatch>,
) -> Answer {
    let view = mantyx.patch_app(&caller, &path.app, expected.revision()?, change).await?;
    Ok(tagged(&view.revision.to_string(), &view))
}

/// Where a deleted app goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DeleteMode {
    /// To the trash, from where it can be restored.
    #[default]
    Trash,
    /// Nowhere: its files are gone. Needs the scope `admin`.
    Permanent,
}

/// What a deletion is told.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct DeleteQuery {
    /// The app's name once more.
    #[serde(default)]
    confirm: String,
    /// Where it goes; to the trash when not given.
    #[serde(default)]
    #[param(inline)]
    mode: DeleteMode,
    /// Hold the answer for this many seconds, or until the operation ends.
    wait: Option<u32>,
}

/// Delete an app
///
/// To the trash, or for good with `mode=permanent`. Both need the name once more as `confirm`.
#[utoipa::path(tag = "Apps", params(AppPath, DeleteQuery), responses(
    (status = 200, description = "Done, when waited for", body = OperationView),
    (status = 202, description = "Begun", body = OperationView),
))]
#[delete("/api/apps/{app}")]
async fn delete_app(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<DeleteQuery>,
) -> Answer {
    let operation = match query.mode {
        DeleteMode::Trash => mantyx.delete(&caller.actor(), &path.app, &query.confirm).await?,
        DeleteMode::Permanent => {
            let caller = require(caller, Scope::Admin)?;
            mantyx.delete_for_good(&caller.actor(), &path.app, &query.confirm).await?
        }
    };
    waiting::answer(&mantyx, operation, query.wait).await
}

/// Rename an app that was not installed yet
#[utoipa::path(
    request_body = RenameRequest,tag = "Apps", params(AppPath), responses(
    (status = 200, description = "The app under its new name", body = AppView)
))]
#[post("/api/apps/{app}/rename")]
async fn rename_app(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    place: Place,
    path: Path<AppPath>,
    Body(request): Body<RenameRequest>,
) -> Answer<Json<AppView>> {
    let app = mantyx.rename(&caller.actor(), &path.app, &request.name).await?;
    Ok(Json(place.linked(app)))
}

/// List the releases of an app
#[utoipa::path(tag = "Apps", params(AppPath, PageQuery), responses(
    (status = 200, description = "Releases, the newest first", body = Page<ReleaseView>)
))]
#[get("/api/apps/{app}/releases")]
async fn list_releases(
    _: Reader,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<ReleaseView>>> {
    let releases = mantyx.releases(&path.app).await?;
    Ok(Json(page(releases, &query, |release| Reverse(release.number))?))
}

/// Read what an app depends on, as declared and as installed
#[utoipa::path(tag = "Apps", params(AppPath), responses(
    (status = 200, description = "The dependencies of the active release", body = DependenciesView)
))]
#[get("/api/apps/{app}/dependencies")]
async fn read_dependencies(
    _: Reader,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
) -> Answer<Json<DependenciesView>> {
    Ok(Json(mantyx.dependencies(&path.app).await?))
}
