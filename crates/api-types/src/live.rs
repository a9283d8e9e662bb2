//! The page's one WebSocket, `/api/live`: what it asks for and what it is told.

use chrono::{DateTime, Utc};
use mantyx_core::{AppId, AppName, ExecutionId, OperationId};
use serde::{Deserialize, Serialize};

use crate::app::AppView;
use crate::event::EventView;
use crate::execution::ExecutionView;
use crate::log::LogLine;
use crate::metrics::AppUsage;
use crate::operation::OperationView;
use crate::system::HostView;

/// A one-time ticket that authenticates a WebSocket: `/api/live?ticket=…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveTicket {
    /// Good for one connection within half a minute.
    pub ticket: String,
}

/// What a page asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum LiveRequest {
    /// Follow the log of an app across its executions, or of one execution.
    FollowApp {
        /// Chosen by the page; comes back with every line.
        subscription: u32,
        /// The app.
        app: AppName,
        /// Only this execution.
        execution: Option<ExecutionId>,
        /// How many lines of the past to begin with, unless it goes on from a place.
        tail: u32,
        /// The last `place` that was told of this log: it goes on behind it.
        #[serde(default)]
        after: Option<String>,
    },
    /// Follow the log of an operation from its beginning.
    FollowOperation {
        /// Chosen by the page; comes back with every line.
        subscription: u32,
        /// The operation.
        operation: OperationId,
        /// The last `place` that was told of this log: it goes on behind it.
        #[serde(default)]
        after: Option<String>,
    },
    /// No more lines of this subscription.
    Unfollow {
        /// The one that was chosen.
        subscription: u32,
    },
}

/// Why lines are not told to a page that follows on from a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LogGap {
    /// Meanwhile the log has lost lines to the limits of logs.
    Removed,
    /// So much was written meanwhile that only the last lines of it are told. All is in the log.
    Skipped,
    /// The place says nothing to this daemon: the log begins with its last lines again.
    Unplaced,
}

/// What a page is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "tell", rename_all = "snake_case")]
pub enum LiveMessage {
    /// First of all: everything that a page starts from.
    Hello {
        /// The version of the daemon.
        version: String,
        /// Every app.
        apps: Vec<AppView>,
        /// Operations that are under way.
        operations: Vec<OperationView>,
        /// The machine.
        host: HostView,
    },
    /// An app is new or has changed.
    App {
        /// As it is now.
        app: Box<AppView>,
    },
    /// An app went to the trash or is gone.
    AppGone {
        /// Its id.
        id: AppId,
    },
    /// An execution is new or has changed.
    Execution {
        /// As it is now.
        execution: Box<ExecutionView>,
    },
    /// An operation is new or has changed.
    Operation {
        /// As it is now.
        operation: Box<OperationView>,
    },
    /// Something was recorded.
    Event {
        /// The record.
        event: Box<EventView>,
    },
    /// Lines of a log that is followed, in order.
    Log {
        /// The one that the page chose.
        subscription: u32,
        /// The lines.
        lines: Vec<LogLine>,
        /// How many lines before these were passed over, because they came faster than they were taken. They are in
        /// the log.
        #[serde(default)]
        skipped: u64,
        /// Where in the log the last of these is, for who comes back; absent from a daemon that cannot tell.
        #[serde(default)]
        place: Option<String>,
    },
    /// Lines of a log are missing before those that come next, or may be, and nobody knows how many.
    LogGap {
        /// The one that the page chose.
        subscription: u32,
        /// Why.
        gap: LogGap,
    },
    /// A subscription cannot be served, or has ended.
    LogEnd {
        /// The one that the page chose.
        subscription: u32,
        /// Why, when it is an error.
        error: Option<String>,
    },
    /// The machine, every few seconds.
    Host {
        /// As it is now.
        host: HostView,
    },
    /// What every app that is alive uses, every few seconds.
    Usage {
        /// When it was looked at.
        at: DateTime<Utc>,
        /// Those that are alive.
        apps: Vec<AppUsage>,
    },
}
