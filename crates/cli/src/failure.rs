//! What can go wrong with a command, how it is said, and the exit code that it has.

use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use mantyx_api_types::{OperationView, Problem};
use mantyx_core::{AppEvent, Error, OperationKind, StepStatus};

use crate::output::{Kept, printable};

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is not right.
    Usage(Error),
    /// Nobody answers.
    Unreachable(Error),
    /// Somebody answers who is no Mantyx, or none of this version.
    Strange(Error),
    /// Mantyx says no.
    Refused(Box<Problem>),
    /// Long work that Mantyx has begun did not succeed.
    Operation(Box<OperationView>),
    /// Something here failed, such as reading a folder.
    Local(Error),
    /// Whoever read the output has gone, as `head` does. That is no error.
    NobodyReads,
}

/// Requests that hints of the API name, and the commands that do the same.
const COMMANDS: [(&str, &str); 9] = [
    ("GET /api/apps", "ls"),
    ("GET /api/trash", "trash ls"),
    ("GET /api/schedules", "schedule ls"),
    ("GET /api/executions", "executions"),
    ("GET /api/settings", "settings"),
    ("GET /api/tokens", "token ls"),
    ("GET /api/secrets", "secret ls"),
    ("PUT /api/secrets/{name}", "secret set"),
    ("PUT /api/apps/{app}/tracking", "track"),
];

/// The same for what is read below `/api/apps/{app}/`, with the app's name behind the command.
const COMMANDS_OF_AN_APP: [(&str, &str); 4] = [
    ("releases", "releases"),
    ("backups", "backup ls"),
    ("configuration", "config"),
    ("dependencies", "dependencies"),
];

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Self::NobodyReads => 0,
            Self::Refused(problem) if problem.status == 401 => 4,
            Self::Refused(_) | Self::Operation(_) | Self::Local(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) | Self::Strange(_) => 3,
        }
    }

    /// Whether it may be over in a moment: nobody is there, as while a daemon is started again, or it has no time.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused(problem) => matches!(problem.status, 429 | 503),
            Self::Usage(_) | Self::Strange(_) | Self::Operation(_) | Self::Local(_) | Self::NobodyReads => {
                false
            }
        }
    }

    /// What Mantyx says of it, to say more clearly how the remedy is typed.
    pub(crate) fn problem_mut(&mut self) -> Option<&mut Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            Self::Operation(operation) => operation.problem.as_mut(),
            Self::Usage(_) | Self::Unreachable(_) | Self::Strange(_) | Self::Local(_) | Self::NobodyReads => {
                None
            }
        }
    }

    /// Prints it on standard error. There is nobody to tell when that fails too.
    pub(crate) fn print(&self) {
        if !matches!(self, Self::NobodyReads) {
            let _ = write!(std::io::stderr(), "{}", printable(&self.to_string(), Kept::Lines));
        }
    }

    /// An answer that is not what the API promises.
    pub(crate) fn strange(path: &str, why: impl fmt::Display) -> Self {
        let error =
            Error::new(mantyx_core::Code::Internal, format!("`{path}` answered something strange: {why}"));
        Self::Strange(error.hint("Is this address a Mantyx of the same version?"))
    }
}

impl From<std::io::Error> for Failure {
    /// For writing to standard output, the only place where no path needs to be named.
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Local(Error::io("write the output", error)),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NobodyReads => Ok(()),
            Self::Refused(problem) => {
                write_reason(f, problem)?;
                write_remedy(f, problem)
            }
            Self::Operation(operation) => write_operation(f, operation),
            Self::Usage(error) | Self::Unreachable(error) | Self::Strange(error) | Self::Local(error) => {
                writeln!(f, "error: {}", error.detail())?;
                if let Some(cause) = std::error::Error::source(error) {
                    writeln!(f, "cause: {cause}")?;
                }
                write_hint(f, error.hint_text())
            }
        }
    }
}

/// Which step failed and why, and how the app is left.
fn write_operation(f: &mut fmt::Formatter<'_>, operation: &OperationView) -> fmt::Result {
    let (kind, status) = (operation.kind.as_str().replace('_', " "), operation.status.as_str());
    match &operation.problem {
        Some(problem) => write_reason(f, problem)?,
        None => writeln!(f, "error: The operation ({kind}) has {status}")?,
    }
    let failed = operation.steps.iter().enumerate().find(|(_, step)| step.status == StepStatus::Failed);
    if let Some((at, step)) = failed {
        writeln!(f, "failed at: {} (step {} of {})", step.title, at + 1, operation.steps.len())?;
    }
    if leaves_nothing(operation.kind) {
        writeln!(f, "undone: everything is as it was")?;
    }
    operation.problem.as_ref().map_or(Ok(()), |problem| write_remedy(f, problem))
}

/// Whether work of this kind that does not succeed leaves everything as it was, and that is good news. A first install
/// that fails is a state of the app, what is on its way to the trash or out of it goes on, and what a repair could not
/// make again is missing still.
const fn leaves_nothing(kind: OperationKind) -> bool {
    match kind {
        OperationKind::Update
        | OperationKind::Rollback
        | OperationKind::Configure
        | OperationKind::Rename
        | OperationKind::Backup
        | OperationKind::RestoreBackup
        | OperationKind::Export
        | OperationKind::Import => true,
        OperationKind::Install
        | OperationKind::Delete
        | OperationKind::Restore
        | OperationKind::Purge
        | OperationKind::Repair => false,
    }
}

