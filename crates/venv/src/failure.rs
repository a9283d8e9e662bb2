//! Why a build failed: which requirement, in a sentence, recognised from what uv or pip said.
//!
//! The words of both tools change from release to release, so each is looked for by its core, in a text without
//! line breaks and frames. What is not recognised is told by the tool's own last words.

use mantyx_core::{Code, Error};

mod reach;

pub(crate) use reach::explain_fetch;
use reach::{broken_index, closed_index, no_certificate, no_download, no_network, no_repository, not_cached};

/// The longest explanation, in bytes. uv can reason about a conflict for pages; the log has all of it.
const LONGEST: usize = 800;

/// Reads the output of a build that failed.
pub(crate) fn explain(output: &str) -> Error {
    let said = Said::new(output);
    let recognised = [
        no_space,
        no_ensurepip,
        no_certificate,
        not_cached,
        broken_index,
        no_network,
        no_repository,
        no_download,
        wrong_hash,
        missing_hash,
        wrong_python,
        conflict,
        closed_index,
        unknown_version,
        unknown_package,
        malformed,
        missing_file,
        build_failure,
    ];
    recognised.iter().find_map(|recognise| recognise(&said)).unwrap_or_else(|| last_words(output))
}

/// What was said, as lines and as one line without frames.
struct Said<'a> {
    lines: Vec<&'a str>,
    flat: String,
}

impl<'a> Said<'a> {
    fn new(output: &'a str) -> Self {
        let frames = ['×', '│', '├', '╰', '─', '▶', '>', ' ', '\t'];
        let lines: Vec<&str> = output.lines().map(str::trim_end).collect();
        let bare = lines.iter().map(|line| line.trim_start_matches(frames)).filter(|line| !line.is_empty());
        let flat = bare.collect::<Vec<_>>().join(" ");
        Self { lines, flat }
    }

    fn has(&self, any_of: &[&str]) -> bool {
        any_of.iter().any(|text| self.flat.contains(text))
    }

    /// The text behind the last `before`, up to the first `after`.
    fn between(&self, before: &str, after: &str) -> Option<&str> {
        let (_, rest) = self.flat.rsplit_once(before)?;
        Some(rest.split_once(after).map_or(rest, |(text, _)| text).trim())
    }

    /// The word behind the last `before`.
    fn word(&self, before: &str) -> Option<&str> {
        let (_, rest) = self.flat.rsplit_once(before)?;
        rest.split_whitespace().next().map(|word| word.trim_matches(['`', '\'', ',', '"']))
    }
}

fn failed(mut detail: String, hint: &str) -> Error {
    if detail.len() > LONGEST {
        detail.truncate(detail.floor_char_boundary(LONGEST));
        detail.push('…');
    }
    Error::new(Code::InstallFailed, detail).hint(hint)
}

fn no_space(said: &Said<'_>) -> Option<Error> {
    said.has(&["No space left on device", "os error 28", "Disk quota exceeded"]).then(|| {
        let requirement = said.between("Failed to install: ", ")").and_then(|text| text.split_once('('));
        let whom = requirement.map(|(_, name)| format!(" for `{name}`")).unwrap_or_default();
        Error::new(Code::DiskFull, format!("The environment could not be built: no space is left{whom}"))
            .hint("Free some space and try again")
    })
}

fn no_ensurepip(said: &Said<'_>) -> Option<Error> {
    if !said.has(&["ensurepip is not available", "No module named ensurepip", "No module named venv"]) {
        return None;
    }
    let package = said.word("apt install ").unwrap_or("python3-venv");
    let hint =
        format!("On Debian and Ubuntu: `apt install {package}`; or install uv, which needs none of it");
    Some(failed(
        "This Python cannot make environments: its `venv` or `ensurepip` is not installed".into(),
        &hint,
    ))
}

fn wrong_hash(said: &Said<'_>) -> Option<Error> {
    let uv = said.word("Hash mismatch for ");
    let pip = || said.between("DO NOT MATCH THE HASHES", " from http")?.split_whitespace().last();
    let requirement = uv.or_else(pip)?;
    Some(failed(
        format!("`{requirement}` does not have the hash that was written down for it"),
        "Make the hashes again if the package was changed on purpose; otherwise do not trust it",
    ))
}

