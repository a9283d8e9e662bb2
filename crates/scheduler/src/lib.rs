//! When is it due.
//!
//! Two halves that know little of each other:
//!
//! - **Schedules** are pure. [`parse`] reads a specification into a [`Schedule`], which answers when it is due next
//!   and says itself in words. The rules are those of Vixie cron as Debian ships it (crontab(5), cron(8)).
//! - **[`Scheduler`]** is the clock. One task holds when each schedule is due and sleeps until the earliest on a
//!   timer that notices when the clock is set. At that instant it puts a job into a persistent queue (apalis on
//!   SQLite), whose worker is woken directly and calls the [`Runner`].
//!
//! A job is a [`Tick`]: ids only. It may be delivered twice, after a crash in the middle, so a runner claims it in
//! the main database before it acts. The queue itself is disposable.

mod agenda;
mod bell;
mod crontab;
mod interval;
mod queue;
mod schedule;
mod scheduler;
mod timer;
mod zone;

pub use futures_util::future::BoxFuture;
pub use schedule::{Schedule, missed, parse};
pub use scheduler::{Runner, Scheduler, Tick};
pub use timer::{WallTimer, Woken};
pub use zone::local_timezone;
