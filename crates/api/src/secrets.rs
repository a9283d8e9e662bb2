//! `/api/secrets`: what opens private repositories. What a secret holds is told in one direction only.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, delete, get, put};
use mantyx_api_types::{Page, SecretRequest, SecretView};
use mantyx_core::SecretName;
use mantyx_operations::Mantyx;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::Admin;
use crate::inputs::Body;
use crate::paging::{PageQuery, page};
use crate::problem::Answer;
use crate::query::Query;

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_secrets).service(set_secret).service(remove_secret);
}

/// The secret that a path names.
#[derive(Deserialize, IntoParams)]
struct SecretPath {
    /// The secret's name.
    name: SecretName,
}

/// List the secrets, without what they hold
#[utoipa::path(tag = "Secrets", params(PageQuery), responses(
    (status = 200, description = "Secrets, by name, each with the apps that use it", body = Page<SecretView>)
))]
#[get("/api/secrets")]
async fn list_secrets(
    _: Admin,
    mantyx: Data<Mantyx>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<SecretView>>> {
    Ok(Json(page(mantyx.secrets().await?, &query, |secret| secret.name.clone())?))
}

/// Set a secret
///
/// It is made, or all of it is replaced. It is kept sealed, and nothing ever answers what it holds. It is sent to its
/// `host` and to no other; a token has to name one.
#[utoipa::path(tag = "Secrets", params(SecretPath), request_body = SecretRequest, responses(
    (status = 200, description = "What is known of it", body = SecretView)
))]
#[put("/api/secrets/{name}")]
async fn set_secret(
    Admin(caller): Admin,
    mantyx: Data<Mantyx>,
    path: Path<SecretPath>,
    Body(request): Body<SecretRequest>,
) -> Answer<Json<SecretView>> {
    Ok(Json(mantyx.set_secret(&caller.actor(), &path.name, request).await?))
}

/// Remove a secret
///
/// It is refused while an app that is not in the trash comes with it.
#[utoipa::path(tag = "Secrets", params(SecretPath), responses(
    (status = 204, description = "It is gone")
))]
#[delete("/api/secrets/{name}")]
async fn remove_secret(Admin(caller): Admin, mantyx: Data<Mantyx>, path: Path<SecretPath>) -> Answer {
    mantyx.remove_secret(&caller.actor(), &path.name).await?;
    Ok(HttpResponse::NoContent().finish())
}
