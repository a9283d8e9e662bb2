//! The OpenAPI document: what the handlers say of themselves, and what is the same for all of them.

use actix_web::App;
use mantyx_api_types::{LiveMessage, LiveRequest, Problem};
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ContentBuilder, Info, License, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, Required,
    ResponseBuilder, Schema, Type,
};
use utoipa_actix_web::AppExt;

use crate::problem::MEDIA_TYPE;
use crate::routes;

/// What `Idempotency-Key` promises, and no more than that.
const KEY: &str = "Makes a retry safe: the same request of the same token with the same key is carried out once, and \
    answered again as it was, with `Idempotency-Replayed: true`. Answers are kept for 24 hours, 1,000 of them, also \
    when the daemon is started again; of those that tell a secret, it keeps only that they were given. While the \
    first one is under way the answer is a 409, and so it is when the daemon was killed before it had answered; \
    another request under the same key is a 422, where uploads are told apart by their address alone. What failed, \
    or was never begun (a 5xx; 400, 401, 403, 429), is not kept.";

const TAGS: [(&str, &str); 15] = [
    ("Apps", "What Mantyx runs."),
    ("Lifecycle", "One address for each event that a person can cause. An illegal one lists the legal ones."),
    ("Data", "The own files of an app, in the folder that it finds in `APP_DATA_DIR`."),
    ("Releases", "What each release holds, what changed, and going from one to another."),
    ("Tracking", "Following the git origin of an app: by schedule, by webhook, on demand."),
    ("Backups", "What was kept of an app, before each change and when somebody asked."),
    ("Logs", "What apps and operations wrote."),
    ("Executions", "Each process from start to exit."),
    ("Operations", "Long work that can be watched and called off."),
    ("Schedules", "When scheduled apps run."),
    ("Trash", "Deleted apps."),
    ("Events", "Everything that changed."),
    ("Access", "Logging in, tokens, the password."),
    ("Secrets", "What opens private repositories. What they hold is never told."),
    ("System", "The daemon and its machine."),
];

/// The document of this version.
#[must_use]
pub fn openapi() -> OpenApi {
    let (_, collected) = App::new().into_utoipa_app().configure(routes::api).split_for_parts();
    complete(collected)
}

/// Adds what every operation has in common.
pub(crate) fn complete(mut document: OpenApi) -> OpenApi {
    let mut info = Info::new("Mantyx", env!("CARGO_PKG_VERSION"));
    info.description = Some("The control plane for Python on one machine.".into());
    info.license = Some(License::new("MIT"));
    document.info = info;
    document.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>("bearer", [])]);
    let tag = |(name, description): (&str, &str)| {
        TagBuilder::new().name(name).description(Some(description)).build()
    };
    document.tags = Some(TAGS.into_iter().map(tag).collect());
    let components = document.components.get_or_insert_default();
    add_components(components);
    open_git_source(components);
    document.paths.paths.values_mut().flat_map(operations).for_each(add_problem);
    document.paths.paths.iter_mut().filter_map(keyed).for_each(add_key);
    document
}

fn add_components(components: &mut Components) {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token of Mantyx: the owner's, one of `/api/tokens`, or that of a session."))
        .build();
    components.security_schemes.insert("bearer".into(), RefOr::T(SecurityScheme::Http(bearer)));
    let ticket = ApiKey::Query(ApiKeyValue::with_description("ticket", "Of `POST /api/live/ticket`."));
    components.security_schemes.insert("ticket".into(), RefOr::T(SecurityScheme::ApiKey(ticket)));
    add_schema::<Problem>(components);
    // What travels over the WebSocket is part of the interface, although no operation refers to it.
    add_schema::<LiveRequest>(components);
    add_schema::<LiveMessage>(components);
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new()
        .description("What failed, on what, and what to do about it (RFC 9457)")
        .content(MEDIA_TYPE, content)
        .build();
    components.responses.insert("Problem".into(), RefOr::T(response));
}

/// A repository stands beside the fields of a new app and those of its configuration. Said as *all of* a new app, which
/// has no other fields, and something else, nothing would fit.
fn open_git_source(components: &mut Components) {
    let object = |item: &RefOr<Schema>| match item {
        RefOr::T(Schema::Object(object)) => Some(object.clone()),
        _ => None,
    };
    let own = match components.schemas.get("GitSource") {
        Some(RefOr::T(Schema::AllOf(all))) => all.items.iter().find_map(object),
        _ => None,
    };
    let app = components.schemas.get("NewApp").and_then(object);
    if let (Some(mut source), Some(app)) = (own, app) {
        source.properties.extend(app.properties);
        source.required.extend(app.required);
        components.schemas.insert("GitSource".into(), RefOr::T(Schema::Object(source)));
    }
}

fn add_schema<T: ToSchema>(components: &mut Components) {
    let mut referred = Vec::new();
    T::schemas(&mut referred);
    components.schemas.extend(referred);
    components.schemas.insert(T::name().into_owned(), T::schema());
}

/// Every operation may be refused, and all refusals have one form.
fn add_problem(operation: &mut Operation) {
    let reference = RefOr::Ref(Ref::from_response_name("Problem"));
    operation.responses.responses.insert("default".into(), reference);
}

/// The operation of a path that takes a key: any of the API's with credentials that is a POST.
fn keyed<'a>((path, item): (&String, &'a mut PathItem)) -> Option<&'a mut Operation> {
    item.post.as_mut().filter(|post| path.starts_with("/api/") && post.security.is_none())
}

fn add_key(operation: &mut Operation) {
    let text = ObjectBuilder::new().schema_type(Type::String).max_length(Some(255)).build();
    let parameter: Parameter = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(KEY))
        .schema(Some(text))
        .build();
    operation.parameters.get_or_insert_default().push(parameter.into());
}

/// The operations of one path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}
