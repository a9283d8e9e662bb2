//! Why a process could not be started, as a sentence that says what to change.
//!
//! The kernel says "no such file" of a program, its interpreter and its folder alike, and "permission denied" of any
//! folder on the way. Here it is looked up which it was, and for whom.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mantyx_core::Identity;
use mantyx_monitor::Plan;

use crate::exec::{LastWords, Step};

/// What could not be done.
pub(crate) struct Failure {
    /// How far the child came; none when there was no child.
    pub(crate) step: Option<Step>,
    pub(crate) error: io::Error,
}

impl Failure {
    /// What the child said before it gave up. One that said nothing has become the app.
    pub(crate) fn said(words: &[u8]) -> Option<Self> {
        match serde_json::from_slice(words) {
            Ok(LastWords(step, number)) => {
                Some(Self { step: Some(step), error: io::Error::from_raw_os_error(number) })
            }
            Err(_) if words.is_empty() => None,
            Err(error) => Some(Self::from(io::Error::from(error))),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { step: None, error }
    }
}

/// Why the process could not be started, as a sentence.
pub(crate) fn reason(plan: &Plan, failure: &Failure) -> String {
    let error = &failure.error;
    match failure.step {
        Some(Step::Directory) => of_directory(plan, error),
        Some(Step::Program) => of_program(plan, error),
        Some(step) => of_step(plan, step, error),
        None => format!("Could not start `{}`: {error}", plan.program.display()),
    }
}

fn of_directory(plan: &Plan, error: &io::Error) -> String {
    let directory = plan.directory.display();
    let why = match error.kind() {
        ErrorKind::NotFound => "there is no such folder".to_owned(),
        ErrorKind::NotADirectory => "it is no folder".to_owned(),
        ErrorKind::PermissionDenied => {
            let subject = subject(plan);
            closed_folder(plan, &plan.directory.join(".")).map_or_else(
                || format!("{subject} may not enter it"),
                |folder| format!("{subject} may not enter `{}`", folder.display()),
            )
        }
        _ => error.to_string(),
    };
    format!("Could not start in `{directory}`: {why}")
}

fn of_program(plan: &Plan, error: &io::Error) -> String {
    let program = plan.program.display();
    let why = match error.kind() {
        ErrorKind::NotFound if plan.program.exists() => {
            "the interpreter that its first line names does not exist".to_owned()
        }
        ErrorKind::NotFound if is_bare(&plan.program) => {
            "there is no such program in the app's environment or on its PATH; check the entrypoint, or add what brings \
             it to the app's dependencies"
                .to_owned()
        }
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => forbidden(plan),
        _ => error.to_string(),
    };
    format!("Could not start `{program}`: {why}")
}

/// Whether it is a name that is looked up in the PATH of the app.
fn is_bare(program: &Path) -> bool {
    program.parent().is_none_or(|parent| parent.as_os_str().is_empty())
}

fn forbidden(plan: &Plan) -> String {
    let nobody_may =
        fs::metadata(&plan.program).is_ok_and(|file| !file.is_file() || file.mode() & 0o111 == 0);
    if nobody_may {
        return "it may not be executed".to_owned();
    }
    let subject = subject(plan);
    closed_folder(plan, &plan.program).map_or_else(
        || format!("{subject} may not execute it, or not the interpreter that its first line names"),
        |folder| format!("{subject} may not enter `{}`", folder.display()),
    )
}

fn of_step(plan: &Plan, step: Step, error: &io::Error) -> String {
    let user = subject(plan);
    let what = match step {
        Step::Session => "be given a session of its own".to_owned(),
        Step::OomScore => "be given its out-of-memory score".to_owned(),
        Step::Limits => "be put under its limits".to_owned(),
        Step::Output => "be given its output".to_owned(),
        Step::Groups => format!("be given the groups of {user}"),
        Step::Group => format!("be given the primary group of {user}"),
        Step::User => format!("run as {user}"),
        Step::Privileges => "be kept from gaining privileges".to_owned(),
        Step::Monitor => "be tied to its monitor".to_owned(),
        Step::Order | Step::Directory | Step::Program => "be started".to_owned(),
    };
    let remedy =
        if is_refused_identity(step, error) { "; only root can start apps as another user" } else { "" };
    format!("`{}` could not {what}: {error}{remedy}", plan.program.display())
}

fn is_refused_identity(step: Step, error: &io::Error) -> bool {
    matches!(step, Step::Groups | Step::Group | Step::User) && error.kind() == ErrorKind::PermissionDenied
}

/// Of whom is spoken.
fn subject(plan: &Plan) -> String {
    plan.identity
        .as_ref()
        .map_or_else(|| "Mantyx".to_owned(), |identity| format!("the user `{}`", identity.name))
}

/// The first folder on the way to a path that the user may not pass. This monitor may look at all of them, and the
/// way may lead through a link, as that to the Python of an environment does.
fn closed_folder(plan: &Plan, path: &Path) -> Option<PathBuf> {
    let identity = plan.identity.as_ref()?;
    let ways = [Some(path.to_owned()), fs::canonicalize(path).ok().map(|real| real.join("."))];
    ways.into_iter().flatten().find_map(|way| {
        let mut folders: Vec<&Path> = way.ancestors().skip(1).collect();
        folders.reverse();
        let closed = folders.into_iter().find(|folder| {
            fs::metadata(folder).is_ok_and(|folder| folder.is_dir() && !may_pass(&folder, identity))
        });
        closed.map(Path::to_owned)
    })
}

/// What the mode says (path_resolution(7)); lists of access control are not looked at.
fn may_pass(folder: &fs::Metadata, identity: &Identity) -> bool {
    let class = if identity.uid == folder.uid() {
        0o100
    } else if identity.gid == folder.gid() || identity.groups.contains(&folder.gid()) {
        0o010
    } else {
        0o001
    };
    identity.uid == 0 || folder.mode() & class != 0
}
