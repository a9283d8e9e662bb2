//! One live connection, from its greeting to its end.
//!
//! There is one task and no queue: the next thing is read only when the last one was sent, so that a slow client
//! costs no memory. It misses changes then, and is told everything anew; of a log that grows faster than it takes
//! lines, it is told how many were passed over.

use std::collections::HashMap;
use std::time::Duration;

use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, ProtocolError, Session};
use futures_util::stream::{self, LocalBoxStream, SelectAll};
use futures_util::{Stream, StreamExt};
use mantyx_api_types::{LiveMessage, LiveRequest, LogGap, LogLine};
use mantyx_core::Result;
use mantyx_operations::{Follow, LogQuery, LogStreamer, Mantyx, Pace, Place as LogPlace};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::access::Place;
use crate::gate::{Admission, End};

/// The most bytes that a client may say at once.
pub(crate) const MESSAGE_LIMIT: usize = 64 << 10;

/// The most logs that one connection follows.
const SUBSCRIPTION_LIMIT: usize = 16;

/// How often the other end is asked whether it is there, how long it may be silent, and how long one message may
/// take to leave.
const BEAT: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a connection goes on, or the code that it is closed with.
type Step = Result<(), CloseCode>;

pub(crate) struct Connection {
    mantyx: Mantyx,
    place: Place,
    session: Session,
    changes: Receiver<LiveMessage>,
    logs: SelectAll<LocalBoxStream<'static, LiveMessage>>,
    subscriptions: HashMap<u32, DropGuard>,
    heard: Instant,
}

impl Connection {
    pub(crate) fn new(mantyx: &Mantyx, place: Place, session: Session) -> Self {
        Self {
            mantyx: mantyx.clone(),
            place,
            session,
            changes: mantyx.subscribe(),
            logs: SelectAll::new(),
            subscriptions: HashMap::new(),
            heard: Instant::now(),
        }
    }

    /// Serves until either end has enough.
    pub(crate) async fn run(mut self, messages: AggregatedMessageStream, admission: Admission) {
        let code = match self.serve(messages, admission).await {
            Ok(()) => CloseCode::Away,
            Err(code) => code,
        };
        let closed = self.session.close(Some(code.into()));
        // Nobody is there to be told when this fails.
        let _ = timeout(PATIENCE, closed).await;
    }

    async fn serve(&mut self, mut messages: AggregatedMessageStream, admission: Admission) -> Step {
        self.greet().await?;
        let mut beat = interval(BEAT);
        let over = admission.over();
        tokio::pin!(over);
        loop {
            tokio::select! {
                end = &mut over => return match end {
                    End::Closing => Ok(()),
                    End::Refused(_) => Err(CloseCode::Policy),
                },
                change = self.changes.recv() => self.pass_on(change).await?,
                message = messages.recv() => self.hear(message).await?,
                Some(lines) = self.logs.next(), if !self.logs.is_empty() => self.pass_on_lines(lines).await?,
                _ = beat.tick() => self.beat().await?,
            }
        }
    }

    /// Tells everything that a page starts from.
    async fn greet(&mut self) -> Step {
        match self.mantyx.hello().await {
            Ok(hello) => self.tell(hello).await,
            Err(error) => {
                tracing::error!(?error, "A live connection could not be greeted");
                Err(CloseCode::Error)
            }
        }
    }

    async fn pass_on(&mut self, change: Result<LiveMessage, RecvError>) -> Step {
        match change {
            Ok(message) => self.tell(message).await,
            Err(RecvError::Lagged(_)) => self.greet().await,
            Err(RecvError::Closed) => Err(CloseCode::Away),
        }
    }

    async fn pass_on_lines(&mut self, lines: LiveMessage) -> Step {
        if let LiveMessage::LogEnd { subscription, .. } = &lines {
            self.subscriptions.remove(subscription);
        }
        self.tell(lines).await
    }

    async fn tell(&mut self, mut message: LiveMessage) -> Step {
        match &mut message {
            LiveMessage::Hello { apps, .. } => apps.iter_mut().for_each(|app| self.place.link(app)),
            LiveMessage::App { app } => self.place.link(app),
            _ => {}
        }
        let Ok(text) = serde_json::to_string(&message) else { return Err(CloseCode::Error) };
        patiently(self.session.text(text)).await
    }

