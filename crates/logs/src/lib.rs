//! Log files in the container runtimes' format: writing, reading, following.
//!
//! One line of a log is one [`Record`]: `<rfc3339nano> <stdout|stderr> <F|P> <text>`, the format of the
//! Kubernetes container runtime interface, so that the tools people have can read Mantyx's logs too. A line that
//! is longer than [`MAX_TEXT`] is split: all its pieces but the last carry `P`.
//!
//! [`LogWriter`] is made for the monitor: it has no runtime, needs little memory and batches its writes.
//! [`tail`] reads without going through the whole file; [`span`] and [`tail_span`] find a part of it that
//! [`records_in`] reads in portions, [`records`] reads all of it. `Follower` (feature `follow`) waits for what comes next.

mod batch;
#[cfg(feature = "follow")]
mod follow;
mod lines;
mod read;
mod record;
mod stamp;
#[cfg(feature = "follow")]
mod watch;
mod writer;

#[cfg(feature = "follow")]
pub use follow::Follower;
pub use read::{Records, Span, records, records_in, span, tail, tail_span};
pub use record::{Completeness, MAX_TEXT, Record, Stream};
pub use writer::LogWriter;
