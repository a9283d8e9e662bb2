//! Monitors on standby.
//!
//! Before a process is in its control groups some milliseconds pass, and a program that is as large as the daemon takes
//! its time to start another. So a few monitors are always started ahead, each with a process that waits in groups which
//! hold it to nothing yet. A launch is given to one of them, and one that finds nobody waiting starts a monitor of its
//! own. It is no more work in all: what a launch takes is started for the next one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mantyx_core::ConfinementId;
use mantyx_monitor::Standby;
use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::context::Context;
use crate::launch::start_monitor;
use crate::limiter::Limiter;

/// How many wait: a service that falls soon after another finds one too. Each costs a fifth of a megabyte.
const SIZE: usize = 2;
/// A monitor that is given nothing ends within milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// A monitor that waits for its launch.
pub(crate) struct Ready {
    pub(crate) monitor: Child,
    /// With which id the launch has to be confined, because a process waits in those groups.
    pub(crate) id: Option<ConfinementId>,
}

/// Keeps monitors ready.
#[derive(Default)]
pub(crate) struct Reserve {
    ready: Arc<Mutex<VecDeque<Ready>>>,
    filling: Mutex<Option<JoinHandle<()>>>,
}

impl Reserve {
    /// The monitor that has waited longest and is alive. What one leaves that somebody has killed is removed.
    pub(crate) fn take(&self, limiter: &Limiter) -> Option<Ready> {
        let mut ready = lock(&self.ready);
        while let Some(mut next) = ready.pop_front() {
            if next.monitor.try_wait().is_ok_and(|ended| ended.is_none()) {
                return Some(next);
            }
            next.id.into_iter().for_each(|id| drop(limiter.clear(id)));
        }
        None
    }

    /// Whether one waits, as far as is known.
    pub(crate) fn has_one(&self) -> bool {
        !lock(&self.ready).is_empty()
    }

    /// Starts as many as are missing, unless somebody is at it.
    pub(crate) fn refill(&self, context: &Arc<Context>) {
        let mut filling = lock(&self.filling);
        if filling.as_ref().is_none_or(JoinHandle::is_finished) {
            *filling = Some(tokio::spawn(fill(Arc::clone(context), Arc::clone(&self.ready))));
        }
    }

    /// Nothing will be launched any more. Comes back when nothing is left of what waited.
    pub(crate) async fn dismiss(&self, limiter: &Limiter) {
        let filling = lock(&self.filling).take();
        if let Some(filling) = filling {
            let _ = filling.await;
        }
        let ready = std::mem::take(&mut *lock(&self.ready));
        for mut ready in ready {
            drop(ready.monitor.stdin.take());
            if timeout(PATIENCE, ready.monitor.wait()).await.is_err() {
                let _ = ready.monitor.kill().await;
            }
            if let Some(id) = ready.id {
                let _ = limiter.clear(id).await;
            }
        }
    }
}

async fn fill(context: Arc<Context>, ready: Arc<Mutex<VecDeque<Ready>>>) {
    while lock(&ready).len() < SIZE && !*context.down.borrow() {
        match start(&context).await {
            Ok(next) => lock(&ready).push_back(next),
            // Whoever needs one starts it, and says what is wrong.
            Err(reason) => return tracing::debug!(reason, "no monitor is on standby"),
        }
    }
}

async fn start(context: &Context) -> Result<Ready, String> {
    let id = ConfinementId::generate();
    // It is called by its execution once it has one.
    let mut monitor = start_monitor(context, &id.to_string())?;
    // Systemd has to put the monitor where the process is to be, and that before the process is there.
    let (Some(input), Some(standby)) = (&mut monitor.stdin, context.limiter.bare(id)) else {
        return Ok(Ready { monitor, id: None });
    };
    let mut line = serde_json::to_vec(&Standby { standby }).map_err(|error| error.to_string())?;
    line.push(b'\n');
    input.write_all(&line).await.map_err(|error| error.to_string())?;
    Ok(Ready { monitor, id: Some(id) })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
