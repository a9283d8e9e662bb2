//! Log files in the container runtimes' format: writing, rotating, reading, searching, following.
//!
//! One line of a log is one [`Record`]: `<rfc3339nano> <stdout|stderr> <F|P> <text>`, the format of the
//! Kubernetes container runtime interface, so that the tools people have can read Mantyx's logs too. A line that
//! is longer than [`MAX_TEXT`], or open for a second, is split: all its pieces but the last carry `P`. Reading hands out
//! the pieces as they are, because a follower has them before their line ends; who shows lines puts them together.
//!
//! A log is one or more files, its [`Segment`]s: `segment` says how they are named and why no reader misses a line
//! when the next one begins. A place in it is a [`Position`].
//!
//! [`LogWriter`] is made for the monitor: it has no runtime, needs little memory and batches its writes; within
//! [`Rotation`] it begins segments, compresses old ones and removes the oldest. [`tail`] reads the end of a log
//! without going through all of it; [`span`] and [`tail_span`] find a part of a segment that [`records_in`] reads,
//! all of it or what a [`Pattern`] matches. A compressed segment is a [`Text`] for who reads on, and [`Unpacked`] for
//! who looks for something in it. `Follower` (feature `follow`) waits for what comes next.

mod archive;
mod batch;
mod compressor;
#[cfg(feature = "follow")]
mod follow;
mod lines;
mod lock;
mod read;
mod record;
mod removal;
mod roll;
mod rotation;
mod search;
mod segment;
mod stamp;
mod text;
mod unpacked;
#[cfg(feature = "follow")]
mod watch;
mod writer;

pub use compressor::compress_all;
#[cfg(feature = "follow")]
pub use follow::Follower;
pub use read::{Records, Span, records, records_in, span, tail, tail_span};
pub use record::{Completeness, MAX_TEXT, Record, Stream};
pub use removal::{remove_oldest, remove_segments};
pub use rotation::Rotation;
pub use search::{BadPattern, Case, Pattern, Syntax};
pub use segment::{Position, Segment, segments, segments_in};
pub use text::Text;
pub use unpacked::Unpacked;
pub use writer::LogWriter;
