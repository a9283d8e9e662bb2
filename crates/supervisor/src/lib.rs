//! The supervisor: keeps what should run running, and knows at once when it does not.
//!
//! # How it works
//!
//! Every process runs under a monitor (the crate `mantyx-monitor`), which outlives the daemon. This crate starts
//! monitors, listens to them and decides what follows an exit. It knows no database: what is to be run and what
//! has happened goes through the [`Observer`], whose answer is awaited before the next thing happens, so that the
//! database never says less than what was done.
//!
//! - One task for each instance (`instance`) owns everything about it: the process of a perpetual app, the runs of
//!   a scheduled one, a restart that is due. Nothing else changes it, so no lock is held over an await.
//! - One task for each live process (`watch`) waits on the socket of its monitor. An exit arrives there as a
//!   message; there is no polling. When the monitor itself is killed the socket closes without one: what is left
//!   of the process is killed (`tree`), and the execution is lost. What is only said of a process is no queue: the
//!   latest counts (`news`), and it is reported once a second at most (`pace`).
//! - One task for each service that is looked at (`checkup`) asks its `probe` and listens to its own word.
//! - Whether a service is started again is decided by [`mantyx_core::RestartHistory`], a pure function.
//!
//! A daemon that comes up asks [`Supervisor::discover`] what the run folder says, and adopts what is alive. A
//! daemon that goes down calls [`Supervisor::shutdown`], or is killed: the processes do not notice either.

mod care;
pub mod cause;
mod checkup;
mod command;
mod condition;
mod context;
mod discover;
mod ended;
mod foresight;
mod instance;
mod launch;
mod limiter;
mod link;
mod live;
mod news;
mod observer;
mod pace;
mod probe;
mod scope;
mod service;
mod standby;
mod supervisor;
mod tree;
mod watch;

pub use care::{Care, Reach, Surroundings};
pub use command::{Command, Start};
pub use condition::Condition;
pub use discover::{Discovered, Found};
pub use ended::Ended;
pub use instance::Role;
pub use limiter::Limiter;
pub use observer::{BoxFuture, Observer, Report};
pub use service::{Outlook, ServiceStatus};
pub use supervisor::{Supervisor, SupervisorConfig};
