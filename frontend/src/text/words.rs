//! The words of the domain on the page: what a state, an event or an exit is called, and how it reads in a sentence.

use mantyx_api_types::core::{
    AppEvent, AppState, AppType, DependencyFormat, ExecutionStatus, Exit, OperationKind, Origin,
    RestartPolicy, Trigger,
};

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

/// What an operation is doing, with its app's name behind it.
pub(crate) const fn doing(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Install => "Installing",
        OperationKind::Delete => "Deleting",
        OperationKind::Restore => "Restoring",
        OperationKind::Purge => "Deleting for good",
    }
}

/// What an operation is called.
pub(crate) const fn operation(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Install => "Install",
        OperationKind::Delete => "Delete",
        OperationKind::Restore => "Restore",
        OperationKind::Purge => "Delete for good",
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
    }
}

/// How a process ended: `exit 1`, `SIGKILL`.
pub(crate) fn exit(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal(number) => signal(number).map_or_else(|| format!("signal {number}"), str::to_owned),
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
        Origin::Git { url, reference, commit, subdir } => {
            let short = commit.get(..7).unwrap_or(commit);
            let place = subdir.as_ref().map(|path| format!(" in {path}")).unwrap_or_default();
            match reference {
                Some(reference) => format!("{url}, {reference} at {short}{place}"),
                None => format!("{url} at {short}{place}"),
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
    fn an_origin_names_its_commit() {
        let git = Origin::Git {
            url: "https://example.org/a.git".into(),
            reference: Some("main".into()),
            commit: "4f2a91c0ffee".into(),
            subdir: None,
        };
        assert_eq!(origin(&git), "https://example.org/a.git, main at 4f2a91c");
    }
}
