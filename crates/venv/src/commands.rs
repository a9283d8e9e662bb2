//! The command lines that carry out a plan.

use std::path::{Path, PathBuf};

use mantyx_platform::environment::Variables;
use mantyx_platform::process::Command;

use crate::plan::{Builder, Dependencies, Network, Plan, ProjectInstall};
use crate::records::MARK;
use crate::tools::Uv;
use crate::variables;
use crate::workspace::Workspace;

/// Takes the folder of what was compiled before.
const COMPILE: &str = include_str!("compile.py");

/// One process of a build.
pub(crate) struct Step {
    /// What it does, for people.
    pub(crate) title: String,
    pub(crate) command: Command,
}

/// Requirements that a tool cannot read from the app's own file, so that they are written to another.
/// `source` is where the source lies.
pub(crate) fn generated(plan: &Plan, source: &Path) -> Option<Vec<String>> {
    if let Some(pinned) = plan.requirements_of_lock() {
        return Some(plan.provenance.requirements(pinned.lock.packages(), source));
    }
    match (&plan.dependencies, &plan.builder) {
        (Dependencies::Inline { requirements, .. } | Dependencies::Poetry(requirements), _)
        | (Dependencies::Pylock(requirements) | Dependencies::Pyproject(requirements), Builder::Pip) => {
            Some(requirements.clone())
        }
        _ => None,
    }
}

/// The processes of a build, in order. The first makes the environment.
pub(crate) fn steps(plan: &Plan, work: &Workspace, environment: &Path) -> Vec<Step> {
    let commands = match &plan.builder {
        Builder::Uv(uv) => with_uv(uv, plan, work, environment),
        Builder::Pip => with_pip(plan, work, environment),
    };
    let commands = commands.into_iter().map(|command| dress(command, plan, work, environment));
    plan.steps().into_iter().zip(commands).map(|(title, command)| Step { title, command }).collect()
}

/// Makes pip the only seed: what an app asks for must not be there by accident, and in another version than uv
/// installs. Without `setuptools`, each package is built apart from the environment (PEP 517), as with uv.
pub(crate) fn strip(plan: &Plan, work: &Workspace, environment: &Path) -> Command {
    let pip = pip(environment).args(["uninstall", "--quiet", "--yes", "setuptools"]);
    dress(pip, plan, work, environment)
}

/// Builds or fetches the wheels of a requirements file into a folder of the cache. They were installed a moment ago, so
/// pip has most of what that takes.
pub(crate) fn keep(
    plan: &Plan,
    work: &Workspace,
    environment: &Path,
    folder: &Path,
    requirements: &Path,
) -> Command {
    let pip =
        pip(environment).args(["wheel", "--no-deps", "--wheel-dir"]).arg(folder).arg("-r").arg(requirements);
    dress(pip, plan, work, environment)
}

/// Compiles what was installed, as far as that was not done for an earlier environment. Most of what an environment
/// takes to build is this, and most of what is in it was in another one before.
pub(crate) fn compile(plan: &Plan, work: &Workspace, environment: &Path) -> Command {
    let python = Command::new(environment.join("bin/python"));
    let compile = python.args(["-I", "-W", "ignore", "-c", COMPILE]).arg(work.packages.join("bytecode"));
    dress(compile, plan, work, environment)
}

fn pip(environment: &Path) -> Command {
    Command::new(environment.join("bin/python")).args(["-m", "pip"])
}

fn dress(command: Command, plan: &Plan, work: &Workspace, environment: &Path) -> Command {
    let variables = variables(plan, work, environment);
    command.folder(&work.folder).variables(variables).identity(plan.user.as_ref())
}

fn variables(plan: &Plan, work: &Workspace, environment: &Path) -> Variables {
    let mut variables = match &plan.builder {
        Builder::Uv(uv) => variables::for_uv(uv, &work.packages),
        Builder::Pip => variables::for_pip_with_cache(&work.packages),
    };
    if let Some(user) = &plan.user {
        variables::of_user(&mut variables, user, &work.home);
        if plan.builder == Builder::Pip {
            variables::instead_of_pip_files(&mut variables);
        }
    }
    if plan.network == Network::Offline {
        variables::offline(&mut variables, work.wheels.folder());
    }
    variables.insert("UV_PROJECT_ENVIRONMENT".into(), environment.into());
    variables.insert("PIP_LOG".into(), work.pip_log().into());
    variables.insert(MARK.into(), work.mark().into());
    if let Some(moment) = &plan.exclude_newer {
        variables.insert("UV_EXCLUDE_NEWER".into(), moment.into());
    }
    if let Some(version) = &plan.pretend_version {
        variables.insert("SETUPTOOLS_SCM_PRETEND_VERSION".into(), version.into());
    }
    variables
}

fn with_uv(uv: &Uv, plan: &Plan, work: &Workspace, environment: &Path) -> Vec<Command> {
    let uv = || Command::new(&uv.path);
    let install = || uv().args(["pip", "install", "--python"]).arg(environment.join("bin/python"));
    let make = uv().args(["venv", "--no-project", "--python"]).arg(&plan.python.path).arg(environment);
    let dependencies = match &plan.dependencies {
        Dependencies::None => None,
        Dependencies::UvLock => Some(sync(uv(), plan)),
        other => requirements(other, work).map(|file| follow(install(), plan).arg("-r").arg(file)),
    };
    let project = plan.installs_project_apart().then(|| project(install(), plan));
    [Some(make), dependencies, project].into_iter().flatten().collect()
}

fn sync(uv: Command, plan: &Plan) -> Command {
    let uv = uv.args(["sync", "--frozen", "--no-dev", "--no-editable", "--python"]).arg(&plan.python.path);
    match plan.project {
        ProjectInstall::WithProject => uv,
        ProjectInstall::DependenciesOnly => uv.arg("--no-install-project"),
    }
}

fn with_pip(plan: &Plan, work: &Workspace, environment: &Path) -> Vec<Command> {
    let install = || pip(environment).args(["install", "--no-compile"]);
    let make = Command::new(&plan.python.path).args(["-m", "venv"]).arg(environment);
    let dependencies =
        requirements(&plan.dependencies, work).map(|file| follow(install(), plan).arg("-r").arg(file));
    let project = plan.installs_project_apart().then(|| project(install(), plan));
    [Some(make), dependencies, project].into_iter().flatten().collect()
}

/// A lock names all that there is.
fn follow(install: Command, plan: &Plan) -> Command {
    if plan.requirements_of_lock().is_some() { install.arg("--no-deps") } else { install }
}

/// The file that is given to the tool.
fn requirements(dependencies: &Dependencies, work: &Workspace) -> Option<PathBuf> {
    let own = || dependencies.file().map(PathBuf::from);
    work.generated.clone().or_else(own)
}

/// Installs the source. What a lock or `requirements.txt` says is all that there is to depend on.
fn project(install: Command, plan: &Plan) -> Command {
    let install = match plan.dependencies {
        Dependencies::Requirements | Dependencies::Pylock(_) => install.arg("--no-deps"),
        _ => install,
    };
    install.arg(".")
}
