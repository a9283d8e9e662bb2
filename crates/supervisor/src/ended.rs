//! The end of an execution.

use std::fmt;
use std::time::Duration;

use chrono::Utc;
use mantyx_core::{Exit, RestartRule, Timestamp};
use mantyx_monitor::{ExitRecord, Outcome as Seen, Wish};

/// How an execution ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// What the kernel said; nothing when no process ran, or when nobody could see it.
    pub exit: Option<Exit>,
    /// What it means.
    pub outcome: Outcome,
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

/// What an end means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By itself.
    Exited,
    /// Because somebody asked for it.
    StoppedOnRequest,
    /// It never ran: why, as a sentence.
    StartFailed(String),
    /// Its monitor was killed, and everything that was left of it has been killed too.
    Lost,
}

impl Ended {
    pub(crate) fn start_failed(reason: impl Into<String>) -> Self {
        Self::without_exit(Outcome::StartFailed(reason.into()), None)
    }

    pub(crate) fn lost(started: Option<Timestamp>) -> Self {
        Self::without_exit(Outcome::Lost, started)
    }

    fn without_exit(outcome: Outcome, started: Option<Timestamp>) -> Self {
        Self {
            exit: None,
            outcome,
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

    /// The exit that the restart policy judges: what was not seen or could not start was no success.
    pub(crate) fn judged(&self) -> Exit {
        self.exit.unwrap_or(Exit::Code(1))
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
        let (exit, outcome) = match (record.outcome, record.wish) {
            (Seen::StartFailed(reason), _) => (None, Outcome::StartFailed(reason)),
            (Seen::Exited(exit), Wish::Stop) => (Some(exit), Outcome::StoppedOnRequest),
            (Seen::Exited(exit), Wish::None) => (Some(exit), Outcome::Exited),
        };
        Self {
            exit,
            outcome,
            started: record.started_at,
            finished: record.finished_at,
            cpu_seconds: record.cpu_seconds,
            peak_memory: record.peak_memory,
            dropped_lines: record.dropped_lines,
        }
    }
}

/// What goes behind "the process": `exited with code 1 after 0.4 s`.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.outcome, self.exit) {
            (Outcome::StartFailed(reason), _) => return write!(f, "could not be started: {reason}"),
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
    use mantyx_core::RestartPolicy;

    fn ended(exit: Option<Exit>, outcome: Outcome, ran: TimeDelta) -> Ended {
        let started = Some(Timestamp::UNIX_EPOCH);
        let finished = Timestamp::UNIX_EPOCH + ran;
        Ended { exit, finished, ..Ended::without_exit(outcome, started) }
    }

    #[test]
    fn a_reason_to_give_up_is_a_sentence() {
        let second = Duration::from_secs(1);
        let rule =
            RestartRule { policy: RestartPolicy::Always, delay: second, limit: 3, window: 300 * second };
        let crash = ended(Some(Exit::Code(1)), Outcome::Exited, TimeDelta::milliseconds(420));
        assert_eq!(
            crash.reason_to_give_up(&rule, 3),
            "Restarted 3 times in 300 s; the last process exited with code 1 after 0.4 s"
        );
        let killed = ended(Some(Exit::Signal(9)), Outcome::Exited, TimeDelta::minutes(12));
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
}
