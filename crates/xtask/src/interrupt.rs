//! Ctrl-C: a task takes down what it started instead of vanishing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From here on Ctrl-C and SIGTERM are noticed instead of ending this process.
pub(crate) fn watch() -> Result<()> {
    let flag = INTERRUPTED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(flag))?;
    }
    Ok(())
}

/// Waits a moment; an interruption is an error.
pub(crate) fn sleep(time: Duration) -> Result<()> {
    thread::sleep(time);
    check()
}

/// An interruption is an error.
pub(crate) fn check() -> Result<()> {
    if interrupted() {
        bail!("Interrupted");
    }
    Ok(())
}

/// Waits until it comes.
pub(crate) fn wait() {
    while !interrupted() {
        thread::sleep(Duration::from_millis(100));
    }
}

fn interrupted() -> bool {
    INTERRUPTED.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}