fn missing_hash(said: &Said<'_>) -> Option<Error> {
    let pip =
        said.between("all requirements must have their versions pinned with ==. These do not: ", " from ");
    let uv = || said.word("mode, all requirements must have their versions pinned with `==`, but found: ");
    let uv_hash = || said.word("all requirements must have a hash, but none were provided for: ");
    let requirement = pip.or_else(uv).or_else(uv_hash)?.split_whitespace().last()?.to_owned();
    Some(failed(
        format!("`{requirement}` has no hash, and others have one"),
        "Give every requirement a version and a hash, or none",
    ))
}

fn wrong_python(said: &Said<'_>) -> Option<Error> {
    let hint = "Ask for another version of it, or for another Python";
    if let Some(version) = said.between("the current Python version (", ")") {
        let needs = said.word("does not satisfy ")?;
        let who =
            said.flat.split_once(" depends on Python").map_or("a requirement", |(text, _)| last_word(text));
        return Some(failed(
            format!("`{who}` needs {needs}, and the environment has Python {version}"),
            hint,
        ));
    }
    if let Some((package, versions)) = said
        .between("ERROR: Package '", " ERROR")
        .and_then(|text| text.split_once("' requires a different Python: "))
    {
        let (version, needs) = versions.split_once(" not in ")?;
        let needs = needs.split_whitespace().next()?.trim_matches('\'');
        return Some(failed(
            format!("`{package}` needs Python {needs}, and the environment has Python {version}"),
            hint,
        ));
    }
    let ignored =
        said.between("Ignored the following versions that require a different python version: ", "ERROR:")?;
    let requirement = said.word("No matching distribution found for ")?;
    let (_, version) = requirement.split_once("==")?;
    let needs =
        ignored.split(';').find_map(|one| one.trim().strip_prefix(version)?.split_once("Requires-Python "));
    let needs = needs.map(|(_, python)| python)?;
    Some(failed(format!("`{requirement}` needs Python {needs}"), hint))
}

fn last_word(text: &str) -> &str {
    text.split_whitespace().next_back().unwrap_or(text)
}

fn conflict(said: &Said<'_>) -> Option<Error> {
    let hint = "Loosen or remove one of the versions that exclude each other";
    if let Some(reasons) = said.between("The conflict is caused by:", "To fix this you could try to") {
        return Some(failed(format!("The requirements exclude each other: {reasons}"), hint));
    }
    let single =
        ["was not found in the package registry", "there is no version of", "there are no versions of"];
    if said.has(&["requirements are unsatisfiable"]) && !said.has(&single) {
        let (_, reasons) = said.flat.split_once("No solution found when resolving dependencies")?;
        let reasons = reasons.trim_start_matches([':', ' ']).trim_start_matches("cause: ");
        let reasons = reasons.split(" hint: ").next().unwrap_or(reasons);
        return Some(failed(format!("The requirements exclude each other: {reasons}"), hint));
    }
    None
}

fn unknown_version(said: &Said<'_>) -> Option<Error> {
    let uv = said.word("there is no version of ").or_else(|| said.word("there are no versions of "));
    let pip = || {
        let requirement = said.word("No matching distribution found for ")?;
        (!said.has(&["(from versions: none)"])).then_some(requirement)
    };
    let requirement = uv.or_else(pip)?;
    Some(failed(
        format!("There is no version that satisfies `{requirement}`, or none for this Python and machine"),
        "Look up its versions on the package index, and ask for one of them",
    ))
}

fn unknown_package(said: &Said<'_>) -> Option<Error> {
    let uv = said.between("Because ", " was not found in the package registry");
    let requirement = uv.or_else(|| said.word("No matching distribution found for "))?;
    Some(failed(
        format!("There is no package `{requirement}` in the package index"),
        "Check its spelling; the name to install is not always the name to import",
    ))
}

