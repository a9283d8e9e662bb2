//! The one connection to the daemon: opened with a ticket, opened again when it is lost, with a longer wait each
//! time. Whoever follows a log then goes on behind the last line that was told.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::{AppName, ExecutionId, OperationId};
use mantyx_api_types::{LiveMessage, LiveRequest, LogGap, LogLine};

use super::{Clock, Store};
use crate::api::{Client, Socket, SocketEvent};

/// How the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// Nobody is logged in.
    Off,
    /// It is being opened.
    Connecting,
    /// It is open, and everything shown is as it is.
    Live,
    /// It was lost; the next attempt is at that time.
    Lost(DateTime<Utc>),
}

/// What a follower of a log is told.
pub(crate) enum LogEvent {
    /// More lines, and how many were passed over before them.
    Lines(Vec<LogLine>, u64),
    /// Lines are missing before the next ones, or may be.
    Gap(LogGap),
    /// It was asked for: at first, and again whenever the connection is back.
    Asked(From),
    /// There is nothing more to come, or a reason why nothing can come.
    End(Option<String>),
}

/// From where a log is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// From its last lines, or its beginning.
    Anew,
    /// Behind the last line that was told.
    Place,
}

/// Whose log is followed.
#[derive(Clone, Debug)]
pub(crate) enum Follow {
    /// That of an app, or of one of its executions, from so many lines ago.
    App(AppName, Option<ExecutionId>, u32),
    /// That of an operation.
    Operation(OperationId),
}

type Sink = Rc<dyn Fn(LogEvent)>;

/// Who follows a log.
#[derive(Clone)]
struct Follower {
    follow: Follow,
    sink: Sink,
    /// Where in the log the last line is that was told.
    place: Option<String>,
}

#[derive(Default)]
struct Inner {
    socket: Option<Socket>,
    followers: BTreeMap<u32, Follower>,
    next: u32,
    /// Attempts since it was last open.
    attempts: u32,
    /// Which connection is meant: what an earlier one still says is not heard.
    generation: u32,
}

/// The one connection.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    client: Client,
    store: Store,
    connection: RwSignal<Connection>,
    /// How often it was lost and came back.
    returns: RwSignal<u32>,
    inner: StoredValue<Inner, LocalStorage>,
}

impl Live {
    /// A connection that is not opened yet.
    pub(crate) fn new(client: Client, store: Store) -> Self {
        let inner = StoredValue::new_local(Inner::default());
        Self { client, store, connection: RwSignal::new(Connection::Off), returns: RwSignal::new(0), inner }
    }

    /// How it stands.
    pub(crate) fn connection(self) -> Connection {
        self.connection.get()
    }

    /// How often it was lost and came back: what was read by other ways may be old, or was never answered.
    pub(crate) fn returns(self) -> u32 {
        self.returns.get()
    }

    /// Opens it, now.
    pub(crate) fn connect(self) {
        let generation = self.next_generation();
        self.connection.set(Connection::Connecting);
        spawn_local(async move {
            let ticket = self.client.live_ticket().await;
            if self.generation() != generation {
                return;
            }
            let tell = move |event| self.hear(generation, event);
            match ticket.ok().and_then(|ticket| Socket::open(&ticket.ticket, tell)) {
                Some(socket) => self.inner.update_value(|inner| inner.socket = Some(socket)),
                None => self.lost(generation),
            }
        });
    }

    /// Closes it for good.
    pub(crate) fn disconnect(self) {
        self.next_generation();
        self.connection.set(Connection::Off);
    }

    /// Tries again without waiting, when it is lost.
    pub(crate) fn hurry(self) {
        if matches!(self.connection.get_untracked(), Connection::Lost(_)) {
            self.connect();
        }
    }

    /// Follows a log until [`Self::unfollow`].
    pub(crate) fn follow(self, follow: Follow, sink: impl Fn(LogEvent) + 'static) -> u32 {
        let follower = Follower { follow, sink: Rc::new(sink), place: None };
        let subscription = self.inner.try_update_value(|inner| {
            inner.next += 1;
            inner.followers.insert(inner.next, follower);
            inner.next
        });
        let subscription = subscription.unwrap_or_default();
        self.ask_again(subscription);
        subscription
    }

    /// Asks for a log that is followed, from where it was. Without a connection that is done once it is back.
    pub(crate) fn ask_again(self, subscription: u32) {
        if self.connection.get_untracked() == Connection::Live
            && let Some(follower) = self.follower(subscription)
        {
            self.ask(subscription, &follower);
        }
    }

