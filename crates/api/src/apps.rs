//! `/api/apps`: list, read, configure, rename, delete.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, delete, get, patch, post};
use mantyx_api_types::{AppFilter, AppPatch, AppView, ConfigurationView, OperationView, Page, RenameRequest};
use mantyx_core::{Error, Result, Scope};
use mantyx_operations::Mantyx;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Operator, Place, Reader, require};
use crate::inputs::{AppPath, Body};
use crate::lists::Lists;
use crate::problem::Answer;
use crate::query::Query;
use crate::revision::{IfMatch, revised, tagged, tagged_unless_had};
use crate::waiting::{self, WaitQuery};

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config
        // Each worker has its own, so that none waits for another.
        .app_data(Data::new(Lists::default()))
        .service(list_apps)
        .service(read_app)
        .service(patch_app)
        .service(delete_app)
        .service(read_configuration)
        .service(rename_app);
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

/// What a change is told.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct PatchQuery {
    /// Take the change into use at once, by an operation: it backs up, stops, starts and watches the app, and undoes
    /// the change of the configuration when the app does not become healthy.
    #[serde(default)]
    restart: bool,
    /// Hold the answer for this many seconds, or until the operation ends. Only with `restart`.
    wait: Option<u32>,
}

impl PatchQuery {
    /// What says nothing is most likely a mistake.
    fn check(&self) -> Result<()> {
        if self.wait.is_some() && !self.restart {
            return Err(Error::field("wait", "Without `restart=true` there is nothing to wait for"));
        }
        Ok(())
    }
}

/// What a change is answered with.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes an answer that is one or the other")]
enum Patched {
    /// The configuration after the change.
    Configuration(Box<ConfigurationView>),
    /// With `restart`: the operation that takes it into use.
    Operation(Box<OperationView>),
}

/// Change an app
///
/// A merge patch (RFC 7396). With `If-Match` it is applied only to that revision of the configuration.
/// `user`, `groups`, and `limits.nice` or `limits.oom_score` below 0 need the scope `admin`; so they do where an app is
/// made or restored. A live process keeps what it was started with, and `restart_needed` says so; with `restart` an
/// operation takes the change into use.
#[utoipa::path(
    request_body = AppPatch,
    tag = "Apps",
    params(
        AppPath,
        PatchQuery,
        ("If-Match" = Option<String>, Header, description = "The revision that the patch is for, in quotes")
    ),
    responses(
        (status = 200, description = "The configuration after the change; with `restart`, the operation when waited for",
         body = inline(Patched), headers(("ETag" = String, description = "The revision, in quotes"))),
        (status = 202, description = "Begun, with `restart`", body = OperationView),
    )
)]
#[patch("/api/apps/{app}")]
async fn patch_app(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<PatchQuery>,
    expected: IfMatch,
    Body(change): Body<AppPatch>,
) -> Answer {
    query.check()?;
    let revision = expected.revision()?;
    if query.restart {
        let operation = mantyx.configure_and_restart(&caller, &path.app, revision, change).await?;
        return waiting::answer(&mantyx, operation, query.wait).await;
    }
    let view = mantyx.patch_app(&caller, &path.app, revision, change).await?;
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

/// Rename an app
///
/// Its folders move with it. An installed app is stopped for that moment, and its environment is built anew for the new
/// name before.
#[utoipa::path(
    request_body = RenameRequest, tag = "Apps", params(AppPath, WaitQuery), responses(
    (status = 200, description = "Done, when waited for", body = OperationView),
    (status = 202, description = "Begun", body = OperationView),
))]
#[post("/api/apps/{app}/rename")]
async fn rename_app(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<WaitQuery>,
    Body(request): Body<RenameRequest>,
) -> Answer {
    let operation = mantyx.rename(&caller.actor(), &path.app, &request.name).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}
