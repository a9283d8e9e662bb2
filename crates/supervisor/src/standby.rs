//! A monitor on standby.
//!
//! Before a process is in its control groups some milliseconds pass, and a program that is as large as the daemon takes
//! its time to start another. So one monitor is always started ahead, with a process waiting in groups that hold it to
//! nothing yet. The next launch is given to it, and one that finds nobody waiting starts a monitor of its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mantyx_core::ConfinementId;
use mantyx_monitor::Standby;
use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::context::Context;
use crate::launch::start_monitor;

/// The next monitor is started when no launch was seen for this long: until then others need the processor more.
const CALM: Duration = Duration::from_millis(100);
/// A monitor that is given nothing ends within milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// A monitor that waits for its launch.
pub(crate) struct Ready {
    pub(crate) monitor: Child,
    /// With which id the launch has to be confined, because a process waits in those groups.
    pub(crate) id: Option<ConfinementId>,
}

/// Keeps a monitor ready.
#[derive(Default)]
pub(crate) struct Reserve {
    ready: Arc<Mutex<Option<Ready>>>,
    refill: Mutex<Option<JoinHandle<()>>>,
}

impl Reserve {
    /// The monitor that waits, if it is alive.
    pub(crate) fn take(&self) -> Option<Ready> {
        let mut ready = lock(&self.ready).take()?;
        ready.monitor.try_wait().is_ok_and(|ended| ended.is_none()).then_some(ready)
    }

    /// Whether one waits, as far as is known.
    pub(crate) fn is_filled(&self) -> bool {
        lock(&self.ready).is_some()
    }

    /// Starts the next, once there is time for it.
    pub(crate) fn refill(&self, context: &Arc<Context>) {
        let (context, ready) = (Arc::clone(context), Arc::clone(&self.ready));
        let task = tokio::spawn(async move {
            sleep(CALM).await;
            if lock(&ready).is_none() {
                match start(&context).await {
                    Ok(next) => drop(lock(&ready).replace(next)),
                    // Whoever needs one starts it, and says what is wrong.
                    Err(reason) => tracing::debug!(reason, "no monitor is on standby"),
                }
            }
        });
        if let Some(before) = lock(&self.refill).replace(task) {
            before.abort();
        }
    }

    /// Nothing will be launched any more. Comes back when nothing is left of what waited.
    pub(crate) async fn dismiss(&self) {
        let refill = lock(&self.refill).take();
        if let Some(refill) = refill {
            refill.abort();
            let _ = refill.await;
        }
        let Some(mut ready) = self.take() else { return };
        drop(ready.monitor.stdin.take());
        if timeout(PATIENCE, ready.monitor.wait()).await.is_err() {
            let _ = ready.monitor.kill().await;
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
