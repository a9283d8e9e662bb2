//! A timer on the wall clock that notices when the clock is set or the machine wakes (timerfd_create(2)).
//!
//! A sleep on the monotonic clock, which async runtimes offer, notices neither: it would fire at the wrong time.

use std::io;
use std::os::fd::OwnedFd;

use mantyx_core::{Error, Result, Timestamp};
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Why a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The instant has come.
    Due,
    /// The clock was set, so the instant has another distance now.
    ClockSet,
}

/// A timer on the wall clock.
#[derive(Debug)]
pub struct WallTimer(AsyncFd<OwnedFd>);

impl WallTimer {
    /// A timer that rests. It is made on a runtime.
    pub fn new() -> Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Realtime, flags).map_err(io::Error::from);
        let timer = timer.and_then(register);
        timer.map(Self).map_err(|error| Error::io("make a timer", error))
    }

    /// Sleeps until the instant, or until the clock is set. Dropping the sleep does no harm.
    pub async fn sleep_until(&self, instant: Timestamp) -> Result<Woken> {
        match self.arm(instant) {
            // The clock was set since the timer was armed before.
            Err(Errno::CANCELED) => return Ok(Woken::ClockSet),
            other => other.map_err(|error| Error::io("set a timer", error.into()))?,
        }
        let woken = self.0.async_io(Interest::READABLE, expiry).await;
        woken.map_err(|error| Error::io("wait for a timer", error))
    }

    fn arm(&self, instant: Timestamp) -> Result<(), Errno> {
        // Zero would turn the timer off instead of letting it expire.
        let tv_sec = instant.timestamp().max(1);
        let nanoseconds = i64::from(instant.timestamp_subsec_nanos().min(999_999_999));
        let it_value = Timespec { tv_sec, tv_nsec: nanoseconds };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        rustix::time::timerfd_settime(&self.0, flags, &once).map(drop)
    }
}

#[allow(unsafe_code, reason = "tokio's registration of a descriptor has no safe form")]
fn register(timer: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open for as long as it lives and always names the same descriptor; the `AsyncFd`
    // owns it from here on, and nothing takes it out or closes it before.
    unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) }.map_err(Into::into)
}

/// Reads the number of expiries, which is what makes the timer quiet again.
fn expiry(timer: &OwnedFd) -> io::Result<Woken> {
    match rustix::io::read(timer, &mut [0_u8; 8]) {
        Ok(_) => Ok(Woken::Due),
        Err(Errno::CANCELED) => Ok(Woken::ClockSet),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeDelta, Utc};

    #[tokio::test]
    async fn sleeps_to_the_instant_and_not_past_it() {
        let timer = WallTimer::new().unwrap();
        let due = Utc::now() + TimeDelta::milliseconds(50);
        assert_eq!(timer.sleep_until(due).await.unwrap(), Woken::Due);
        assert!(Utc::now() >= due);
    }

    #[tokio::test]
    async fn an_instant_of_the_past_has_come() {
        let timer = WallTimer::new().unwrap();
        for past in [Timestamp::UNIX_EPOCH, Timestamp::MIN_UTC, Utc::now()] {
            assert_eq!(timer.sleep_until(past).await.unwrap(), Woken::Due);
        }
    }
}
