//! `[tool.uv]`: what uv alone reads, in a `pyproject.toml` and in the metadata of a script (uv, "Settings").
//!
//! It can say where a package comes from and which versions will do. A tool that passes over it installs something else
//! under the same names, maybe somebody else's: so it is followed, or refused by its name.

use mantyx_core::{Code, Error, RelativePath, Result};
use toml::Table;

use crate::plan::Dependencies;
use crate::source::Source;

/// What says nothing about which packages there are. Whatever is not known counts as if it did.
const HARMLESS: [&str; 24] = [
    "add-bounds",
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
    "link-mode",
    "managed",
    "package",
    "preview",
    "publish-url",
    "python-downloads",
    "python-preference",
    "required-environments",
    "required-version",
    "workspace",
];

/// Where single dependencies come from. Counts for what the same file declares.
const SOURCES: &str = "sources";

/// Refuses what uv does not follow in a script, although it stands there for uv.
pub(crate) fn refuse_in_script(source: &Source, dependencies: &Dependencies) -> Result<()> {
    let Dependencies::Inline { script, .. } = dependencies else { return Ok(()) };
    let of_script = |found: &&(RelativePath, crate::inline::Inline)| found.0 == *script;
    let found = source.inline.iter().chain(&source.lone).find(of_script);
    let Some(key) = found.and_then(|(_, inline)| deciding(inline.tool.uv.as_ref()?).next()) else {
        return Ok(());
    };
    let detail = format!("The metadata of `{script}` has `tool.uv.{key}`, which is not followed in a script");
    Err(Error::new(Code::InstallFailed, detail).hint(
        "Declare the dependencies in a `pyproject.toml` instead, or each with its address: `name @ git+https://…`",
    ))
}

/// Refuses what pip does not know of.
pub(crate) fn refuse_without_uv(source: &Source, dependencies: &Dependencies) -> Result<()> {
    let declares = matches!(dependencies, Dependencies::Pyproject(_) | Dependencies::Poetry(_));
    let has_say = |key: &&str| declares || *key != SOURCES;
    let key = match dependencies {
        // The lock says where each archive is, and a script says it for itself.
        Dependencies::Pylock(_) | Dependencies::Inline { .. } | Dependencies::None => None,
        _ => source.uv.as_ref().and_then(|uv| deciding(uv).find(has_say)),
    };
    let Some(key) = key else { return Ok(()) };
    let detail = format!("`pyproject.toml` has `tool.uv.{key}`, which only uv can follow");
    Err(Error::new(Code::NeedsUv, detail)
        .hint("Install uv, or say it in a way that every tool knows and remove it from there"))
}

fn deciding(uv: &Table) -> impl Iterator<Item = &str> {
    uv.keys().map(String::as_str).filter(|key| !HARMLESS.contains(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_may_decide() {
        let of = |text: &str| deciding(&text.parse().unwrap()).map(str::to_owned).collect::<Vec<_>>();
        assert!(of("package = false\ndev-dependencies = ['ruff']\n[workspace]\nmembers = []\n").is_empty());
        assert_eq!(of("[sources]\na = { path = 'a' }\n[[index]]\nurl = 'https://x'\n"), ["index", "sources"]);
        assert_eq!(of("exclude-newer = '2026-01-01'\n"), ["exclude-newer"]);
        assert_eq!(of("tomorrow = 1\n"), ["tomorrow"]);
        assert!(HARMLESS.is_sorted());
    }
}
