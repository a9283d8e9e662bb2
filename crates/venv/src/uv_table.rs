//! `[tool.uv]`: what uv alone reads, in a `pyproject.toml` and in the metadata of a script (uv, "Settings").
//!
//! It can say where a package comes from and which versions will do. A tool that passes over it installs something else
//! under the same names, maybe somebody else's: so it is followed, or refused by its name.

use mantyx_core::{Code, Error, RelativePath, Result};
use toml::{Table, Value};

use crate::plan::Dependencies;
use crate::source::Source;

/// What says nothing about which packages there are. Whatever is not known counts as if it did.
const HARMLESS: [&str; 39] = [
    "add-bounds",
    "allow-insecure-host",
    "audit",
    "build-backend",
    "cache-dir",
    "cache-keys",
    "check-url",
    "compile-bytecode",
    "concurrent-builds",
    "concurrent-downloads",
    "concurrent-installs",
    "conflicts",
    "default-groups",
    "dependency-groups",
    "dev-dependencies",
    "environments",
    "http-proxy",
    "https-proxy",
    "keyring-provider",
    "link-mode",
    "managed",
    "native-tls",
    "no-cache",
    "no-proxy",
    "offline",
    "package",
    "preview",
    "preview-features",
    "publish-url",
    "pypy-install-mirror",
    "python-downloads",
    "python-downloads-json-url",
    "python-install-mirror",
    "python-preference",
    "required-environments",
    "required-version",
    "system-certs",
    "trusted-publishing",
    "workspace",
];

/// Where single dependencies come from. Counts for what the same file declares.
const SOURCES: &str = "sources";
/// Other places to look for packages. One that is explicit counts for those that `sources` names.
const INDEX: &str = "index";
/// What says where packages come from, so that a lock which names only versions does not.
const PLACES: [&str; 6] = ["extra-index-url", "find-links", INDEX, "index-url", "no-index", SOURCES];
/// Up to when packages were published that will do. uv is told so by a variable too.
const EXCLUDE_NEWER: &str = "exclude-newer";

/// Up to when packages were published that a script may have.
pub(crate) fn exclude_newer(source: &Source, dependencies: &Dependencies) -> Option<String> {
    let value = of_script(source, dependencies)?.1.get(EXCLUDE_NEWER)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// The script that declares the dependencies, and its table.
fn of_script<'a>(
    source: &'a Source,
    dependencies: &'a Dependencies,
) -> Option<(&'a RelativePath, &'a Table)> {
    let Dependencies::Inline { script, .. } = dependencies else { return None };
    let found = source.inline.iter().chain(&source.lone).find(|found| found.0 == *script)?;
    Some((script, found.1.tool.uv.as_ref()?))
}

/// Refuses what uv does not follow in a script, although it stands there for uv.
pub(crate) fn refuse_in_script(source: &Source, dependencies: &Dependencies) -> Result<()> {
    let Some((script, uv)) = of_script(source, dependencies) else { return Ok(()) };
    let Some(key) = deciding(uv).find(|key| *key != EXCLUDE_NEWER) else { return Ok(()) };
    let detail = format!("The metadata of `{script}` has `tool.uv.{key}`, which is not followed in a script");
    Err(Error::new(Code::InstallFailed, detail).hint(
        "Declare the dependencies in a `pyproject.toml` instead, or each with its address: `name @ git+https://…`",
    ))
}

/// Refuses what pip does not know of.
pub(crate) fn refuse_without_uv(source: &Source, dependencies: &Dependencies) -> Result<()> {
    refuse(source, dependencies, |_| true)
}

/// Refuses what pip does not know of and a lock does not say: a version of that name may be somebody else's elsewhere.
pub(crate) fn refuse_other_places(source: &Source, dependencies: &Dependencies) -> Result<()> {
    refuse(source, dependencies, |key| PLACES.contains(&key))
}

fn refuse(source: &Source, dependencies: &Dependencies, matters: impl Fn(&str) -> bool) -> Result<()> {
    let declares = matches!(dependencies, Dependencies::Pyproject(_) | Dependencies::Poetry(_));
    let has_say = |key: &&str| (declares || *key != SOURCES) && matters(key);
    let (file, key) = match dependencies {
        // The lock says where each archive is.
        Dependencies::Pylock(_) | Dependencies::None => return Ok(()),
        Dependencies::Inline { script, .. } => {
            let uv = of_script(source, dependencies).map(|(_, uv)| uv);
            (script.as_str(), uv.and_then(|uv| deciding(uv).find(|key| matters(key))))
        }
        _ => ("pyproject.toml", source.uv.as_ref().and_then(|uv| deciding(uv).find(has_say))),
    };
    let Some(key) = key else { return Ok(()) };
    let detail = format!("`{file}` has `tool.uv.{key}`, which only uv can follow");
    Err(Error::new(Code::NeedsUv, detail)
        .hint("Install uv, or say it in a way that every tool knows and remove it from there"))
}

fn deciding(uv: &Table) -> impl Iterator<Item = &str> {
    let has_say = |(key, value): &(&String, &Value)| match key.as_str() {
        INDEX => !all_explicit(value),
        key => !HARMLESS.contains(&key),
    };
    uv.iter().filter(has_say).map(|(key, _)| key.as_str())
}

fn all_explicit(indexes: &Value) -> bool {
    let is_explicit = |index: &Value| index.get("explicit").and_then(Value::as_bool) == Some(true);
    indexes.as_array().is_some_and(|indexes| indexes.iter().all(is_explicit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_may_decide() {
        let of = |text: &str| deciding(&text.parse().unwrap()).map(str::to_owned).collect::<Vec<_>>();
        assert!(of("package = false\ndev-dependencies = ['ruff']\n[workspace]\nmembers = []\n").is_empty());
        assert_eq!(of("[sources]\na = { path = 'a' }\n[[index]]\nurl = 'https://x'\n"), ["index", "sources"]);
        assert!(of("[[index]]\nurl = 'https://x'\nexplicit = true\n").is_empty());
        assert_eq!(of("[[index]]\nexplicit = true\n[[index]]\nurl = 'https://x'\n"), ["index"]);
        assert_eq!(of("exclude-newer = '2026-01-01'\n"), ["exclude-newer"]);
        assert_eq!(of("tomorrow = 1\n"), ["tomorrow"]);
        assert!(HARMLESS.is_sorted());
    }
}
