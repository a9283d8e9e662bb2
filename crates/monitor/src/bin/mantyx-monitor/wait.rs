//! Waiting for whatever happens next, in one call.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::output;

/// Whose turn it is.
pub(crate) enum Ready {
    /// A signal has come.
    Signals,
    /// A client has asked for something, or has gone.
    Client(usize),
    /// A client wants to connect.
    Listener,
    /// The app says how it is.
    Notices,
    /// The app has written, or its log takes too long.
    Output(output::Source),
}

/// Something that can be waited for.
pub(crate) type Source<'a> = (Ready, BorrowedFd<'a>);

/// Waits for sources, at most until `due`, and keeps those that have something, in order.
pub(crate) fn until(due: Option<Instant>, sources: Vec<Source<'_>>) -> Vec<Ready> {
    at_most(due.map(|due| due.saturating_duration_since(Instant::now())), sources)
}

/// Waits for sources, at most this long, and keeps those that have something, in order.
pub(crate) fn at_most(wait: Option<Duration>, sources: Vec<Source<'_>>) -> Vec<Ready> {
    let timeout = wait.and_then(|wait| Timespec::try_from(wait).ok());
    let mut polled: Vec<PollFd<'_>> =
        sources.iter().map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    // The only error that can come is an interruption, and then nothing is ready.
    if poll(&mut polled, timeout.as_ref()).is_err() {
        return Vec::new();
    }
    let awake = polled.iter().map(|fd| !fd.revents().is_empty()).collect::<Vec<bool>>();
    sources.into_iter().zip(awake).filter_map(|((ready, _), awake)| awake.then_some(ready)).collect()
}
