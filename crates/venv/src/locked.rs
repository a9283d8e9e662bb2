//! Builds once more what was resolved before: the same packages on the same Python, with nothing to decide.

use mantyx_core::Result;

use crate::lock::{Lock, Resolved, is_local};
use crate::plan::{Builder, Dependencies, Network, Plan, ProjectInstall, WorkPlace, demands, dependencies};
use crate::provenance::Provenance;
use crate::requires::choose_again;
use crate::source::Source;
use crate::tools::Tools;
use crate::uv_table;

/// The path of a source that was installed itself.
const ITSELF: &str = ".";

/// A lock that is followed.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    pub(crate) lock: Lock,
    /// The Python it was made for, when that is gone.
    gone: Option<String>,
}

/// Plans the environment that a release had: the packages of its lock, on the Python that it was made for. When that
/// is gone, the nearest that satisfies all demands is taken; [`Plan::other_python`] says so.
///
/// It asks the cache first ([`Network::WhenNeeded`]): a rollback needs no network where the cache is warm.
///
/// # Errors
/// `no_python`; a declaration that cannot be read.
pub fn plan_locked(source: &Source, resolved: &Resolved, requires: &[String], tools: &Tools) -> Result<Plan> {
    let Resolved { lock, python_version } = resolved;
    let python = choose_again(tools, &demands(source, requires)?, python_version)?.clone();
    let gone = (python.version != *python_version).then(|| python_version.clone());
    let itself = lock.elsewhere().any(|origin| origin == ITSELF);
    let dependencies = dependencies(source)?;
    if tools.uv.is_none() {
        uv_table::refuse_other_places(source, &dependencies)?;
    }
    let provenance = Provenance::of(source, &dependencies)?;
    Ok(Plan {
        python,
        builder: tools.uv.clone().map_or(Builder::Pip, Builder::Uv),
        dependencies,
        project: if itself { ProjectInstall::WithProject } else { ProjectInstall::DependenciesOnly },
        user: tools.user.clone(),
        work_place: work_place(lock, &provenance),
        source: source.folder.clone(),
        digest: source.digest.clone(),
        pretend_version: source.pretend_version.clone(),
        network: Network::WhenNeeded,
        provenance,
        exclude_newer: None,
        pinned: Some(Pinned { lock: lock.clone(), gone }),
        records: None,
    })
}

/// Paths in a lock count from where its requirements are written to, so that must be beside the source.
fn work_place(lock: &Lock, provenance: &Provenance) -> WorkPlace {
    let local = lock.elsewhere().any(is_local);
    if local || provenance.has_folders() { WorkPlace::Copy } else { WorkPlace::Source }
}

impl Plan {
    /// The version of the Python that the lock was made for, when that is gone and another had to be taken.
    #[must_use]
    pub fn other_python(&self) -> Option<&str> {
        self.pinned.as_ref()?.gone.as_deref()
    }

    /// The lock, where it is given to the tool as requirements. A lock file in the source says more than ours, such
    /// as the address of each archive, and uv finds in its cache only what it came to in the same way.
    pub(crate) fn requirements_of_lock(&self) -> Option<&Pinned> {
        let own = matches!(self.dependencies, Dependencies::UvLock | Dependencies::Pylock(_));
        let reads_own = own && matches!(self.builder, Builder::Uv(_));
        self.pinned.as_ref().filter(|_| !reads_own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::{Python, Uv};
    use mantyx_core::{Code, Launch};
    use std::path::Path;

    fn tools(with_uv: bool) -> Tools {
        let python = |version: &str| Python { version: version.into(), path: "/opt/python3".into() };
        let uv = with_uv.then(|| Uv { version: "0.13.8".into(), path: "/opt/uv".into() });
        Tools { pythons: vec![python("3.11.2"), python("3.12.4")], uv, ..Tools::default() }
    }

    fn planned(files: &[(&str, &str)], lock: &str, python: &str, tools: &Tools) -> Plan {
        try_planned(files, lock, python, tools).unwrap()
    }

    fn try_planned(files: &[(&str, &str)], lock: &str, python: &str, tools: &Tools) -> Result<Plan> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let source = Source::read(folder.path(), &Launch::parse("main.py").unwrap(), "digest").unwrap();
        let resolved = Resolved { lock: Lock::parse(lock).unwrap(), python_version: python.into() };
        plan_locked(&source, &resolved, &[], tools)
    }

    fn lines(plan: &Plan) -> Vec<String> {
        crate::commands::generated(plan, Path::new("/work")).unwrap_or_default()
    }

    #[test]
    fn the_lock_decides_and_not_the_source() {
        let plan = planned(
            &[("requirements.txt", "six\n-i https://x/simple\n")],
            "six==1.16.0",
            "3.12.4",
            &tools(true),
        );
        assert_eq!((plan.python.version.as_str(), plan.other_python()), ("3.12.4", None));
        assert_eq!((plan.network, plan.work_place), (Network::WhenNeeded, WorkPlace::Source));
        assert_eq!(lines(&plan), ["-i https://x/simple", "six==1.16.0"]);
        assert_eq!(
            plan.steps(),
            ["Make an environment with Python 3.12.4", "Install what was resolved before"]
        );
    }

    #[test]
    fn a_version_from_elsewhere_is_not_taken_from_anywhere() {
        let elsewhere = "[[tool.uv.index]]\nurl = 'https://x/simple'\n";
        let planned = |text: &str, with_uv| {
            let files = [("pyproject.toml", text), ("requirements.txt", "corp-lib\n")];
            let planned = try_planned(&files, "corp-lib==1.2", "3.12.4", &tools(with_uv));
            planned.map(drop).map_err(|error| error.code())
        };
        assert_eq!(planned(elsewhere, true), Ok(()));
        assert_eq!(planned(elsewhere, false), Err(Code::NeedsUv));
        // Which versions will do was decided when the lock was made.
        assert_eq!(planned("[tool.uv]\noverride-dependencies = ['six']\n", false), Ok(()));
    }

    #[test]
    fn another_python_is_said() {
        let plan = planned(&[], "", "3.12.1", &tools(true));
        assert_eq!((plan.python.version.as_str(), plan.other_python()), ("3.12.4", Some("3.12.1")));
        let wanted = ["Make an environment with Python 3.12.4, since 3.12.1 is not there any more"];
        assert_eq!(plan.steps(), wanted);
    }

    #[test]
    fn a_lock_in_the_source_is_followed_by_who_can_read_it() {
        let project = "[project]\nname = 'a'\nversion = '1'\n[build-system]\nrequires = []\n";
        let files = [("uv.lock", "version = 1"), ("pyproject.toml", project)];
        let uv = planned(&files, "a @ .\nsix==1", "3.11.2", &tools(true));
        assert_eq!((uv.project, uv.work_place), (ProjectInstall::WithProject, WorkPlace::Copy));
        assert!(lines(&uv).is_empty() && !uv.installs_project_apart());
        let pip = planned(&files, "a @ .\nsix==1", "3.11.2", &tools(false));
        assert_eq!((pip.builder.clone(), lines(&pip)), (Builder::Pip, vec![".".to_owned(), "six==1".into()]));
        assert!(!pip.installs_project_apart());
    }
}