fn write_reason(f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
    writeln!(f, "error: {}", problem.detail)?;
    // One that says the whole again says nothing new.
    for error in problem.errors.iter().filter(|error| error.detail != problem.detail) {
        writeln!(f, "  {}: {}", error.field, error.detail)?;
    }
    if let Some(entry) = &problem.entry {
        writeln!(f, "entry: {entry}")?;
    }
    Ok(())
}

fn write_remedy(f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
    let events: Vec<String> = problem.legal_events.iter().map(AppEvent::to_string).collect();
    let hint = problem.hint.as_deref().unwrap_or_default();
    if events.iter().any(|event| !hint.contains(event.as_str())) {
        writeln!(f, "possible now: {}", events.join(", "))?;
    }
    if let Some(incident) = &problem.incident {
        writeln!(f, "incident: {incident}, which stands in the daemon's log")?;
    }
    write_hint(f, problem.hint.as_deref())
}

fn write_hint(f: &mut fmt::Formatter<'_>, hint: Option<&str>) -> fmt::Result {
    hint.map_or(Ok(()), |hint| writeln!(f, "hint: {}", in_commands(hint)))
}

/// Hints of the API name its addresses, between backticks. Who types commands is told the command instead.
fn in_commands(hint: &str) -> String {
    let parts = hint.split('`').map(|part| command_of(part).unwrap_or_else(|| part.to_owned()));
    parts.collect::<Vec<_>>().join("`")
}

/// The command that does the same as a request.
fn command_of(request: &str) -> Option<String> {
    if let Some((_, command)) = COMMANDS.iter().find(|(known, _)| *known == request) {
        return Some(format!("mantyx {command}"));
    }
    let (app, what) = request.strip_prefix("GET /api/apps/")?.split_once('/')?;
    let (_, command) = COMMANDS_OF_AN_APP.iter().find(|(known, _)| *known == what)?;
    Some(format!("mantyx {command} {app}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::{Code, FieldError};

    fn problem(status: u16) -> Problem {
        Problem {
            r#type: String::new(),
            title: String::new(),
            status,
            detail: "`weather` cannot start".into(),
            code: Code::IllegalState,
            hint: Some("Install it first".into()),
            entry: None,
            errors: vec![FieldError { field: "env".into(), detail: "No".into() }],
            legal_events: vec![AppEvent::Install, AppEvent::Delete],
            incident: None,
        }
    }

    #[test]
    fn a_problem_is_said_in_full() {
        let said = Failure::Refused(Box::new(problem(409))).to_string();
        let expected = "error: `weather` cannot start\n  env: No\npossible now: install, delete\nhint: Install it first\n";
        assert_eq!(said, expected);
    }

    #[test]
    fn work_that_failed_says_at_which_step_and_that_nothing_is_left_of_it() {
        let id = "01990000-0000-7000-8000-000000000000";
        let step = |title: &str, status: &str| {
            serde_json::json!({
                "name": "x", "title": title, "status": status, "detail": null, "started_at": null, "finished_at": null
            })
        };
        let mut operation: OperationView = serde_json::from_value(serde_json::json!({
            "id": id, "kind": "update", "app_id": id, "app": "weather", "status": "failed",
            "steps": [step("Start it", "undone"), step("See that it is well", "failed")],
            "cancellable": false, "problem": problem(422), "started_at": "2026-01-01T00:00:00Z", "finished_at": null
        }))
        .unwrap();
        let said = |operation: &OperationView| Failure::Operation(Box::new(operation.clone())).to_string();
        let expected = "\
error: `weather` cannot start
  env: No
failed at: See that it is well (step 2 of 2)
undone: everything is as it was
possible now: install, delete
hint: Install it first
";
        assert_eq!(said(&operation), expected);
        operation.kind = OperationKind::Install;
        assert!(!said(&operation).contains("undone"));
        operation.problem = None;
        assert!(said(&operation).starts_with("error: The operation (install) has failed\n"));
    }

    #[test]
    fn nothing_is_said_twice() {
        let mut problem = problem(422);
        problem.hint = Some("Possible now: `install`, `delete`".into());
        problem.errors = vec![FieldError { field: "expression".into(), detail: problem.detail.clone() }];
        let said = Failure::Refused(Box::new(problem)).to_string();
        assert_eq!(said, "error: `weather` cannot start\nhint: Possible now: `install`, `delete`\n");
    }

    #[test]
    fn a_hint_names_commands_instead_of_addresses() {
        assert_eq!(
            in_commands("`GET /api/apps` lists the apps, `GET /api/trash` the deleted ones"),
            "`mantyx ls` lists the apps, `mantyx trash ls` the deleted ones"
        );
        assert_eq!(
            in_commands("`GET /api/apps/rain/backups` lists them, `GET /api/apps/rain/x` nothing"),
            "`mantyx backup ls rain` lists them, `GET /api/apps/rain/x` nothing"
        );
        assert_eq!(
            in_commands("An administrator sets it with `PUT /api/secrets/{name}`"),
            "An administrator sets it with `mantyx secret set`"
        );
    }

    #[test]
    fn each_kind_has_its_exit_code() {
        let error = || Error::new(Code::Invalid, "x");
        let codes = [
            (Failure::NobodyReads, 0),
            (Failure::Refused(Box::new(problem(409))), 1),
            (Failure::Local(error()), 1),
            (Failure::Usage(error()), 2),
            (Failure::Unreachable(error()), 3),
            (Failure::Strange(error()), 3),
            (Failure::Refused(Box::new(problem(401))), 4),
        ];
        for (failure, code) in codes {
            assert_eq!(failure.code(), code, "{failure:?}");
        }
    }
}
