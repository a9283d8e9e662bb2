//! `/api/events`: everything that changed, as pages of the past or as one stream that can be resumed.

use std::collections::VecDeque;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use futures_util::{Stream, StreamExt, stream};
use mantyx_api_types::{EventView, LiveMessage, Page};
use mantyx_core::{Code, Error, Result};
use mantyx_operations::Mantyx;
use serde::Deserialize;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Reader, bearer};
use crate::gate::Gate;
use crate::problem::Answer;
use crate::query::Query;
use crate::sse;

/// How many events are read from the past at once.
const BATCH: u32 = 500;

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_events);
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    /// Only events beyond this sequence number, in the order that is asked for.
    cursor: Option<i64>,
    /// Which come first; the oldest when not given. A stream takes no other.
    #[param(inline)]
    order: Option<Order>,
    /// At most this many, 1 to 500; 100 when not given. A stream has no limit.
    limit: Option<u32>,
}

/// Which events come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// Forward in time.
    #[default]
    Oldest,
    /// Back in time.
    Newest,
}

/// Read or follow everything that changes
///
/// With `Accept: text/event-stream` a stream that begins now, after `cursor`, or after `Last-Event-ID`; else one
/// page, the oldest first unless `order` says otherwise.
#[utoipa::path(
    tag = "Events",
    params(
        EventsQuery,
        ("Last-Event-ID" = Option<i64>, Header, description = "The last event that a stream had shown")
    ),
    responses((
        status = 200, description = "Events in the order that was asked for",
        content((Page<EventView> = "application/json"), (String = "text/event-stream"))
    ))
)]
#[get("/api/events")]
async fn list_events(
    _: Reader,
    mantyx: Data<Mantyx>,
    Query(query): Query<EventsQuery>,
    request: HttpRequest,
    gate: Data<Gate>,
) -> Answer {
    let order = query.order.unwrap_or_default();
    if sse::accepts(request.headers(), sse::MEDIA_TYPE) {
        refuse_backwards(order)?;
        let after = last_event_id(&request)?.or(query.cursor);
        let admission = gate.admit(bearer(request.headers())?).await?;
        let frames = feed(Feed::new(&mantyx, after))
            .map(|event| event.and_then(|e| sse::frame(Some(&e.sequence), &e)));
        return Ok(sse::respond(frames, admission.over()));
    }
    let page = match order {
        Order::Oldest => mantyx.events(query.cursor.unwrap_or(0), query.limit).await?,
        Order::Newest => mantyx.newest_events(query.cursor, query.limit).await?,
    };
    Ok(HttpResponse::Ok().json(page))
}

/// Time goes on: what is to come has no newest one.
fn refuse_backwards(order: Order) -> Result<()> {
    match order {
        Order::Oldest => Ok(()),
        Order::Newest => Err(Error::new(Code::Malformed, "A stream has no `order` but the oldest first")
            .hint("Read pages with `Accept: application/json`")),
    }
}

fn last_event_id(request: &HttpRequest) -> Result<Option<i64>> {
    let Some(text) = sse::last_event_id(request.headers()) else { return Ok(None) };
    let wrong = |_| Error::new(Code::Malformed, "`Last-Event-ID` is not a sequence number");
    text.parse().map(Some).map_err(wrong)
}

fn feed(feed: Feed) -> impl Stream<Item = Result<EventView>> {
    stream::try_unfold(feed, |mut feed| async { Ok(feed.next().await?.map(|event| (event, feed))) })
}

/// Events without a gap and without repetition, from the past into the present.
///
/// It listens before it reads the past, so that nothing falls between; what it hears twice is known by its number.
/// Who is too slow for the present reads it from the past again.
struct Feed {
    mantyx: Mantyx,
    live: Receiver<LiveMessage>,
    last: Option<i64>,
    past: Past,
}

/// What is known of the events that are stored.
enum Past {
    /// There may be more than these.
    Unread(VecDeque<EventView>),
    /// Everything after comes by itself.
    Read,
}

impl Feed {
    fn new(mantyx: &Mantyx, after: Option<i64>) -> Self {
        let past = if after.is_some() { Past::Unread(VecDeque::new()) } else { Past::Read };
        Self { mantyx: mantyx.clone(), live: mantyx.subscribe(), last: after, past }
    }

    /// The next event; none when the daemon goes down.
    async fn next(&mut self) -> Result<Option<EventView>> {
        loop {
            if let Past::Unread(events) = &mut self.past {
                match events.pop_front() {
                    Some(event) => return Ok(Some(self.shown(event))),
                    None => self.read_past().await?,
                }
                continue;
            }
            match self.live.recv().await {
                Ok(LiveMessage::Event { event }) if self.is_new(&event) => {
                    return Ok(Some(self.shown(*event)));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) if self.last.is_some() => self.past = Past::Unread(VecDeque::new()),
                // Nothing was shown yet: the stream begins with what comes next.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    fn is_new(&self, event: &EventView) -> bool {
        self.last.is_none_or(|last| event.sequence > last)
    }

    fn shown(&mut self, event: EventView) -> EventView {
        self.last = Some(event.sequence);
        event
    }

    async fn read_past(&mut self) -> Result<()> {
        let page = self.mantyx.events(self.last.unwrap_or(0), Some(BATCH)).await?;
        self.past = if page.items.is_empty() { Past::Read } else { Past::Unread(page.items.into()) };
        Ok(())
    }
}
