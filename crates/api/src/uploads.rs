//! `/api/apps/upload/…`: a new app from an archive, a script or a git repository.

use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use mantyx_api_types::{AppCreated, GitSource, NewApp};
use mantyx_core::Result;
use mantyx_operations::Mantyx;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Operator, Place};
use crate::forms::{Told, Upload};
use crate::inputs::Body;
use crate::new_app;
use crate::problem::Answer;

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(upload_archive).service(upload_script).service(import_git);
}

/// A file with everything that a new app can be told. Any field of the configuration may stand beside these, as
/// plain text or as JSON.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is read field by field")]
struct UploadForm {
    /// The archive, or the script.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// Everything at once, instead of the fields below.
    app: Option<NewApp>,
    /// The name; made from the file when not given.
    name: Option<String>,
    /// A free text for people.
    display_name: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// Words to group by, with commas between them or as a JSON array.
    tags: Option<String>,
    /// `scheduled` or `perpetual`.
    r#type: Option<String>,
    /// A five-field cron line.
    schedule: Option<String>,
}

/// Make an app from an archive
///
/// A zip, a tar or a tar.gz. It is checked and unpacked; nothing of it runs.
#[utoipa::path(
    tag = "Apps",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((
        status = 201, description = "The app and what was found in it", body = AppCreated,
        headers(("Location" = String, description = "Its address"))
    ))
)]
#[post("/api/apps/upload/archive")]
async fn upload_archive(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    place: Place,
    Upload { path, file_name, told: app }: Upload<NewApp>,
) -> Answer {
    Ok(answer(&place, mantyx.create_from_archive(&caller, &path, &file_name, app).await?))
}

/// Make an app from a single Python file
///
/// Inline metadata (PEP 723) says what it depends on.
#[utoipa::path(
    tag = "Apps",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((
        status = 201, description = "The app and what was found in it", body = AppCreated,
        headers(("Location" = String, description = "Its address"))
    ))
)]
#[post("/api/apps/upload/script")]
async fn upload_script(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    place: Place,
    Upload { path, file_name, told: app }: Upload<NewApp>,
) -> Answer {
    Ok(answer(&place, mantyx.create_from_script(&caller, &path, &file_name, app).await?))
}

/// Make an app from a git repository
///
/// Any field of the configuration may stand beside the others.
#[utoipa::path(
    tag = "Apps",
    request_body = GitSource,
    responses((
        status = 201, description = "The app and what was found in it", body = AppCreated,
        headers(("Location" = String, description = "Its address"))
    ))
)]
#[post("/api/apps/upload/git")]
async fn import_git(
    Operator(caller): Operator,
    mantyx: Data<Mantyx>,
    place: Place,
    Body(fields): Body<Map<String, Value>>,
) -> Answer {
    let source = new_app::git_source(fields)?;
    let created = mantyx.create_from_git(&caller, source).await?;
    Ok(answer(&place, created))
}

fn answer(place: &Place, mut created: AppCreated) -> HttpResponse {
    place.link(&mut created.app);
    let location = format!("/api/apps/{}", created.app.name);
    HttpResponse::Created().insert_header((LOCATION, location)).json(created)
}

impl Told for NewApp {
    fn told(fields: Map<String, Value>) -> Result<Self> {
        new_app::from_fields(fields)
    }
}
