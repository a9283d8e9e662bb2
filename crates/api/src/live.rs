//! `/api/live`: the page's one WebSocket, authenticated by a one-time ticket because a browser cannot send a
//! bearer with it. What it asks for and is told are the types of `mantyx_api_types::live`.

use actix_web::web::{Data, Json, Payload};
use actix_web::{HttpRequest, get, post};
use mantyx_api_types::LiveTicket;
use mantyx_core::{Code, Error};
use mantyx_operations::Mantyx;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Place, Reader, bearer};
use crate::connection::{Connection, MESSAGE_LIMIT};
use crate::gate::Gate;
use crate::problem::Answer;
use crate::query::Query;
use crate::runtime::Worker;

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(issue_ticket).service(connect_live);
}

/// What a connection brings.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct LiveQuery {
    /// A ticket of `POST /api/live/ticket`, good for one connection.
    #[serde(default)]
    ticket: String,
}

/// Make a ticket for one live connection
#[utoipa::path(tag = "Events", responses(
    (status = 200, description = "Good for one connection within half a minute", body = LiveTicket)
))]
#[post("/api/live/ticket")]
async fn issue_ticket(
    Reader(caller): Reader,
    gate: Data<Gate>,
    request: HttpRequest,
) -> Answer<Json<LiveTicket>> {
    Ok(Json(gate.issue_ticket(&caller, bearer(request.headers())?)?))
}

/// Follow everything live
///
/// A WebSocket (RFC 6455): it tells a `LiveMessage` a frame, a `Hello` first, and is asked with `LiveRequest`s.
#[utoipa::path(tag = "Events", params(LiveQuery), security(("ticket" = [])), responses(
    (status = 101, description = "From here on a WebSocket")
))]
#[get("/api/live")]
async fn connect_live(
    mantyx: Data<Mantyx>,
    place: Place,
    Query(query): Query<LiveQuery>,
    request: HttpRequest,
    gate: Data<Gate>,
    worker: Data<Worker>,
    payload: Payload,
) -> Answer {
    let admission = gate.admit_ticket(&query.ticket).await?;
    let (response, session, messages) = actix_ws::handle(&request, payload).map_err(|error| {
        Error::new(Code::Malformed, format!("This is no beginning of a WebSocket: {error}"))
    })?;
    let messages =
        messages.max_frame_size(MESSAGE_LIMIT).aggregate_continuations().max_continuation_size(MESSAGE_LIMIT);
    let connection = Connection::new(&mantyx, place, session);
    worker.spawn(connection.run(messages, admission));
    Ok(response)
}
