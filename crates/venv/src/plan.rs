//! What is to be built, from what, with what: a pure function of the source, the tools, and the lock if there is one.

use std::path::PathBuf;

use mantyx_core::{Code, Error, Identity, RelativePath, Result};

use crate::locked::Pinned;
use crate::poetry;
use crate::provenance::Provenance;
use crate::pyproject::Pyproject;
use crate::requires::{Demand, choose};
use crate::source::Source;
use crate::tools::{Python, Tools, Uv};
use crate::uv_table;

/// The tool that builds an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Builder {
    /// uv.
    Uv(Uv),
    /// The standard library's `venv`, and pip.
    Pip,
}

/// Where the dependencies come from, the one source that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dependencies {
    /// `uv.lock`, which only uv can read.
    UvLock,
    /// `pylock.toml` (PEP 751), and its packages as requirements.
    Pylock(Vec<String>),
    /// `requirements.txt`.
    Requirements,
    /// `pyproject.toml` (PEP 621), and its dependencies.
    Pyproject(Vec<String>),
    /// Poetry's table in `pyproject.toml`, and its dependencies as standard requirements.
    Poetry(Vec<String>),
    /// Inline metadata of a script (PEP 723).
    Inline {
        /// The script.
        script: RelativePath,
        /// What it requires.
        requirements: Vec<String>,
    },
    /// None are declared.
    None,
}

impl Dependencies {
    /// The file that declares them.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::UvLock => Some("uv.lock"),
            Self::Pylock(_) => Some("pylock.toml"),
            Self::Requirements => Some("requirements.txt"),
            Self::Pyproject(_) | Self::Poetry(_) => Some("pyproject.toml"),
            Self::Inline { script, .. } => Some(script.as_str()),
            Self::None => None,
        }
    }
}

/// Whether the source is installed as a package of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectInstall {
    /// It is run from its folder, and only needs its dependencies.
    DependenciesOnly,
    /// It is a package: it brings programs, or cannot be started without being installed.
    WithProject,
}

/// Where the package tools work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkPlace {
    /// In the source: nothing writes there.
    Source,
    /// In a copy: something may be built from the source, and build backends write beside what they build.
    Copy,
}

/// What is to be built.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The Python of the environment.
    pub python: Python,
    /// What builds it.
    pub builder: Builder,
    /// What is installed.
    pub dependencies: Dependencies,
    /// Whether the source is installed too.
    pub project: ProjectInstall,
    /// As whom it is built, and whose it is; the daemon itself when not given.
    pub user: Option<Identity>,
    pub(crate) work_place: WorkPlace,
    pub(crate) source: PathBuf,
    pub(crate) digest: String,
    pub(crate) pretend_version: Option<String>,
    /// Where packages may come from.
    pub(crate) network: Network,
    /// What the source says about where packages come from.
    pub(crate) provenance: Provenance,
    /// Up to when packages were published that will do, where uv does not read that itself.
    pub(crate) exclude_newer: Option<String>,
    /// What was resolved before, and is installed once more.
    pub(crate) pinned: Option<Pinned>,
    /// Where builds under way are recorded.
    pub(crate) records: Option<PathBuf>,
}

/// Where a build may get packages from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// From package indexes, as the tool thinks best.
    Online,
    /// From the cache of who builds; when that does not have all of it, from package indexes.
    WhenNeeded,
    /// From the cache of who builds alone.
    Offline,
}

/// Plans the environment of a source. `requires` are demands on the Python beside those of the source itself.
pub fn plan(source: &Source, requires: &[String], tools: &Tools) -> Result<Plan> {
    let python = choose(tools, &demands(source, requires)?)?.clone();
    let dependencies = dependencies(source)?;
    uv_table::refuse_in_script(source, &dependencies)?;
    let builder = match (&tools.uv, &dependencies) {
        (Some(uv), _) => Builder::Uv(uv.clone()),
        (None, Dependencies::UvLock) => return Err(needs_uv()),
        (None, _) => {
            uv_table::refuse_without_uv(source, &dependencies)?;
            Builder::Pip
        }
    };
    let project = project(source, &dependencies);
    let provenance = Provenance::of(source, &dependencies)?;
    let exclude_newer = uv_table::exclude_newer(source, &dependencies);
    Ok(Plan {
        python,
        builder,
        work_place: work_place(source, &dependencies, project),
        dependencies,
        project,
        user: tools.user.clone(),
        source: source.folder.clone(),
        digest: source.digest.clone(),
        pretend_version: source.pretend_version.clone(),
        network: Network::Online,
        provenance,
        exclude_newer,
        pinned: None,
        records: None,
    })
}

