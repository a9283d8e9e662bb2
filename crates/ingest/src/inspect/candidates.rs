//! Ways to start a source, the likeliest first.

use std::path::Path;

use mantyx_core::{Launch, RelativePath};

use super::pyproject::Pyproject;
use super::survey::Survey;

/// Names that say what they are, in the order in which people mean them.
const USUAL: [&str; 5] = ["main.py", "app.py", "__main__.py", "run.py", "start.py"];

/// The candidates in the order of the domain: scripts of the project, usual names, packages that can be run,
/// then any Python file. Of the last kind, those at the top are offered, or else the only one that there is.
pub(super) fn candidates(survey: &Survey, project: &Pyproject) -> Vec<Launch> {
    let scripts = project.scripts.iter().filter_map(|name| console(name));
    let usual = USUAL.into_iter().filter(|name| survey.has(name)).filter_map(script);
    let mut all: Vec<Launch> = scripts.chain(usual).chain(packages(survey)).collect();
    let files: Vec<&str> = survey.paths().filter(|path| is_startable(path)).collect();
    let mut top: Vec<&str> = files.iter().copied().filter(|path| !path.contains('/')).collect();
    if all.is_empty() && top.is_empty() && files.len() == 1 {
        top = files;
    }
    for launch in top.into_iter().filter_map(script) {
        if !all.contains(&launch) {
            all.push(launch);
        }
    }
    all
}

/// Packages at the top with a `__main__.py`.
fn packages(survey: &Survey) -> impl Iterator<Item = Launch> {
    let names = survey.paths().filter_map(|path| path.strip_suffix("/__main__.py"));
    let packages = names.filter(|name| !name.contains('/'));
    packages.filter_map(|name| Launch::parse(&format!("-m {name}")).ok())
}

/// Files that are for tools are Python, but nobody starts them.
fn is_startable(path: &str) -> bool {
    const FOR_TOOLS: [&str; 4] = ["setup.py", "conftest.py", "noxfile.py", "__init__.py"];
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_python = Path::new(name).extension().is_some_and(|extension| extension == "py");
    is_python && !FOR_TOOLS.contains(&name) && !name.starts_with("test_") && !name.ends_with("_test.py")
}

fn console(name: &str) -> Option<Launch> {
    Launch::parse(name).ok().filter(|launch| matches!(launch, Launch::Console(_)))
}

/// A file with a blank in its name is still a file, so this does not go through the text form.
fn script(path: &str) -> Option<Launch> {
    RelativePath::parse(path).ok().map(Launch::Script)
}
