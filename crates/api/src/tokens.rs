//! `/api/tokens` and `/api/password`: what lets people and programs in.

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, delete, get, post, put};
use mantyx_api_types::{NewPassword, NewToken, Page, TokenCreated, TokenView};
use mantyx_operations::Mantyx;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Admin, Reader};
use crate::inputs::{Body, TokenPath};
use crate::paging::{PageQuery, page};
use crate::problem::Answer;
use crate::query::Query;

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_tokens).service(create_token).service(revoke_token).service(set_password);
}

/// List the tokens, without their secrets
#[utoipa::path(tag = "Access", params(PageQuery), responses(
    (status = 200, description = "Tokens, the oldest first", body = Page<TokenView>)
))]
#[get("/api/tokens")]
async fn list_tokens(
    _: Reader,
    mantyx: Data<Mantyx>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<TokenView>>> {
    Ok(Json(page(mantyx.tokens().await?, &query, |token| token.id)?))
}

/// Make a token
///
/// The answer is the only one that shows its secret.
#[utoipa::path(
    request_body = NewToken,tag = "Access", responses((
    status = 201, description = "The token and its secret", body = TokenCreated,
    headers(("Location" = String, description = "Its address"))
)))]
#[post("/api/tokens")]
async fn create_token(Admin(caller): Admin, mantyx: Data<Mantyx>, Body(new): Body<NewToken>) -> Answer {
    let created = mantyx.create_token(&caller.actor(), new).await?;
    let location = format!("/api/tokens/{}", created.token.id);
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(created))
}

/// Revoke a token
#[utoipa::path(tag = "Access", params(TokenPath), responses(
    (status = 204, description = "It lets nobody in any more")
))]
#[delete("/api/tokens/{id}")]
async fn revoke_token(Admin(caller): Admin, mantyx: Data<Mantyx>, path: Path<TokenPath>) -> Answer {
    mantyx.revoke_token(&caller.actor(), path.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Set the password of `admin`
#[utoipa::path(
    request_body = NewPassword,tag = "Access", responses((status = 204, description = "It is set")))]
#[put("/api/password")]
async fn set_password(Admin(caller): Admin, mantyx: Data<Mantyx>, Body(new): Body<NewPassword>) -> Answer {
    mantyx.set_password(&caller.actor(), &new).await?;
    Ok(HttpResponse::NoContent().finish())
}
