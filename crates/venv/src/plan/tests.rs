//! Sources as they come, and what is planned for them.

use std::fs;
use std::path::Path;

use mantyx_core::Launch;

use super::*;

const PROJECT: &str = "[project]\nname = 'weather'\nversion = '1'\ndependencies = ['six']\n";
const PACKAGE: &str =
    "[build-system]\nrequires = ['setuptools']\n[project.scripts]\nweather = 'weather:main'\n";
const INLINE: &str = "# /// script\n# requires-python = '>=3.12'\n# dependencies = ['iniconfig']\n# ///\n";

fn python(version: &str) -> Python {
    Python { version: version.into(), path: format!("/opt/{version}/bin/python3").into() }
}

fn tools(with_uv: bool) -> Tools {
    let uv = Uv { version: "0.13.8".into(), path: "/opt/uv".into() };
    Tools {
        pythons: vec![python("3.11.2"), python("3.13.0"), python("3.9.1")],
        uv: with_uv.then_some(uv),
        ..Tools::default()
    }
}

#[test]
fn what_only_uv_follows_is_never_passed_over() {
    let sources = "[tool.uv.sources]\nsix = { git = 'https://forge/six' }\n";
    let index = "[[tool.uv.index]]\nurl = 'https://forge/simple'\n";
    let refused = |files: &[(&str, &str)], with_uv| {
        planned(files, "main.py", &[], &tools(with_uv)).map(drop).err().map(|error| {
            assert!(error.detail().contains("`tool.uv.") && error.hint_text().is_some(), "{error}");
            error.code()
        })
    };
    for (table, of_requirements) in [(sources, None), (index, Some(Code::NeedsUv))] {
        let project = format!("{PROJECT}{table}");
        let files = [("main.py", ""), ("pyproject.toml", project.as_str())];
        assert_eq!((refused(&files, true), refused(&files, false)), (None, Some(Code::NeedsUv)));
        let listed = [files[0], files[1], ("requirements.txt", "six\n")];
        assert_eq!((refused(&listed, true), refused(&listed, false)), (None, of_requirements), "{table}");
        let commented = format!("# {}\n", table.trim_end().replace('\n', "\n# "));
        let script = INLINE.trim_end_matches("# ///\n").to_owned() + &commented + "# ///\n";
        let lone = [("main.py", script.as_str())];
        assert_eq!([true, false].map(|uv| refused(&lone, uv)), [Some(Code::InstallFailed); 2], "{script}");
    }
    let only = [("main.py", ""), ("pyproject.toml", index), ("requirements.txt", "six\n")];
    assert_eq!((refused(&only, true), refused(&only, false)), (None, Some(Code::NeedsUv)));
    let harmless = format!("{PROJECT}[tool.uv]\npackage = false\n");
    assert_eq!(refused(&[("main.py", ""), ("pyproject.toml", &harmless)], false), None);
}

#[test]
fn uv_is_told_up_to_when_a_script_takes_packages() {
    let table = "# [tool.uv]\n# exclude-newer = '2026-01-01T00:00:00Z'\n# ///\n";
    let script = INLINE.trim_end_matches("# ///\n").to_owned() + table;
    let files = [("main.py", script.as_str())];
    assert_eq!(of(&files, "main.py").exclude_newer.as_deref(), Some("2026-01-01T00:00:00Z"));
    let refused = planned(&files, "main.py", &[], &tools(false)).unwrap_err();
    assert_eq!(refused.code(), Code::NeedsUv);
    assert!(refused.detail().starts_with("`main.py` has `tool.uv.exclude-newer`"), "{refused}");
}

/// Plans for a source of these files.
fn planned(files: &[(&str, &str)], launch: &str, requires: &[&str], tools: &Tools) -> Result<Plan> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, text).unwrap();
    }
    let source = Source::read(folder.path(), &Launch::parse(launch).unwrap(), "digest")?;
    plan(&source, &requires.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), tools)
}

