//! The end of an execution.

use std::fmt;
use std::time::Duration;

use chrono::Utc;
use mantyx_core::{Ending, Exit, RestartRule, Timestamp};
use mantyx_monitor::{ExitRecord, Outcome, Wish};

/// How an execution ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// What the kernel said; nothing when no process ran, or when nobody could see it.
    pub exit: Option<Exit>,
    /// Why.
    pub ending: Ending,
    /// When the process began, if it did.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Timestamp,
    /// Processor seconds of the process and the children that it waited for.
    pub cpu_seconds: f64,
    /// The most memory that one process of it held, in bytes.
    pub peak_memory: u64,
    /// Log lines that could not be written.
    pub dropped_lines: u64,
}

impl Ended {
    pub(crate) fn start_failed(reason: impl Into<String>) -> Self {
        Self::without_exit(Ending::NotStarted { reason: reason.into() }, None)
    }

    pub(crate) fn lost(started: Option<Timestamp>) -> Self {
        Self::without_exit(Ending::Lost, started)
    }

    fn without_exit(ending: Ending, started: Option<Timestamp>) -> Self {
        Self {
            exit: None,
            ending,
            started,
            finished: Utc::now(),
            cpu_seconds: 0.0,
            peak_memory: 0,
            dropped_lines: 0,
        }
    }

    /// Whether the process ended with 0.
    pub fn is_success(&self) -> bool {
        self.exit.is_some_and(Exit::is_success)
    }

    /// How long the process ran; a clock that was set back counts as no time.
    pub fn duration(&self) -> Duration {
        self.started.and_then(|started| (self.finished - started).to_std().ok()).unwrap_or_default()
    }

    /// Whether somebody asked for it.
    #[must_use]
    pub const fn was_asked_for(&self) -> bool {
        matches!(self.ending, Ending::Stopped { .. })
    }

    /// Whether its monitor was told to end, as everything is when the machine is shut down. It says nothing of the app.
    pub(crate) const fn was_shut_down(&self) -> bool {
        matches!(self.ending, Ending::ShutDown)
    }

    /// The exit that the restart policy judges. What did not end by itself was no success, however politely it went.
    pub(crate) fn judged(&self) -> Exit {
        match (&self.ending, self.exit) {
            (Ending::Exited | Ending::Stopped { .. }, Some(exit)) => exit,
            (_, Some(exit)) if !exit.is_success() => exit,
            _ => Exit::Code(1),
        }
    }

    /// Why a service is given up, as a sentence.
    pub(crate) fn reason_to_give_up(&self, rule: &RestartRule, restarts: u32) -> String {
        let window = rule.window.as_secs();
        match restarts {
            0 => format!("No restart is allowed; the process {self}"),
            1 => format!("Restarted once in {window} s; the last process {self}"),
            _ => format!("Restarted {restarts} times in {window} s; the last process {self}"),
        }
    }
}

impl From<ExitRecord> for Ended {
    fn from(record: ExitRecord) -> Self {
        Self::of(record, None)
    }
}

impl Ended {
    /// How an execution ended that had been `ordered` to. A monitor of version 1 keeps no reasons.
    pub(crate) fn of(record: ExitRecord, ordered: Option<Ending>) -> Self {
        let by_somebody = || Ending::Stopped { by: SOMEBODY.to_owned() };
        let (exit, seen) = match (record.outcome, record.wish) {
            (Outcome::StartFailed(reason), _) => (None, Ending::NotStarted { reason }),
            (Outcome::Exited(exit), Wish::Stop) => (Some(exit), ordered.unwrap_or_else(by_somebody)),
            (Outcome::Exited(exit), Wish::None) => (Some(exit), Ending::Exited),
        };
        Self {
            exit,
            ending: record.ending.unwrap_or(seen),
            started: record.started_at,
            finished: record.finished_at,
            cpu_seconds: record.cpu_seconds,
            peak_memory: record.peak_memory,
            dropped_lines: record.dropped_lines,
        }
    }
}

/// Who stopped a process under a monitor of version 1, which keeps no names.
const SOMEBODY: &str = "somebody";

