//! Every address of the API in one list, and what is answered at all the others.

use actix_web::dev::ResourceDef;
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use mantyx_core::{Code, Error, Result, Scope};
use utoipa::openapi::{OpenApi, PathItem};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::authorise;
use crate::page::PageFolder;
use crate::problem::ApiError;
use crate::server::Document;
use crate::{
    apps, backups, data, dependencies, events, executions, files, hooks, lifecycle, live, login, logs,
    metrics, operations, reconcile, releases, schedules, secrets, settings, system, tokens, tracking,
    transfer, trash, updates, uploads,
};

/// Every handler that stands in the OpenAPI document.
pub(crate) fn api(config: &mut ServiceConfig<'_>) {
    config
        .configure(uploads::configure)
        .configure(apps::configure)
        .configure(lifecycle::configure)
        .configure(updates::configure)
        .configure(releases::configure)
        .configure(files::configure)
        .configure(data::configure)
        .configure(backups::configure)
        .configure(dependencies::configure)
        .configure(logs::configure)
        .configure(metrics::configure)
        .configure(executions::configure)
        .configure(operations::configure)
        .configure(schedules::configure)
        .configure(tracking::configure)
        .configure(hooks::configure)
        .configure(trash::configure)
        .configure(transfer::configure)
        .configure(events::configure)
        .configure(live::configure)
        .configure(tokens::configure)
        .configure(secrets::configure)
        .configure(login::configure)
        .configure(settings::configure)
        .configure(reconcile::configure)
        .configure(system::configure);
}

/// Which methods each address of the document takes.
pub(crate) struct Methods(Vec<(ResourceDef, String)>);

impl Methods {
    pub(crate) fn of(document: &OpenApi) -> Self {
        // A path inside an app has slashes of its own, which a document cannot say.
        let pattern = |path: &str| ResourceDef::new(path.replace("{path}", "{path:.+}"));
        let row = |(path, item): (&String, &PathItem)| (pattern(path), allowed(item));
        Self(document.paths.paths.iter().map(row).collect())
    }

    /// The methods of the address that this path is, as `Allow` lists them.
    pub(crate) fn at(&self, path: &str) -> Option<&str> {
        self.0.iter().find(|(resource, _)| resource.is_match(path)).map(|(_, allowed)| allowed.as_str())
    }
}

fn allowed(item: &PathItem) -> String {
    let methods = [
        ("GET, HEAD", item.get.is_some()),
        ("POST", item.post.is_some()),
        ("PUT", item.put.is_some()),
        ("PATCH", item.patch.is_some()),
        ("DELETE", item.delete.is_some()),
    ];
    let there: Vec<&str> =
        methods.into_iter().filter(|(_, there)| *there).map(|(method, _)| method).collect();
    there.join(", ")
}

/// Answers what no handler took: a method that an address does not know, an address that the API does not know,
/// or a file of the page.
pub(crate) async fn fallback(
    request: HttpRequest,
    document: Data<Document>,
    page: Data<PageFolder>,
) -> Result<HttpResponse, ApiError> {
    let path = request.path();
    let of_api = path == "/api" || path.starts_with("/api/");
    if of_api {
        authorise(&request, Scope::Read)?;
    }
    match document.methods.at(path) {
        Some(allowed) => Ok(wrong_method(&request, allowed)),
        None if of_api => Err(Error::not_found("address", path).hint("/docs lists every address").into()),
        None if request.method() == Method::GET => page.answer(&request).await,
        None => Ok(wrong_method(&request, "GET, HEAD")),
    }
}

fn wrong_method(request: &HttpRequest, allowed: &str) -> HttpResponse {
    let detail = format!("`{}` does not take {}", request.path(), request.method());
    let error = Error::new(Code::MethodNotAllowed, detail).hint(format!("It takes {allowed}"));
    let mut response = ApiError::from(error).error_response();
    if let Ok(value) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}