fn of(files: &[(&str, &str)], launch: &str) -> Plan {
    planned(files, launch, &[], &tools(true)).unwrap()
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn sources_count_in_their_order() {
    let inline = ("main.py", INLINE);
    let uv_lock = ("uv.lock", "version = 1");
    let pylock = ("pylock.toml", "lock-version = '1.0'\n[[packages]]\nname = 'six'\nversion = '1'\n");
    let requirements = ("requirements.txt", "six\n");
    let pyproject = ("pyproject.toml", PROJECT);
    let all = [inline, uv_lock, pylock, requirements, pyproject];
    let files: Vec<Option<String>> = (0..=all.len())
        .map(|skip| of(&all[skip..], "main.py").dependencies.file().map(str::to_owned))
        .collect();
    // Without its project a `uv.lock` locks nothing, so the project is last to go.
    let wanted = ["main.py", "uv.lock", "pylock.toml", "requirements.txt", "pyproject.toml"];
    assert_eq!(files[..5], wanted.map(|name| Some(name.to_owned())));
    assert_eq!(files[5], None);
}

#[test]
fn a_pyproject_that_only_configures_tools_is_passed_over() {
    let plan = of(&[("pyproject.toml", "[tool.ruff]\n"), ("job.py", INLINE)], "python job.py");
    assert_eq!(plan.dependencies.file(), Some("job.py"));
    assert_eq!(of(&[("pyproject.toml", "[tool.ruff]\n")], "main.py").dependencies, Dependencies::None);
}

#[test]
fn poetry_becomes_standard_requirements() {
    let text = "[tool.poetry.dependencies]\npython = '~3.9'\nflask = '^3.0'\n";
    let plan = of(&[("pyproject.toml", text)], "main.py");
    assert_eq!(plan.dependencies, Dependencies::Poetry(texts(&["flask>=3.0,<4"])));
    assert_eq!(plan.python.version, "3.9.1");
}

#[test]
fn a_uv_lock_needs_uv() {
    let files = [("uv.lock", "version = 1"), ("pyproject.toml", PROJECT)];
    let error = planned(&files, "main.py", &[], &tools(false)).unwrap_err();
    assert_eq!(error.code(), Code::NeedsUv);
    let pip = planned(&files[1..], "main.py", &[], &tools(false)).unwrap();
    assert_eq!(pip.builder, Builder::Pip);
}

#[test]
fn every_demand_on_the_python_holds() {
    let files = [("main.py", INLINE)];
    assert_eq!(of(&files, "main.py").python.version, "3.13.0");
    let error = planned(&files, "main.py", &["<3.13"], &tools(true)).unwrap_err();
    assert_eq!(error.code(), Code::NoPython);
    for part in ["`main.py` asks for `>=3.12`", "the configuration asks for `<3.13`", "3.11.2"] {
        assert!(error.detail().contains(part), "{error}");
    }
    assert_eq!(planned(&[], "main.py", &["3.9"], &tools(true)).unwrap().python.version, "3.9.1");
}

#[test]
fn the_project_is_installed_when_something_needs_it() {
    let package = format!("{PROJECT}{PACKAGE}");
    let src = ("src/weather/__init__.py", "");
    let with =
        |files: &[(&str, &str)], launch: &str| of(files, launch).project == ProjectInstall::WithProject;
    assert!(!with(&[("pyproject.toml", PROJECT)], "main.py"));
    assert!(with(&[("pyproject.toml", &package)], "main.py"));
    assert!(with(&[("pyproject.toml", PROJECT), src], "-m weather"));
    assert!(!with(&[("pyproject.toml", PROJECT), ("weather/__init__.py", "")], "-m weather"));
    let requirements = ("requirements.txt", "six");
    assert!(!with(&[("pyproject.toml", &package), requirements], "main.py"));
    assert!(with(&[("pyproject.toml", &package), requirements], "weather"));
    assert!(with(&[("pyproject.toml", &package), requirements], "weather --loud"));
    let dynamic = "[project]\nname = 'a'\ndynamic = ['dependencies']\n";
    assert!(with(&[("pyproject.toml", dynamic)], "main.py"));
}

#[test]
fn what_can_be_built_is_built_in_a_copy() {
    let copied = |files: &[(&str, &str)]| of(files, "main.py").work_place == WorkPlace::Copy;
    assert!(!copied(&[("requirements.txt", "six")]));
    assert!(copied(&[("requirements.txt", "."), ("setup.py", "")]));
    assert!(copied(&[("requirements.txt", "./libs/a"), ("libs/a/pyproject.toml", "")]));
    assert!(!copied(&[("pyproject.toml", PROJECT)]));
    assert!(copied(&[("pyproject.toml", &format!("{PROJECT}{PACKAGE}"))]));
}

#[test]
fn steps_are_told_to_people() {
    let plan = of(&[("pyproject.toml", &format!("{PROJECT}{PACKAGE}"))], "weather");
    let wanted = [
        "Make an environment with Python 3.11.2",
        "Install what `pyproject.toml` asks for",
        "Install the project itself",
    ];
    assert_eq!(plan.steps(), wanted);
    assert_eq!(of(&[], "main.py").steps(), wanted[..1]);
}
