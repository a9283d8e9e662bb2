//! The command lines that carry out a plan.

use std::path::{Path, PathBuf};

use mantyx_platform::environment::Variables;
use mantyx_platform::process::Command;

use crate::plan::{Builder, Dependencies, Plan, ProjectInstall};
use crate::tools::Uv;
use crate::variables;
use crate::workspace::Workspace;

/// One process of a build.
pub(crate) struct Step {
    /// What it does, for people.
    pub(crate) title: String,
    pub(crate) command: Command,
}

/// Requirements that a tool cannot read from the app's own file, so that they are written to another.
pub(crate) fn generated(plan: &Plan) -> Option<&[String]> {
    match (&plan.dependencies, &plan.builder) {
        (Dependencies::Inline { requirements, .. } | Dependencies::Poetry(requirements), _)
        | (Dependencies::Pylock(requirements) | Dependencies::Pyproject(requirements), Builder::Pip) => {
            Some(requirements)
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
    let variables = variables(plan, work, environment);
    let dress = |command: Command| {
        command.folder(&work.folder).variables(variables.clone()).identity(plan.user.as_ref())
    };
    plan.steps().into_iter().zip(commands).map(|(title, c)| Step { title, command: dress(c) }).collect()
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
    variables.insert("UV_PROJECT_ENVIRONMENT".into(), environment.into());
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
        other => requirements(other, work).map(|file| install().arg("-r").arg(file)),
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
    let python = environment.join("bin/python");
    let install = || Command::new(&python).args(["-m", "pip", "install"]);
    let make = Command::new(&plan.python.path).args(["-m", "venv"]).arg(environment);
    let dependencies = requirements(&plan.dependencies, work).map(|file| install().arg("-r").arg(file));
    let project = plan.installs_project_apart().then(|| project(install(), plan));
    [Some(make), dependencies, project].into_iter().flatten().collect()
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
