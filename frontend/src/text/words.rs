//! The words of the domain on the page: what a state, an event or an exit is called, and how it reads in a sentence.

use mantyx_api_types::core::{
    AppEvent, AppState, AppType, DependencyFormat, Ending, ExecutionStatus, Exit, Health, HealthCheck,
    LimitMechanism, Limits, Origin, Probe, RelativePath, RestartPolicy, Trigger,
};

use super::{number, time};

/// What a state is called.
pub(crate) const fn state(state: AppState) -> &'static str {
    match state {
        AppState::Uploaded => "Not installed",
        AppState::Installed => "Installed",
        AppState::Enabled => "Enabled",
        AppState::Disabled => "Disabled",
        AppState::Running => "Running",
        AppState::Stopped => "Stopped",
        AppState::Failed => "Failed",
        AppState::Deleted => "Deleted",
    }
}

/// What a type is called.
pub(crate) const fn app_type(app_type: AppType) -> &'static str {
    match app_type {
        AppType::Scheduled => "Scheduled",
        AppType::Perpetual => "Perpetual",
    }
}

/// The word on a button.
pub(crate) const fn event(event: AppEvent) -> &'static str {
    match event {
        AppEvent::Install => "Install",
        AppEvent::Enable => "Enable",
        AppEvent::Start => "Start",
        AppEvent::Run => "Run now",
        AppEvent::Stop => "Stop",
        AppEvent::Restart => "Restart",
        AppEvent::Disable => "Disable",
        AppEvent::Update => "Update",
        AppEvent::Rollback => "Roll back",
        AppEvent::Rename => "Rename",
        AppEvent::Delete => "Delete",
        AppEvent::Restore => "Restore",
        other => other.as_str(),
    }
}

/// What a toast says once a request was taken: what is under way, not what is hoped for.
pub(crate) fn asked(event: AppEvent, app: &str) -> String {
    match event {
        AppEvent::Enable => format!("`{app}` is enabled"),
        AppEvent::Start => format!("Starting `{app}`"),
        AppEvent::Run => format!("A run of `{app}` was started"),
        AppEvent::Stop => format!("Stopping `{app}`"),
        AppEvent::Restart => format!("Restarting `{app}`"),
        AppEvent::Disable => format!("`{app}` is disabled: nothing of it runs"),
        other => format!("`{app}`: {other}"),
    }
}

/// How an execution ended, or that it has not.
pub(crate) const fn status(status: ExecutionStatus) -> &'static str {
    match status {
        ExecutionStatus::Pending => "Starting",
        ExecutionStatus::Running => "Running",
        ExecutionStatus::Success => "Succeeded",
        ExecutionStatus::Failed => "Failed",
        ExecutionStatus::Timeout => "Timed out",
        ExecutionStatus::Cancelled => "Stopped",
        ExecutionStatus::Lost => "Lost",
    }
}

/// What caused an execution.
pub(crate) const fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Manual => "by hand",
        Trigger::Schedule => "on schedule",
        Trigger::Boot => "with Mantyx",
        Trigger::Restart => "restart",
        Trigger::Retry => "another attempt",
        Trigger::Update => "after a change",
    }
}

/// How a process ended: `exit 1`, `SIGKILL`.
pub(crate) fn exit(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal(number) => signal(number).map_or_else(|| format!("signal {number}"), str::to_owned),
    }
}

/// Why an execution ended, in a sentence; `exit` is what the kernel said beside it.
pub(crate) fn ending(ending: &Ending, exit: Option<Exit>) -> String {
    match ending {
        Ending::Exited => exited(exit),
        Ending::Stopped { by } => format!("Stopped by {by}"),
        Ending::OutOfMemory { limit: Some(limit) } => {
            format!(
                "It wanted more memory than its limit of {}, and the kernel ended it",
                number::bytes(*limit)
            )
        }
        Ending::OutOfMemory { limit: None } => {
            "The machine had no memory left, and the kernel ended it".to_owned()
        }
        Ending::Unhealthy { detail } => format!("It failed its health check: {detail}"),
        Ending::ShutDown => "The machine was shut down, or somebody ended its monitor".to_owned(),
        Ending::WatchdogExpired => "It did not say in time that it is alive".to_owned(),
        Ending::TimedOut { after } => {
            let after = time::duration(chrono::TimeDelta::seconds((*after).into()));
            format!("It took longer than the {after} that it may")
        }
        Ending::NotStarted { reason } => format!("It never began: {reason}"),
        Ending::Lost => "Nobody saw how it ended: what watched over it was gone as well".to_owned(),
    }
}

fn exited(exit: Option<Exit>) -> String {
    match exit {
        None => "It ended by itself".to_owned(),
        Some(Exit::Code(0)) => {
            "It ended by itself, with exit code 0: for Mantyx that is a success".to_owned()
        }
        Some(Exit::Code(code)) => format!("It ended by itself, with exit code {code}"),
        Some(Exit::Signal(number)) => match meaning(number) {
            Some(meaning) => format!("{}: {meaning}", self::exit(Exit::Signal(number))),
            None => format!("It was ended by {}", self::exit(Exit::Signal(number))),
        },
    }
}