    fn ask(self, subscription: u32, follower: &Follower) {
        let from = if follower.place.is_some() { From::Place } else { From::Anew };
        (follower.sink)(LogEvent::Asked(from));
        self.inner.with_value(|inner| {
            if let Some(socket) = &inner.socket {
                socket.ask(&request(subscription, follower));
            }
        });
    }

    fn follower(self, subscription: u32) -> Option<Follower> {
        self.inner.with_value(|inner| inner.followers.get(&subscription).cloned())
    }

    /// Follows it no longer.
    pub(crate) fn unfollow(self, subscription: u32) {
        self.inner.update_value(|inner| {
            inner.followers.remove(&subscription);
            if let Some(socket) = &inner.socket {
                socket.ask(&LiveRequest::Unfollow { subscription });
            }
        });
    }

    fn hear(self, generation: u32, event: SocketEvent) {
        if self.generation() != generation {
            return;
        }
        match event {
            SocketEvent::Closed => self.lost(generation),
            SocketEvent::Message(message) => match *message {
                LiveMessage::Log { subscription, lines, skipped, place } => {
                    self.move_on(subscription, place);
                    self.pass_on(subscription, LogEvent::Lines(lines, skipped));
                }
                LiveMessage::LogGap { subscription, gap } => {
                    self.pass_on(subscription, LogEvent::Gap(gap));
                }
                LiveMessage::LogEnd { subscription, error } => {
                    self.pass_on(subscription, LogEvent::End(error));
                }
                message => {
                    let hello = matches!(message, LiveMessage::Hello { .. });
                    self.store.apply(message);
                    if hello {
                        self.greeted();
                    }
                }
            },
        }
    }

    /// Remembers where a follower is in its log.
    fn move_on(self, subscription: u32, place: Option<String>) {
        self.inner.update_value(|inner| {
            if let Some(follower) = inner.followers.get_mut(&subscription) {
                follower.place = place;
            }
        });
    }

    fn pass_on(self, subscription: u32, event: LogEvent) {
        if let Some(follower) = self.follower(subscription) {
            (follower.sink)(event);
        }
    }

    /// The daemon has said everything that it begins with: whoever follows a log asks for it (again). It says so once
    /// more when the page has missed changes, and then the logs go on as they were.
    fn greeted(self) {
        if self.connection.get_untracked() == Connection::Live {
            return;
        }
        self.connection.set(Connection::Live);
        let followers = self.inner.with_value(|inner| inner.followers.clone());
        for (subscription, follower) in followers {
            self.ask(subscription, &follower);
        }
        let attempts = self.inner.try_update_value(|inner| std::mem::take(&mut inner.attempts));
        if attempts.unwrap_or_default() > 0 {
            self.returns.update(|returns| *returns += 1);
        }
    }

    fn lost(self, generation: u32) {
        let attempts = self.inner.try_update_value(|inner| {
            inner.attempts += 1;
            inner.attempts
        });
        let wait = back_off(attempts.unwrap_or(1));
        let next = Clock::read() + TimeDelta::from_std(wait).unwrap_or_default();
        self.connection.set(Connection::Lost(next));
        set_timeout(
            move || {
                if self.generation() == generation {
                    self.connect();
                }
            },
            wait,
        );
    }

    fn generation(self) -> u32 {
        self.inner.with_value(|inner| inner.generation)
    }

    /// Whatever went on before is over; its socket is closed.
    fn next_generation(self) -> u32 {
        let next = self.inner.try_update_value(|inner| {
            inner.generation += 1;
            inner.socket = None;
            inner.generation
        });
        next.unwrap_or_default()
    }
}

/// 1, 2, 4, 8, then every 15 seconds.
fn back_off(attempts: u32) -> Duration {
    Duration::from_secs(2u64.saturating_pow(attempts.saturating_sub(1)).min(15))
}

fn request(subscription: u32, follower: &Follower) -> LiveRequest {
    let after = follower.place.clone();
    match &follower.follow {
        Follow::App(app, execution, tail) => {
            let (app, execution, tail) = (app.clone(), *execution, *tail);
            LiveRequest::FollowApp { subscription, app, execution, tail, after }
        }
        Follow::Operation(operation) => {
            LiveRequest::FollowOperation { subscription, operation: *operation, after }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_a_quarter_of_a_minute() {
        assert_eq!([1, 2, 3, 4, 5, 99].map(|n| back_off(n).as_secs()), [1, 2, 4, 8, 15, 15]);
    }
}
