//! Server-sent events (WHATWG HTML, section 9.2): frames, a heartbeat, and an end with the daemon or the token.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderMap};
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt, stream};
use mantyx_api_types::Problem;
use mantyx_core::{Code, Error, Result};
use serde::Serialize;
use tokio::time::timeout;

use crate::gate::End;

/// The media type that asks for a stream of events.
pub(crate) const MEDIA_TYPE: &str = "text/event-stream";

/// How long nothing may be sent before a comment shows both ends that the other is there.
const BEAT: Duration = Duration::from_secs(15);

/// Whether a request accepts a media type by name.
pub(crate) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let accept = headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|item| item.split(';').next().is_some_and(|name| name.trim() == media_type))
}

/// One frame with a value as JSON.
pub(crate) fn frame(id: Option<&dyn Display>, value: &impl Serialize) -> Result<String> {
    let json = serde_json::to_string(value).map_err(|e| Error::internal("write an event as JSON", e))?;
    Ok(match id {
        Some(id) => format!("id: {id}\ndata: {json}\n\n"),
        None => format!("data: {json}\n\n"),
    })
}

/// One frame of a type of its own.
pub(crate) fn named_frame(name: &str, value: &impl Serialize) -> Result<String> {
    Ok(format!("event: {name}\n{}", frame(None, value)?))
}

/// What a client was shown last, when it comes back.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    Some(headers.get("last-event-id")?.to_str().unwrap_or_default().trim())
}

/// A response of these frames, until it is over. A refusal in the middle is the last frame, of the type `error`; a
/// source that ends by itself is closed by one of the type `end`, so that a client knows it from a broken
/// connection.
pub(crate) fn respond(
    frames: impl Stream<Item = Result<String>> + 'static,
    over: impl Future<Output = End> + 'static,
) -> HttpResponse {
    let ended = stream::once(async { Ok("event: end\ndata: {}\n\n".to_owned()) });
    let frames = frames.chain(ended).map(|frame| frame.unwrap_or_else(|error| last_words(&error)));
    let going_on = Some((Box::pin(frames), Box::pin(over)));
    let body = stream::unfold(going_on, |going_on| async {
        let (mut frames, mut over) = going_on?;
        tokio::select! {
            biased;
            end = &mut over => match end {
                End::Closing => None,
                End::Refused(error) => Some((last_words(&error), None)),
            },
            text = next_or_beat(&mut frames) => Some((text?, Some((frames, over)))),
        }
    });
    HttpResponse::Ok()
        .content_type(MEDIA_TYPE)
        .insert_header((CACHE_CONTROL, "no-store"))
        // Proxies that gather a response before they pass it on would gather for ever.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(body.map(|text| Ok::<_, Error>(Bytes::from(text))))
}

/// The next frame, or a comment when there is none for too long.
async fn next_or_beat(frames: &mut (impl Stream<Item = String> + Unpin)) -> Option<String> {
    timeout(BEAT, frames.next()).await.unwrap_or_else(|_| Some(": \n\n".to_owned()))
}

fn last_words(error: &Error) -> String {
    if error.code() == Code::Internal {
        tracing::error!(?error, "A stream of events broke off");
    }
    let problem = serde_json::to_string(&Problem::from(error)).unwrap_or_else(|_| "{}".to_owned());
    format!("event: error\ndata: {problem}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;
    use actix_web::http::header::HeaderValue;
    use std::future::{pending, ready};

    #[test]
    fn accepts_by_name_alone() {
        let accepting = |value| {
            let mut headers = HeaderMap::new();
            headers.insert(actix_web::http::header::ACCEPT, HeaderValue::from_static(value));
            accepts(&headers, MEDIA_TYPE)
        };
        assert!(accepting("text/event-stream"));
        assert!(accepting("application/json, text/event-stream;q=0.5"));
        assert!(!accepting("*/*"));
        assert!(!accepting("text/event-streams"));
    }

    #[actix_web::test]
    async fn a_source_that_ends_is_told_from_one_that_breaks() {
        let body = |frames: Vec<Result<String>>| async {
            let response = respond(stream::iter(frames), pending());
            String::from_utf8(to_bytes(response.into_body()).await.unwrap().to_vec()).unwrap()
        };
        let ended = body(vec![frame(Some(&7), &"x")]).await;
        assert_eq!(ended, "id: 7\ndata: \"x\"\n\nevent: end\ndata: {}\n\n");
        let broken = body(vec![Err(Error::not_found("app", "x"))]).await;
        assert!(broken.starts_with("event: error\ndata: {") && broken.contains("not_found"), "{broken}");
    }

    #[actix_web::test]
    async fn a_stream_ends_with_the_daemon() {
        let response = respond(stream::pending(), ready(End::Closing));
        assert!(to_bytes(response.into_body()).await.unwrap().is_empty());
    }

    #[actix_web::test]
    async fn a_stream_whose_token_ends_says_so_and_no_more() {
        let more = stream::repeat_with(|| frame(None, &"secret"));
        let gone = Error::new(Code::Unauthenticated, "The token is not known");
        let response = respond(more, ready(End::Refused(gone)));
        let body = String::from_utf8(to_bytes(response.into_body()).await.unwrap().to_vec()).unwrap();
        assert!(body.starts_with("event: error\ndata: {") && body.contains("unauthenticated"), "{body}");
        assert!(!body.contains("secret"), "{body}");
    }
}