/// What a signal that nobody asked Mantyx to send says about a program.
const fn meaning(number: i32) -> Option<&'static str> {
    Some(match number {
        4 => "it ran machine code that this processor does not have",
        6 => "it gave up by itself, as native code does when it finds a fault",
        7 | 11 => "native code, such as an extension module, used memory that is not its own",
        8 => "native code divided by zero",
        9 => "somebody or something on this machine killed it",
        1 | 2 | 3 | 15 => "somebody or something on this machine asked it to end",
        _ => return None,
    })
}

/// The same in a word or two, where there is no room for more.
pub(crate) fn ending_short(ending: Option<&Ending>, exit: Option<Exit>) -> Option<String> {
    let words = match ending {
        None | Some(Ending::Exited | Ending::Stopped { .. }) => return exit.map(self::exit),
        Some(Ending::OutOfMemory { .. }) => "out of memory",
        Some(Ending::Unhealthy { .. }) => "unhealthy",
        Some(Ending::WatchdogExpired) => "watchdog",
        Some(Ending::ShutDown) => "shut down",
        Some(Ending::TimedOut { .. }) => "too slow",
        Some(Ending::NotStarted { .. }) => "did not start",
        Some(Ending::Lost) => "lost",
    };
    Some(words.to_owned())
}

/// Why an execution ended, in one line: the cause that was recognised, or else how it ended.
pub(crate) fn cause(ending: Option<&Ending>, exit: Option<Exit>, recognised: Option<&str>) -> Option<String> {
    match (recognised, ending) {
        (Some(cause), _) => Some(cause.to_owned()),
        (None, Some(Ending::Exited) | None) => exit.map(self::exit),
        (None, Some(ending)) => Some(self::ending(ending, exit)),
    }
}

/// The same where it is said already how long it ran: there is room for little, and the reason matters more.
pub(crate) fn cause_beside_duration(cause: &str) -> &str {
    let rest = cause.strip_prefix("It ended ").and_then(|rest| rest.split_once(" after its start. "));
    rest.map_or(cause, |(_, reason)| reason)
}

/// What to do about an ending, as far as the ending alone says it.
pub(crate) const fn remedy(ending: &Ending) -> Option<&'static str> {
    Some(match ending {
        Ending::OutOfMemory { limit: Some(_) } => {
            "Look below whether its memory grows without end. If it just needs more, raise the limit under Configuration."
        }
        Ending::OutOfMemory { limit: None } => {
            "Give the hungriest apps a memory limit under Configuration, so that they pay for themselves."
        }
        Ending::Unhealthy { .. } => {
            "If the app is well but slow to begin, give it a longer start period under Configuration."
        }
        Ending::WatchdogExpired => {
            "It may hang. If it is only busy, give it a longer watchdog time under Configuration."
        }
        Ending::TimedOut { .. } => "If it simply needs longer, raise its time limit under Configuration.",
        Ending::Exited
        | Ending::Stopped { .. }
        | Ending::ShutDown
        | Ending::NotStarted { .. }
        | Ending::Lost => return None,
    })
}

/// How an app is, beside its state.
pub(crate) const fn health(health: Health) -> &'static str {
    match health {
        Health::Unknown => "Not checked",
        Health::Starting => "Getting ready",
        Health::Healthy => "Healthy",
        Health::Unhealthy => "Unhealthy",
    }
}

/// How an app is looked at: `GET /health every 30 s`.
pub(crate) fn health_check(check: &HealthCheck) -> String {
    let what = match &check.probe {
        Probe::None => return "nothing looks at it".to_owned(),
        Probe::Http { url, .. } => format!("GET {url}"),
        Probe::Tcp { port: Some(port) } => format!("a connection to port {port}"),
        Probe::Tcp { port: None } => "a connection to its web port".to_owned(),
        Probe::Exec { command } => command.clone(),
    };
    format!("{what} every {}", time::duration(chrono::TimeDelta::seconds(check.interval.into())))
}

/// What an app may use: `512 MB of memory, 50 % CPU`.
pub(crate) fn limits(limits: &Limits) -> String {
    let count = |count: u32, what: &str| format!("{} {what}", number::count(count as usize));
    let parts = [
        limits.memory.map(|bytes| format!("{} of memory", number::bytes(bytes))),
        limits.cpu.map(|cores| format!("{} CPU", number::processors(cores.as_f64()))),
        limits.processes.map(|processes| count(processes, "processes")),
        limits.open_files.map(|files| count(files, "open files")),
        limits.nice.map(|nice| format!("niceness {nice}")),
        limits.oom_score.map(|score| format!("OOM score {score}")),
    ];
    let said: Vec<String> = parts.into_iter().flatten().collect();
    if said.is_empty() { "none".to_owned() } else { said.join(", ") }
}

/// By what means apps are held to their limits.
pub(crate) const fn mechanism(mechanism: LimitMechanism) -> &'static str {
    match mechanism {
        LimitMechanism::Systemd => "a scope of systemd for each run",
        LimitMechanism::CgroupV2 => "control groups, version 2",
        LimitMechanism::CgroupV1 => "control groups, version 1",
        LimitMechanism::Rlimits => "limits of single processes only",
    }
}

