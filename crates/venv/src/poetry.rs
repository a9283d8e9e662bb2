//! Poetry's dependencies as standard requirements (PEP 508).
//!
//! Poetry has constraints of its own (`^1.2`, `~1.2`, a bare version). They are rewritten here, so that no build
//! of the project and no Poetry is needed to know what it depends on.

use mantyx_core::{Code, Error, Result};
use toml::{Table, Value};

/// The requirements of a `[tool.poetry.dependencies]` table, in its order. Python itself and optional ones are
/// left out.
pub(crate) fn requirements(dependencies: &Table) -> Result<Vec<String>> {
    let mut requirements = Vec::new();
    for (name, value) in dependencies.iter().filter(|(name, _)| *name != "python") {
        match value {
            Value::Array(several) => {
                for one in several {
                    requirements.extend(requirement(name, one)?);
                }
            }
            one => requirements.extend(requirement(name, one)?),
        }
    }
    Ok(requirements)
}

fn requirement(name: &str, value: &Value) -> Result<Option<String>> {
    match value {
        Value::String(text) => Ok(Some(format!("{name}{}", single(name, text)?))),
        Value::Table(table) if table.get("optional") == Some(&Value::Boolean(true)) => Ok(None),
        Value::Table(table) => detailed(name, table).map(Some),
        _ => Err(unreadable(name, &value.to_string())),
    }
}

fn detailed(name: &str, table: &Table) -> Result<String> {
    let text = |key: &str| table.get(key).and_then(Value::as_str);
    let full = format!("{name}{}", extras(table));
    let marker = marker(name, table)?;
    if let Some(path) = text("path") {
        return Ok(format!("./{}{}{marker}", path.trim_start_matches("./"), extras(table)));
    }
    if let Some(url) = text("git") {
        let revision = text("rev").or_else(|| text("tag")).or_else(|| text("branch"));
        let at = revision.map(|revision| format!("@{revision}")).unwrap_or_default();
        let folder = text("subdirectory").map(|f| format!("#subdirectory={f}")).unwrap_or_default();
        return Ok(format!("{full} @ git+{url}{at}{folder}{marker}"));
    }
    if let Some(url) = text("url") {
        return Ok(format!("{full} @ {url}{marker}"));
    }
    let version = text("version").ok_or_else(|| unreadable(name, &table.to_string()))?;
    Ok(format!("{full}{}{marker}", single(name, version)?))
}

fn extras(table: &Table) -> String {
    let extras = table.get("extras").and_then(Value::as_array);
    let names: Vec<&str> = extras.into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() { String::new() } else { format!("[{}]", names.join(",")) }
}

/// The environment marker, with the space that ends an address before it.
fn marker(name: &str, table: &Table) -> Result<String> {
    let mut parts = Vec::new();
    if let Some(python) = table.get("python").and_then(Value::as_str) {
        parts.extend(single(name, python)?.split(',').filter(|part| !part.is_empty()).map(python_marker));
    }
    if let Some(own) = table.get("markers").and_then(Value::as_str) {
        parts.push(format!("({own})"));
    }
    Ok(if parts.is_empty() { String::new() } else { format!(" ; {}", parts.join(" and ")) })
}

fn python_marker(specifier: &str) -> String {
    let version = specifier.trim_start_matches(['<', '>', '=', '!', '~']);
    let operator = &specifier[..specifier.len() - version.len()];
    let variable = if version.ends_with('*') { "python_version" } else { "python_full_version" };
    format!("{variable} {operator} '{}'", version.trim_end_matches(".*"))
}

/// A constraint where the standard has no "or".
fn single(name: &str, text: &str) -> Result<String> {
    if text.contains('|') { Err(unreadable(name, text)) } else { Ok(constraint(text)) }
}

fn unreadable(name: &str, text: &str) -> Error {
    let detail = format!("Poetry's dependency `{name}` cannot be written as a standard requirement: {text}");
    Error::new(Code::InstallFailed, detail)
        .hint("Add a `requirements.txt`, for example by `poetry export -o requirements.txt`")
}

/// A constraint of Poetry in the words of PEP 440, alternatives (`||`) kept apart.
pub(crate) fn constraint(text: &str) -> String {
    let alternatives = text.split("||").flat_map(|part| part.split('|'));
    alternatives.map(conjunction).collect::<Vec<_>>().join(" || ")
}