fn malformed(said: &Said<'_>) -> Option<Error> {
    let hint = "Correct that line; PEP 508 says how a requirement is written";
    if let Some(quoted) = said.between("Invalid requirement: ", " (from") {
        return Some(failed(format!("`{}` is not a requirement", quoted.trim_matches(['\'', '"'])), hint));
    }
    let place = said.between("Couldn't parse requirement in `", "`")?;
    let reason = said.between("cause: ", ", must").unwrap_or("it cannot be read");
    Some(failed(format!("A line of `{place}` is not a requirement: {reason}"), hint))
}

fn missing_file(said: &Said<'_>) -> Option<Error> {
    let pip = said.between("No such file or directory: '", "'").filter(|_| said.has(&["requirements file"]));
    let file = pip.or_else(|| said.word("error: File not found: "))?;
    Some(failed(
        format!("The file `{file}` is named by the requirements, and is not there"),
        "Add it to the source",
    ))
}

/// A package that had to be built from its source, and could not be.
fn build_failure(said: &Said<'_>) -> Option<Error> {
    let uv = said.between("Failed to build `", "`").or_else(|| said.between("Failed to build: `", "`"));
    let uv_any = || said.has(&["The build backend returned an error"]).then_some("a package");
    let requirement = uv.or_else(|| pip_build(said)).or_else(uv_any)?;
    // uv adds where it was built, which is gone by now.
    let requirement = requirement.split(" @ file:").next().unwrap_or(requirement);
    let (why, hint) = build_cause(said);
    Some(failed(format!("`{requirement}` has to be built, and its build failed{why}"), &hint))
}

fn pip_build<'a>(said: &'a Said<'_>) -> Option<&'a str> {
    let failed = ["metadata-generation-failed", "subprocess-exited-with-error", "legacy-install-failure"];
    if !said.has(&failed) && !said.has(&["Failed building wheel for", "Could not build wheels for"]) {
        return None;
    }
    let named =
        said.word("Failed building wheel for ").or_else(|| said.word("Running setup.py install for "));
    let collected = || {
        let line = said
            .lines
            .iter()
            .rev()
            .find(|line| ["Collecting ", "Processing "].iter().any(|w| line.starts_with(w)));
        line.and_then(|line| line.split_whitespace().nth(1))
    };
    named.map(|name| name.trim_end_matches(':')).or_else(collected).or(Some("a package"))
}

/// What the compiler or the build script missed.
fn build_cause(said: &Said<'_>) -> (String, String) {
    if let Some(header) = said.between("fatal error: ", ":").filter(|h| !h.contains(' ')) {
        let who = if header == "Python.h" {
            "the headers of Python (`python3-dev`)".into()
        } else {
            format!("the library that provides `{header}`")
        };
        return (
            format!(": `{header}` is not there"),
            format!("Install {who}, or ask for a version that has a wheel"),
        );
    }
    if no_compiler(said) {
        let hint = "Install a C compiler (Debian: `build-essential`), or ask for a version that has a wheel";
        return (": there is no C compiler".into(), hint.into());
    }
    let last =
        said.lines.iter().map(|line| line.trim_start_matches(['│', ' '])).rfind(|line| is_exception(line));
    let why = last.map(|line| format!(": {line}")).unwrap_or_default();
    (why, "The log has the output of the build; a version that has a wheel needs none".into())
}

fn no_compiler(said: &Said<'_>) -> bool {
    ["gcc", "cc", "g++", "c++", "clang"].iter().any(|name| {
        let (quoted, shell) = (format!("{name}' failed: No such file"), format!("{name}: not found"));
        said.has(&[&quoted, &shell])
    })
}

/// `RuntimeError: no libbar`, the last line of a traceback.
fn is_exception(line: &str) -> bool {
    let name = line.split(':').next().unwrap_or_default();
    let named = name.ends_with("Error") || name.ends_with("Exception");
    named && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_'))
}

/// The tool's own words: its last error, or its last line.
fn last_words(output: &str) -> Error {
    let lines: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let error =
        lines.iter().rev().find_map(|line| line.strip_prefix("error: ").or(line.strip_prefix("ERROR: ")));
    let words = error.or(lines.last().copied()).unwrap_or("the package tool failed and said nothing");
    failed(format!("The environment could not be built: {words}"), "The log has everything that was said")
}

#[cfg(test)]
mod tests;