/// What goes behind "the process": `exited with code 1 after 0.4 s`.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.ending, self.exit) {
            (Ending::NotStarted { reason }, _) => return write!(f, "could not be started: {reason}"),
            (Ending::ShutDown, _) => f.write_str("was ended with the machine, or with its monitor")?,
            (Ending::OutOfMemory { .. }, _) => f.write_str("was ended because there was no memory left")?,
            (Ending::Unhealthy { detail }, _) => {
                write!(f, "was stopped because it was unhealthy ({detail})")?;
            }
            (Ending::WatchdogExpired, _) => {
                f.write_str("was stopped because it did not say that it is alive")?;
            }
            (Ending::TimedOut { after }, _) => {
                write!(f, "was stopped because it took longer than {after} s")?;
            }
            (_, Some(Exit::Code(code))) => write!(f, "exited with code {code}")?,
            (_, Some(Exit::Signal(number))) => write!(f, "was ended by {}", Signal(number))?,
            (_, None) => f.write_str("was lost with its monitor")?,
        }
        write!(f, " after {}", Span(self.duration()))
    }
}

/// A signal by its name where it has a common one (signal(7)).
struct Signal(i32);

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            1 => "SIGHUP",
            2 => "SIGINT",
            3 => "SIGQUIT",
            4 => "SIGILL",
            6 => "SIGABRT",
            7 => "SIGBUS",
            8 => "SIGFPE",
            9 => "SIGKILL",
            11 => "SIGSEGV",
            13 => "SIGPIPE",
            15 => "SIGTERM",
            number => return write!(f, "signal {number}"),
        };
        f.write_str(name)
    }
}

/// A time as a person says it: tenths while they matter.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0 if self.0.as_millis() < 100 => write!(f, "{} ms", self.0.as_millis()),
            0..10 => write!(f, "{:.1} s", self.0.as_secs_f64()),
            10..600 => write!(f, "{seconds} s"),
            600..36_000 => write!(f, "{} min", seconds / 60),
            _ => write!(f, "{} h", seconds / 3600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use mantyx_core::{AfterGivingUp, RestartPolicy};

    fn ended(exit: Option<Exit>, ending: Ending, ran: TimeDelta) -> Ended {
        let started = Some(Timestamp::UNIX_EPOCH);
        let finished = Timestamp::UNIX_EPOCH + ran;
        Ended { exit, finished, ..Ended::without_exit(ending, started) }
    }

    #[test]
    fn a_reason_to_give_up_is_a_sentence() {
        let second = Duration::from_secs(1);
        let rule = RestartRule {
            policy: RestartPolicy::Always,
            delay: second,
            limit: 3,
            window: 300 * second,
            after_giving_up: AfterGivingUp::Rest,
        };
        let crash = ended(Some(Exit::Code(1)), Ending::Exited, TimeDelta::milliseconds(420));
        assert_eq!(
            crash.reason_to_give_up(&rule, 3),
            "Restarted 3 times in 300 s; the last process exited with code 1 after 0.4 s"
        );
        let killed = ended(Some(Exit::Signal(9)), Ending::Exited, TimeDelta::minutes(12));
        assert_eq!(
            killed.reason_to_give_up(&rule, 1),
            "Restarted once in 300 s; the last process was ended by SIGKILL after 12 min"
        );
        assert_eq!(
            Ended::start_failed("Could not start `x`: there is no such file").reason_to_give_up(&rule, 0),
            "No restart is allowed; the process could not be started: Could not start `x`: there is no such file"
        );
    }

    #[test]
    fn what_nobody_saw_is_no_success() {
        assert!(!Ended::lost(None).judged().is_success());
        assert!(!Ended::start_failed("x").judged().is_success());
    }

    #[test]
    fn who_was_ill_and_ends_politely_was_no_success() {
        let exit = Some(Exit::Code(0));
        let ill = ended(exit, Ending::Unhealthy { detail: "No answer".into() }, TimeDelta::seconds(400));
        assert!(!ill.judged().is_success());
        assert_eq!(ill.to_string(), "was stopped because it was unhealthy (No answer) after 400 s");
        assert!(ended(exit, Ending::Exited, TimeDelta::seconds(1)).judged().is_success());
    }
}
