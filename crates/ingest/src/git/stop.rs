//! One place to say that a fetch must end, and why.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mantyx_core::{Code, Error, Result};
use mantyx_platform::process::Breaker;

/// How soon a wish to cancel is seen.
const LOOK: Duration = Duration::from_millis(50);

/// Shared by everybody who works on one fetch: libgit2's callbacks, the transports and the watcher.
#[derive(Clone, Default)]
pub(super) struct Stop {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    reason: Mutex<Option<Error>>,
    breakers: Mutex<Vec<Breaker>>,
}

impl Stop {
    /// Does some work while a second thread watches the clock and the wish of the caller. Whoever stopped it
    /// first has the last word: libgit2 only says that a callback did not want to go on.
    pub(super) fn watch<T>(
        cancel: &AtomicBool,
        limit: Duration,
        work: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<T> {
        let stop = Self::default();
        let outcome = std::thread::scope(|scope| {
            let (end, ended) = channel();
            let watcher = stop.clone();
            scope.spawn(move || watcher.look_after(cancel, limit, &ended));
            let outcome = work(&stop);
            drop(end);
            outcome
        });
        outcome.map_err(|error| stop.take_reason().unwrap_or(error))
    }

    fn look_after(&self, cancel: &AtomicBool, limit: Duration, ended: &Receiver<()>) {
        let deadline = Instant::now() + limit;
        while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            if cancel.load(Ordering::Relaxed) {
                return self.because(Error::new(Code::Cancelled, "The fetch was cancelled"));
            }
            if Instant::now() >= deadline {
                let detail = format!("The fetch took longer than {} s", limit.as_secs());
                return self.because(Error::new(Code::TimedOut, detail));
            }
        }
    }

    /// Ends everything. The first reason is kept.
    pub(super) fn because(&self, reason: Error) {
        lock(&self.shared.reason).get_or_insert(reason);
        self.shared.stopped.store(true, Ordering::Relaxed);
        lock(&self.shared.breakers).iter().for_each(Breaker::trip);
    }

    /// Whether to go on.
    pub(super) fn is_set(&self) -> bool {
        self.shared.stopped.load(Ordering::Relaxed)
    }

    /// The reason as an error, when there is one.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_set() { Err(Error::new(Code::Cancelled, "The fetch was cancelled")) } else { Ok(()) }
    }

    /// Has a process ended when this is set.
    pub(super) fn breaks(&self, breaker: &Breaker) {
        lock(&self.shared.breakers).push(breaker.clone());
        // It may have been set before the process was there.
        if self.is_set() {
            breaker.trip();
        }
    }

    fn take_reason(&self) -> Option<Error> {
        lock(&self.shared.reason).take()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