    async fn hear(&mut self, message: Option<Result<AggregatedMessage, ProtocolError>>) -> Step {
        self.heard = Instant::now();
        match message {
            Some(Ok(AggregatedMessage::Text(text))) => match serde_json::from_str(&text) {
                Ok(request) => self.grant(request).await,
                Err(_) => Err(CloseCode::Invalid),
            },
            Some(Ok(AggregatedMessage::Ping(bytes))) => patiently(self.session.pong(&bytes)).await,
            Some(Ok(AggregatedMessage::Pong(_))) => Ok(()),
            Some(Ok(AggregatedMessage::Binary(_))) => Err(CloseCode::Unsupported),
            Some(Ok(AggregatedMessage::Close(_))) | None => Err(CloseCode::Normal),
            Some(Err(ProtocolError::Overflow)) => Err(CloseCode::Size),
            Some(Err(_)) => Err(CloseCode::Protocol),
        }
    }

    async fn grant(&mut self, request: LiveRequest) -> Step {
        let (subscription, log, gap) = match request {
            LiveRequest::Unfollow { subscription } => {
                self.subscriptions.remove(&subscription);
                return Ok(());
            }
            LiveRequest::FollowApp { subscription, .. }
            | LiveRequest::FollowOperation { subscription, .. }
                if self.subscriptions.len() >= SUBSCRIPTION_LIMIT =>
            {
                let error = format!("A connection follows at most {SUBSCRIPTION_LIMIT} logs");
                return self.tell(LiveMessage::LogEnd { subscription, error: Some(error) }).await;
            }
            LiveRequest::FollowApp { subscription, app, execution, tail, after } => {
                let tail = usize::try_from(tail).ok();
                let (after, gap) = place(after);
                // A page shows what is new: it could not show all that an app can write.
                let (follow, pace) = (Follow::Yes, Pace::Newest);
                let query = LogQuery { execution, tail, follow, pace, after, ..LogQuery::default() };
                (subscription, self.mantyx.app_log(&app, query).await, gap)
            }
            LiveRequest::FollowOperation { subscription, operation, after } => {
                let (after, gap) = place(after);
                (subscription, self.mantyx.operation_log(operation, Follow::Yes, after).await, gap)
            }
        };
        match log {
            Ok(log) => self.follow(subscription, log, gap),
            Err(error) => {
                let error = Some(error.to_string());
                return self.tell(LiveMessage::LogEnd { subscription, error }).await;
            }
        }
        Ok(())
    }

    /// Adds a log. One of the same number before it is followed no more.
    fn follow(&mut self, subscription: u32, mut log: LogStreamer, gap: Option<LogGap>) {
        let ended = CancellationToken::new();
        let gap = gap.or_else(|| log.take_gap()).map(|gap| LiveMessage::LogGap { subscription, gap });
        let lines = stream::iter(gap).chain(lines(subscription, log));
        self.logs.push(lines.take_until(ended.clone().cancelled_owned()).boxed_local());
        self.subscriptions.insert(subscription, ended.drop_guard());
    }

    async fn beat(&mut self) -> Step {
        if self.heard.elapsed() > SILENCE {
            return Err(CloseCode::Away);
        }
        patiently(self.session.ping(b"")).await
    }
}

/// Where a page goes on. A place of another version is no reason to show it nothing: then the log begins again as for
/// somebody who comes for the first time, and the page says that lines may be missing.
fn place(after: Option<String>) -> (Option<LogPlace>, Option<LogGap>) {
    match after.map(|after| after.parse()) {
        None => (None, None),
        Some(Ok(place)) => (Some(place), None),
        Some(Err(_)) => (None, Some(LogGap::Unplaced)),
    }
}

/// The lines of a log as messages, the last of which says that it has ended.
fn lines(subscription: u32, log: LogStreamer) -> impl Stream<Item = LiveMessage> {
    stream::unfold(Some(log), move |log| async move {
        let mut log = log?;
        Some(match log.next().await {
            Ok(Some(lines)) => {
                let (place, skipped) = (place_behind(&log, &lines), log.take_skipped());
                (LiveMessage::Log { subscription, lines, skipped, place }, Some(log))
            }
            Ok(None) => (LiveMessage::LogEnd { subscription, error: None }, None),
            Err(error) => (LiveMessage::LogEnd { subscription, error: Some(error.to_string()) }, None),
        })
    })
}

/// The place behind the last of the lines that a log has just handed out.
fn place_behind(log: &LogStreamer, lines: &[LogLine]) -> Option<String> {
    let last = lines.last()?;
    Some(log.place_behind(last.source, lines.len() - 1).to_string())
}

/// Gives up on a client that takes nothing any more.
async fn patiently(sending: impl Future<Output = Result<(), actix_ws::Closed>>) -> Step {
    match timeout(PATIENCE, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(CloseCode::Away),
    }
}
