//! `/api/apps/{app}/releases`: what each release holds, and what changed from one to another.

use std::cmp::Reverse;

use actix_web::get;
use actix_web::web::{Data, Json, Path};
use mantyx_api_types::{Page, ReleaseDetail, ReleaseDiff, ReleaseView};
use mantyx_operations::Mantyx;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::Reader;
use crate::inputs::{AppPath, ReleasePath, TwoReleasesPath};
use crate::paging::{PageQuery, page};
use crate::problem::Answer;
use crate::query::Query;

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_releases).service(read_release).service(compare_releases);
}

/// List the releases of an app
#[utoipa::path(tag = "Releases", params(AppPath, PageQuery), responses(
    (status = 200, description = "Those that are kept, the newest first", body = Page<ReleaseView>)
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

/// Read a release, with the list of its files and its lock
#[utoipa::path(tag = "Releases", params(ReleasePath), responses(
    (status = 200, description = "The release", body = ReleaseDetail)
))]
#[get("/api/apps/{app}/releases/{number}")]
async fn read_release(
    _: Reader,
    mantyx: Data<Mantyx>,
    path: Path<ReleasePath>,
) -> Answer<Json<ReleaseDetail>> {
    Ok(Json(mantyx.release(&path.app, path.number).await?))
}

/// Compare two releases
///
/// Files line by line, and packages by their versions. Either release may be the earlier one.
#[utoipa::path(tag = "Releases", params(TwoReleasesPath), responses(
    (status = 200, description = "What is not the same in both", body = ReleaseDiff)
))]
#[get("/api/apps/{app}/releases/{number}/diff/{other}")]
async fn compare_releases(
    _: Reader,
    mantyx: Data<Mantyx>,
    path: Path<TwoReleasesPath>,
) -> Answer<Json<ReleaseDiff>> {
    Ok(Json(mantyx.release_diff(&path.app, path.number, path.other).await?))
}
