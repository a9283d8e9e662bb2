//! `/api/apps/{app}/dependencies`: what an app depends on, and what of it the index has a newer version of.

use actix_web::get;
use actix_web::web::{Data, Json, Path};
use mantyx_api_types::{DependenciesView, OutdatedPackage, Page};
use mantyx_operations::Mantyx;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::Reader;
use crate::inputs::AppPath;
use crate::paging::{PageQuery, page};
use crate::problem::Answer;
use crate::query::Query;

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(read_dependencies).service(list_outdated);
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

/// List the installed packages that the index has a newer version of
///
/// The index is asked each time, which may take seconds.
#[utoipa::path(tag = "Apps", params(AppPath, PageQuery), responses(
    (status = 200, description = "Packages, by name", body = Page<OutdatedPackage>)
))]
#[get("/api/apps/{app}/dependencies/outdated")]
async fn list_outdated(
    _: Reader,
    mantyx: Data<Mantyx>,
    path: Path<AppPath>,
    Query(query): Query<PageQuery>,
) -> Answer<Json<Page<OutdatedPackage>>> {
    let items = mantyx.outdated(&path.app).await?;
    Ok(Json(page(Page { items, next_cursor: None }, &query, |package| package.name.clone())?))
}