impl Plan {
    /// Says where packages may come from. Only a lock can be followed without a network: see [`crate::plan_locked`].
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// Has the build leave a record in this folder while it is under way, for [`crate::end_orphans`].
    #[must_use]
    pub fn recorded_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.records = Some(folder.into());
        self
    }

    /// What will be done, step by step, for people.
    pub fn steps(&self) -> Vec<String> {
        let gone = self.other_python().map(|gone| format!(", since {gone} is not there any more"));
        let python = format!("{}{}", self.python.version, gone.unwrap_or_default());
        let mut steps = vec![format!("Make an environment with Python {python}")];
        match (self.requirements_of_lock(), self.dependencies.file()) {
            (Some(pinned), _) if pinned.lock.packages().is_empty() => {}
            (Some(_), _) => steps.push("Install what was resolved before".into()),
            (None, Some(file)) => steps.push(format!("Install what `{file}` asks for")),
            (None, None) => {}
        }
        if self.installs_project_apart() {
            steps.push("Install the project itself".into());
        }
        steps
    }

    /// The project is no step of its own where it is in the lock, nor with `uv sync`, which knows about it.
    pub(crate) fn installs_project_apart(&self) -> bool {
        let apart = self.dependencies != Dependencies::UvLock && self.requirements_of_lock().is_none();
        self.project == ProjectInstall::WithProject && apart
    }
}

fn needs_uv() -> Error {
    Error::new(Code::NeedsUv, "The dependencies are locked in `uv.lock`, which only uv can read")
        .hint("Install uv, or add a `requirements.txt`, for example by `uv export -o requirements.txt`, and remove the lock")
}

/// All demands on the Python. Each place that makes one is heard, whichever declares the dependencies.
pub(crate) fn demands(source: &Source, requires: &[String]) -> Result<Vec<Demand>> {
    let standard = source.pyproject.iter().filter_map(|p| p.project.as_ref()?.requires_python.clone());
    let poetry = source.pyproject.iter().filter_map(poetry_python);
    let lock = source.pylock.iter().filter_map(|lock| lock.requires_python.clone());
    let script = source
        .inline
        .iter()
        .filter_map(|(path, inline)| inline.requires_python.clone().map(|text| (format!("`{path}`"), text)));
    let named = |place: &str| {
        let place = place.to_owned();
        move |text: String| (place.clone(), text)
    };
    let all = standard.chain(poetry).map(named("`pyproject.toml`")).chain(lock.map(named("`pylock.toml`")));
    let all = all.chain(script).chain(requires.iter().cloned().map(named("the configuration")));
    all.map(|(place, text)| Demand::parse(&text, &place)).collect()
}

fn poetry_python(pyproject: &Pyproject) -> Option<String> {
    let python = pyproject.tool.poetry.as_ref()?.dependencies.get("python")?.as_str()?;
    let constraint = poetry::constraint(python);
    (!constraint.is_empty()).then_some(constraint)
}

/// The source that counts: the metadata of the started script before all, then locks, then what people write.
pub(crate) fn dependencies(source: &Source) -> Result<Dependencies> {
    if let Some((script, inline)) = &source.inline {
        let requirements = inline.dependencies.clone();
        return Ok(Dependencies::Inline { script: script.clone(), requirements });
    }
    if source.has_uv_lock {
        return Ok(Dependencies::UvLock);
    }
    if let Some(lock) = &source.pylock {
        return Ok(Dependencies::Pylock(lock.requirements()));
    }
    if source.has_requirements {
        return Ok(Dependencies::Requirements);
    }
    if let Some(pyproject) = &source.pyproject {
        return of_pyproject(pyproject);
    }
    Ok(source.lone.as_ref().map_or(Dependencies::None, |(script, inline)| Dependencies::Inline {
        script: script.clone(),
        requirements: inline.dependencies.clone(),
    }))
}

pub(crate) fn of_pyproject(pyproject: &Pyproject) -> Result<Dependencies> {
    match (&pyproject.project, &pyproject.tool.poetry) {
        (Some(project), _) => Ok(Dependencies::Pyproject(project.dependencies.clone())),
        (None, Some(poetry)) => poetry::requirements(&poetry.dependencies).map(Dependencies::Poetry),
        (None, None) => Ok(Dependencies::None),
    }
}

fn project(source: &Source, dependencies: &Dependencies) -> ProjectInstall {
    let Some(pyproject) = &source.pyproject else { return ProjectInstall::DependenciesOnly };
    let brings_programs = pyproject.has_scripts() && pyproject.build_system.is_some();
    let wanted = match dependencies {
        Dependencies::Inline { .. } | Dependencies::None => false,
        Dependencies::Pyproject(_) | Dependencies::Poetry(_) => {
            brings_programs || pyproject.is_dynamic() || source.starts_project()
        }
        Dependencies::UvLock => brings_programs || source.starts_project(),
        Dependencies::Pylock(_) | Dependencies::Requirements => source.starts_project(),
    };
    if wanted { ProjectInstall::WithProject } else { ProjectInstall::DependenciesOnly }
}

/// Only `requirements.txt` can name the source itself (`-e .`); all can name a folder in it.
fn work_place(source: &Source, dependencies: &Dependencies, project: ProjectInstall) -> WorkPlace {
    let builds = match (dependencies, project) {
        (_, ProjectInstall::WithProject) => true,
        (Dependencies::Inline { .. } | Dependencies::None, _) => false,
        (Dependencies::Requirements, _) => source.buildable.root || source.buildable.below,
        (_, _) => source.buildable.below,
    };
    if builds { WorkPlace::Copy } else { WorkPlace::Source }
}

#[cfg(test)]
mod tests;