fn conjunction(text: &str) -> String {
    // `>= 1.2` has a space of its own; `>=1.2 <2` means both.
    let mut parts: Vec<String> = Vec::new();
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        match parts.last_mut() {
            Some(last) if last.ends_with(['<', '>', '=', '^', '~', '!']) => last.push_str(word),
            _ => parts.push(word.to_owned()),
        }
    }
    let parts: Vec<String> = parts.iter().map(|part| clause(part)).filter(|part| !part.is_empty()).collect();
    parts.join(",")
}

fn clause(text: &str) -> String {
    if text == "*" {
        return String::new();
    }
    if let Some(version) = text.strip_prefix('^') {
        return between(version, first_significant(version));
    }
    if let Some(version) = text.strip_prefix('~').filter(|rest| !rest.starts_with('=')) {
        return between(version, usize::from(version.contains('.')));
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return format!("=={text}");
    }
    match text.strip_prefix('=') {
        Some(version) if !version.starts_with('=') => format!("=={version}"),
        _ => text.to_owned(),
    }
}

/// The place that `^` does not let grow: the first that is not 0, or the last.
fn first_significant(version: &str) -> usize {
    let parts = numbers(version);
    parts.iter().position(|number| *number != 0).unwrap_or(parts.len().saturating_sub(1))
}

/// From a version up to, and without, the next one at that place.
fn between(version: &str, place: usize) -> String {
    let mut parts = numbers(version);
    parts.resize(place + 1, 0);
    parts[place] += 1;
    let next: Vec<String> = parts.iter().map(u64::to_string).collect();
    format!(">={version},<{}", next.join("."))
}

/// The numbers of a version up to where letters begin.
fn numbers(version: &str) -> Vec<u64> {
    let release = version.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    release.split('.').filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_constraints() {
        for (poetry, standard) in [
            ("*", ""),
            ("1.2.3", "==1.2.3"),
            ("=1.2", "==1.2"),
            ("1.2.*", "==1.2.*"),
            ("^1.2.3", ">=1.2.3,<2"),
            ("^0.2.3", ">=0.2.3,<0.3"),
            ("^0.0.3", ">=0.0.3,<0.0.4"),
            ("^0.0", ">=0.0,<0.1"),
            ("^1", ">=1,<2"),
            ("~1.2.3", ">=1.2.3,<1.3"),
            ("~1.2", ">=1.2,<1.3"),
            ("~1", ">=1,<2"),
            ("~=1.2", "~=1.2"),
            (">=1.2, <2", ">=1.2,<2"),
            (">= 1.2 <2", ">=1.2,<2"),
            ("^2.7 || ^3.6", ">=2.7,<3 || >=3.6,<4"),
            ("^1.0b2", ">=1.0b2,<2"),
        ] {
            assert_eq!(constraint(poetry), standard, "{poetry}");
        }
    }

    fn rewritten(line: &str) -> Result<Vec<String>> {
        requirements(&toml::from_str(line).unwrap())
    }

    #[test]
    fn rewrites_each_form_of_a_dependency() {
        for (line, wanted) in [
            ("flask = '^3.0'", "flask>=3.0,<4"),
            ("six = '*'", "six"),
            ("a = { version = '^1', extras = ['x', 'y'] }", "a[x,y]>=1,<2"),
            (
                "a = { version = '1', markers = \"sys_platform == 'win32'\" }",
                "a==1 ; (sys_platform == 'win32')",
            ),
            (
                "a = { version = '*', python = '^3.8' }",
                "a ; python_full_version >= '3.8' and python_full_version < '4'",
            ),
            ("a = { git = 'https://x/a.git', tag = 'v1' }", "a @ git+https://x/a.git@v1"),
            ("a = { url = 'https://x/a.whl' }", "a @ https://x/a.whl"),
            ("a = { path = 'libs/a', develop = true }", "./libs/a"),
        ] {
            assert_eq!(rewritten(line).unwrap(), [wanted], "{line}");
        }
        assert!(rewritten("python = '^3.9'\na = { version = '1', optional = true }").unwrap().is_empty());
        assert_eq!(rewritten("a = [{ version = '1' }, { version = '2' }]").unwrap(), ["a==1", "a==2"]);
    }

    #[test]
    fn what_has_no_standard_form_is_said() {
        assert!(rewritten("a = '^1 || ^3'").unwrap_err().detail().contains("`a`"));
    }
}
