//! Two runtimes meet in a handler: the daemon's own, on which everything lives that goes on after an answer, and
//! that of the actix worker, which ends with the server.

use std::future::{Future, poll_fn};
use std::pin::pin;

use actix_web::rt;
use tokio::runtime::Handle;

/// The runtime of the daemon.
pub(crate) struct Daemon(Handle);

impl Daemon {
    /// The one that this is called on.
    pub(crate) fn current() -> Self {
        Self(Handle::current())
    }

    /// Runs a future here on the worker, but so that what it spawns (an installation, a process that is watched)
    /// belongs to the daemon.
    pub(crate) async fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            let _entered = self.0.enter();
            future.as_mut().poll(context)
        })
        .await
    }
}

/// The runtime of a worker.
pub(crate) struct Worker(Handle);

impl Worker {
    /// The one that this is called on.
    pub(crate) fn current() -> Self {
        Self(Handle::current())
    }

    /// Spawns what cannot leave its thread, as everything that reads from a connection of actix.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let _entered = self.0.enter();
        rt::spawn(task);
    }
}
