//! What is in a source, read without running any of it.

use std::path::Path;

use mantyx_core::{AppName, Code, DependencyFile, DependencyFormat, Error, Found, Launch, Result};

mod candidates;
mod dependencies;
mod inline;
mod pyproject;
mod survey;

pub(crate) use inline::InlineMetadata;
use pyproject::Pyproject;
use survey::Survey;

/// Looks at a source on disk. `suggested` is what it was called outside; `warnings` is what is known already.
///
/// Files that cannot be read as what they claim to be become warnings: whether they matter is seen when the
/// environment is built. A source without anything to start is refused.
pub fn inspect(folder: &Path, suggested: &str, mut warnings: Vec<String>) -> Result<Found> {
    let survey = Survey::of(folder)?;
    let project = Pyproject::load(&survey, &mut warnings);
    let candidates = candidates::candidates(&survey, &project);
    let Some(first) = candidates.first() else { return Err(nothing_to_start()) };
    let inline = inline_of(&survey, first, &mut warnings);
    let requires_python = match &inline {
        Some((_, metadata)) => metadata.requires_python.clone(),
        None => project.requires_python.clone(),
    };
    Ok(Found {
        suggested_name: AppName::suggest(project.name.as_deref().unwrap_or(suggested)),
        dependency_files: dependency_files(&survey, &project, inline),
        candidates,
        requires_python,
        files: survey.files(),
        bytes: survey.bytes(),
        digest: survey.digest().to_owned(),
        warnings,
    })
}

fn nothing_to_start() -> Error {
    Error::new(
        Code::NoEntrypoint,
        "There is no Python file, package or script of a project that could be started",
    )
    .hint("Add a `main.py`, or `[project.scripts]` to `pyproject.toml`")
}

/// The metadata of the script that would be started, which goes before every file (PEP 723).
fn inline_of(
    survey: &Survey,
    first: &Launch,
    warnings: &mut Vec<String>,
) -> Option<(DependencyFile, InlineMetadata)> {
    let Launch::Script(path) = first else { return None };
    match InlineMetadata::read(&survey.read(path.as_str())?) {
        Ok(metadata) => {
            let metadata = metadata?;
            let count = u32::try_from(metadata.dependencies.len()).ok();
            let file = DependencyFile { path: path.clone(), format: DependencyFormat::InlineMetadata, count };
            Some((file, metadata))
        }
        Err(why) => {
            warnings.push(format!("The metadata in `{path}` cannot be read: {why}"));
            None
        }
    }
}

fn dependency_files(
    survey: &Survey,
    project: &Pyproject,
    inline: Option<(DependencyFile, InlineMetadata)>,
) -> Vec<DependencyFile> {
    let first = inline.map(|(file, _)| file);
    first.into_iter().chain(dependencies::files(survey, project)).collect()
}
