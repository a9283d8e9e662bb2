//! What the layer above does for the supervisor: it says what to run, and keeps what has happened.

use std::pin::Pin;

use mantyx_core::{ExecutionId, InstanceId, RestartRule, Result, Timestamp};

use crate::command::{Command, Start};
use crate::condition::Condition;
use crate::ended::Ended;

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The layer above. Each call is awaited before the next thing happens to the same instance; calls for different
/// instances come at the same time.
pub trait Observer: Send + Sync + 'static {
    /// Persists a pending execution and says what to run.
    fn prepare(&self, instance: InstanceId, start: Start) -> BoxFuture<'_, Result<Command>>;

    /// The rule for an instance of which not even the first start can be prepared.
    fn rule(&self, _instance: InstanceId) -> BoxFuture<'_, Result<RestartRule>> {
        Box::pin(async { Ok(RestartRule::default()) })
    }

    /// Persists what has happened. When it fails it is called again with the same report until it succeeds, so it
    /// must do no harm twice; of [`Report::Observed`] the latest is what is tried again. It must not wait for a call
    /// to the supervisor about the same instance.
    fn report(&self, report: Report) -> BoxFuture<'_, Result<()>>;
}

/// What has happened to an instance. After a stop that somebody asked for only [`Report::Exited`] comes.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// A process is alive.
    Started {
        /// Of this instance.
        instance: InstanceId,
        /// Under this execution.
        execution: ExecutionId,
        /// Its pid.
        pid: u32,
        /// When it began.
        at: Timestamp,
        /// How it is, as far as can be told yet.
        condition: Condition,
    },
    /// How a live service is has changed.
    Observed {
        /// Of this instance.
        instance: InstanceId,
        /// Under this execution.
        execution: ExecutionId,
        /// How it is now.
        condition: Condition,
    },
    /// A process has ended, and everything that it started is gone; or it could not be started.
    Exited {
        /// Of this instance.
        instance: InstanceId,
        /// Under this execution.
        execution: ExecutionId,
        /// How.
        ended: Ended,
    },
    /// A service is started again later. A restart without delay is not announced.
    Waiting {
        /// This instance.
        instance: InstanceId,
        /// When.
        until: Timestamp,
        /// The restarts that count, this one included.
        restarts: u32,
    },
    /// A service has ended, and its policy starts no other.
    Rested {
        /// This instance.
        instance: InstanceId,
        /// How its last process ended.
        ended: Ended,
    },
    /// A service has ended once more than its limit allows.
    GaveUp {
        /// This instance.
        instance: InstanceId,
        /// The restarts that counted.
        restarts: u32,
        /// How its last process ended.
        ended: Ended,
        /// Why, as a sentence.
        reason: String,
        /// When it is tried again all the same.
        retry_at: Option<Timestamp>,
        /// How often it was given up since it last ran well, this time included.
        give_ups: u32,
    },
}