/// The names of signal(7) that end processes in practice.
const fn signal(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}

/// What a restart policy is called.
pub(crate) const fn policy(policy: RestartPolicy) -> &'static str {
    match policy {
        RestartPolicy::Always => "Always",
        RestartPolicy::OnFailure => "On failure",
        RestartPolicy::Never => "Never",
    }
}

/// How a file declares dependencies.
pub(crate) const fn dependencies(format: DependencyFormat) -> &'static str {
    match format {
        DependencyFormat::UvLock => "a lock of uv",
        DependencyFormat::PylockToml => "a standard lock",
        DependencyFormat::RequirementsTxt => "requirements",
        DependencyFormat::PyprojectToml => "a project file",
        DependencyFormat::InlineMetadata => "metadata in the script",
    }
}

/// Where a release came from.
pub(crate) fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Archive { file } | Origin::Script { file } => file.clone(),
        Origin::Git { url, reference, commit, subdir, edited, submodules, .. } => {
            let short = commit.get(..7).unwrap_or(commit);
            let place = subdir.as_ref().map(|path| format!(" in {path}")).unwrap_or_default();
            let place = if *submodules { format!("{place}, with submodules") } else { place };
            let edited: Vec<&str> = edited.iter().map(RelativePath::as_str).collect();
            let since = match edited.as_slice() {
                [] => String::new(),
                edited => format!(", edited here since: {}", edited.join(", ")),
            };
            match reference {
                Some(reference) => format!("{url}, {reference} at {short}{place}{since}"),
                None => format!("{url} at {short}{place}{since}"),
            }
        }
    }
}

/// The kind of place that a release came from.
pub(crate) const fn origin_kind(origin: &Origin) -> &'static str {
    match origin {
        Origin::Archive { .. } => "Archive",
        Origin::Script { .. } => "Script",
        Origin::Git { .. } => "Git",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_reads_as_people_know_it() {
        assert_eq!(exit(Exit::Code(1)), "exit 1");
        assert_eq!(exit(Exit::Signal(9)), "SIGKILL");
        assert_eq!(exit(Exit::Signal(63)), "signal 63");
    }

    #[test]
    fn every_ending_is_a_sentence() {
        let said = |kind: Ending, exit| ending(&kind, exit);
        assert_eq!(said(Ending::Exited, Some(Exit::Code(3))), "It ended by itself, with exit code 3");
        assert!(said(Ending::Exited, Some(Exit::Signal(11))).starts_with("SIGSEGV: native code"));
        assert_eq!(said(Ending::Exited, Some(Exit::Signal(63))), "It was ended by signal 63");
        assert_eq!(
            said(Ending::Stopped { by: "owner (restart)".into() }, None),
            "Stopped by owner (restart)"
        );
        assert!(said(Ending::OutOfMemory { limit: Some(512 << 20) }, None).contains("limit of 512 MB"));
        assert!(said(Ending::OutOfMemory { limit: None }, None).contains("The machine"));
        assert!(said(Ending::Unhealthy { detail: "Status 500".into() }, None).ends_with("Status 500"));
        assert!(said(Ending::WatchdogExpired, None).contains("alive"));
        assert!(said(Ending::TimedOut { after: 90 }, None).contains("1 min 30 s"));
        assert!(said(Ending::NotStarted { reason: "No such file".into() }, None).ends_with("No such file"));
        assert!(said(Ending::Lost, None).contains("Nobody saw"));
    }

    #[test]
    fn where_there_is_no_room_an_ending_is_a_word() {
        let exit = Some(Exit::Signal(9));
        assert_eq!(
            ending_short(Some(&Ending::OutOfMemory { limit: None }), exit).as_deref(),
            Some("out of memory")
        );
        assert_eq!(ending_short(Some(&Ending::Exited), exit).as_deref(), Some("SIGKILL"));
        assert_eq!(ending_short(None, None), None);
    }

    #[test]
    fn how_long_it_ran_is_said_once() {
        let cause = "It ended 16 ms after its start. The module `jinja3` is not installed";
        assert_eq!(cause_beside_duration(cause), "The module `jinja3` is not installed");
        let alone = "It ended 16 ms after its start, and its last lines are empty";
        assert_eq!(cause_beside_duration(alone), alone);
    }

    #[test]
    fn an_origin_names_its_commit() {
        let mut git = Origin::Git {
            url: "https://example.org/a.git".into(),
            reference: Some("main".into()),
            commit: "4f2a91c0ffee".into(),
            subdir: None,
            credential: None,
            edited: vec![],
            submodules: false,
        };
        assert_eq!(origin(&git), "https://example.org/a.git, main at 4f2a91c");
        let Origin::Git { edited, .. } = &mut git else { panic!("it is git") };
        edited.extend(["main.py", "b.py"].map(|path| RelativePath::parse(path).unwrap()));
        assert_eq!(
            origin(&git),
            "https://example.org/a.git, main at 4f2a91c, edited here since: main.py, b.py"
        );
    }
}
