//! `/api/apps/{app}/update/…` and `…/rollback`: another release is taken into use.
//!
//! Each begins the same kind of operation: everything slow happens beside what runs, and what fails is undone.

use actix_web::web::{Data, Json, Path};
use actix_web::{get, post};
use mantyx_api_types::{GitUpdate, OperationView, RollbackRequest, UpdateCheck};
use mantyx_core::{Error, FieldError, Result};
use mantyx_operations::Mantyx;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Operator, Reader};
use crate::forms::{Told, Upload};
use crate::inputs::{AppPath, OptionalBody};
use crate::problem::Answer;
use crate::query::Query;
use crate::waiting::{self, WaitQuery};

/// The field of a form that changes the configuration.
const CONFIGURATION: &str = "configuration";

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(update_from_archive)
        .service(update_from_script)
        .service(update_from_git)
        .service(update_dependencies)
        .service(check_update)
        .service(roll_back);
}

/// A file with what changes beside it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is read field by field")]
struct UpdateForm {
    /// The archive, or the script.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// A merge patch on the configuration as JSON, taken into use with the release.
    #[schema(value_type = Option<String>)]
    configuration: Option<String>,
}

/// A merge patch on the configuration.
struct Configured(Map<String, Value>);

impl Told for Configured {
    fn told(mut fields: Map<String, Value>) -> Result<Self> {
        let patch = fields.remove(CONFIGURATION);
        let unknown = |(field, _)| FieldError { field, detail: "There is no such field".into() };
        let unknown: Vec<FieldError> = fields.into_iter().map(unknown).collect();
        if !unknown.is_empty() {
            return Err(Error::fields(unknown).hint("A new release takes `file` and `configuration`"));
        }
        match patch {
            None => Ok(Self(Map::new())),
            Some(Value::Object(patch)) => Ok(Self(patch)),
            Some(_) => Err(Error::field(CONFIGURATION, "It is not a JSON object")),
        }
    }
}

/// Update an app from an archive
///
/// A zip, a tar or a tar.gz becomes a new release. It is checked and its environment built while the old release runs;
/// the app is down only for its own stop and start. When it does not become healthy, the old release runs again and the
/// operation says why.
#[utoipa::path(
    tag = "Releases",
    params(AppPath, WaitQuery),
    request_body(content = UpdateForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "Done, when waited for", body = OperationView),
        (status = 202, description = "Begun", body = OperationView),
    )
)]
#[post("/api/apps/{app}/update/archive")]
async fn update_from_archive(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<WaitQuery>,
    upload: Upload<Configured>,
) -> Answer {
    let Upload { path: file, file_name, told: Configured(wanted) } = upload;
    let operation = mantyx.update_from_archive(&caller, &path.app, &file, &file_name, wanted).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}

/// Update an app from a single Python file
///
/// As from an archive.
#[utoipa::path(
    tag = "Releases",
    params(AppPath, WaitQuery),
    request_body(content = UpdateForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "Done, when waited for", body = OperationView),
        (status = 202, description = "Begun", body = OperationView),
    )
)]
#[post("/api/apps/{app}/update/script")]
async fn update_from_script(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<WaitQuery>,
    upload: Upload<Configured>,
) -> Answer {
    let Upload { path: file, file_name, told: Configured(wanted) } = upload;
    let operation = mantyx.update_from_script(&caller, &path.app, &file, &file_name, wanted).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}

/// Update an app from git
///
/// What is not said is as it was for the active release: without a body, the newest commit of what it follows. It is
/// fetched as the first step of the operation.
#[utoipa::path(
    tag = "Releases",
    params(AppPath, WaitQuery),
    request_body(content = Option<GitUpdate>, content_type = "application/json"),
    responses(
        (status = 200, description = "Done, when waited for", body = OperationView),
        (status = 202, description = "Begun", body = OperationView),
    )
)]
#[post("/api/apps/{app}/update/git")]
async fn update_from_git(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<WaitQuery>,
    OptionalBody(update): OptionalBody<GitUpdate>,
) -> Answer {
    let operation = mantyx.update_from_git(&caller, &path.app, update).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}

/// Update the packages of an app
///
/// A new release of the same code, with the packages that the index has today.
#[utoipa::path(tag = "Releases", params(AppPath, WaitQuery), responses(
    (status = 200, description = "Done, when waited for", body = OperationView),
    (status = 202, description = "Begun", body = OperationView),
))]
#[post("/api/apps/{app}/update/dependencies")]
async fn update_dependencies(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<WaitQuery>,
) -> Answer {
    let operation = mantyx.update_dependencies(&caller, &path.app).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}

/// Look whether the repository of an app is ahead of it
///
/// The remote is asked each time, which may take seconds. An app that does not come from git has nothing to ask.
#[utoipa::path(tag = "Releases", params(AppPath), responses(
    (status = 200, description = "The commits that the active release has not", body = UpdateCheck)
))]
#[get("/api/apps/{app}/update/check")]
async fn check_update(
    Reader(caller): Reader,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
) -> Answer<Json<UpdateCheck>> {
    Ok(Json(mantyx.check_update(&caller, &path.app).await?))
}

/// Take an earlier release into use again
///
/// Any release that is kept, with the configuration as it is; without a body, the newest before the active one. Nothing
/// is fetched while its environment is there.
#[utoipa::path(
    tag = "Releases",
    params(AppPath, WaitQuery),
    request_body(content = Option<RollbackRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "Done, when waited for", body = OperationView),
        (status = 202, description = "Begun", body = OperationView),
    )
)]
#[post("/api/apps/{app}/rollback")]
async fn roll_back(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<WaitQuery>,
    OptionalBody(request): OptionalBody<RollbackRequest>,
) -> Answer {
    let operation = mantyx.rollback(&caller, &path.app, request).await?;
    waiting::answer(&mantyx, operation, query.wait).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(fields: &Value) -> Result<Map<String, Value>> {
        Configured::told(fields.as_object().unwrap().clone()).map(|Configured(patch)| patch)
    }

    #[test]
    fn a_form_changes_the_configuration_and_nothing_else() {
        assert!(told(&json!({})).unwrap().is_empty());
        assert_eq!(told(&json!({"configuration": {"a": 1}})).unwrap()["a"], 1);
        for (fields, wrong) in [
            (json!({"configuration": "{"}), "configuration"),
            (json!({"configuration": null}), "configuration"),
            (json!({"restart_limit": 3}), "restart_limit"),
        ] {
            assert_eq!(told(&fields).unwrap_err().field_errors()[0].field, wrong);
        }
    }
}
