//! Inline metadata of a script (PEP 723).

use mantyx_core::{Code, Error, Result};
use serde::Deserialize;

/// What a script declares about itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Inline {
    #[serde(default)]
    pub(crate) dependencies: Vec<String>,
    #[serde(default, rename = "requires-python")]
    pub(crate) requires_python: Option<String>,
    #[serde(default)]
    pub(crate) tool: Tool,
}

/// `[tool]`, of which one table matters.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Tool {
    pub(crate) uv: Option<toml::Table>,
}

impl Inline {
    /// Reads the `script` block. `None` when there is none.
    pub(crate) fn parse(script: &str, name: &str) -> Result<Option<Self>> {
        let Some(block) = block(script, name)? else { return Ok(None) };
        toml::from_str(&block).map(Some).map_err(|error| {
            let detail = format!("The metadata at the head of `{name}` cannot be read: {}", error.message());
            Error::new(Code::InstallFailed, detail).hint("See PEP 723 for its form")
        })
    }
}

/// The text of the one block of type `script`, without the `#` in front, as the reference implementation reads it.
fn block(script: &str, name: &str) -> Result<Option<String>> {
    let mut found = None;
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        if line.trim_end() != "# /// script" {
            continue;
        }
        let comments: Vec<&str> = lines.clone().take_while(|line| is_comment(line)).collect();
        let Some(end) = comments.iter().rposition(|line| line.trim_end() == "# ///") else { continue };
        if found.is_some() {
            let detail = format!("`{name}` has two blocks of metadata of type `script`");
            return Err(Error::new(Code::InstallFailed, detail).hint("Keep one of them"));
        }
        let content = comments[..end].iter().map(|line| line.get(2..).unwrap_or_default());
        found = Some(content.collect::<Vec<_>>().join("\n"));
        lines.nth(end);
    }
    Ok(found)
}

fn is_comment(line: &str) -> bool {
    line.trim_end() == "#" || line.starts_with("# ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "#!/usr/bin/env python3\n# /// script\n# requires-python = \">=3.9\"\n# dependencies = [\n\
                          #   \"six\",\n#\n#   \"iniconfig<3\",\n# ]\n# ///\nimport six\n# a comment\n";

    #[test]
    fn reads_the_block() {
        let inline = Inline::parse(SCRIPT, "main.py").unwrap().unwrap();
        assert_eq!(inline.dependencies, ["six", "iniconfig<3"]);
        assert_eq!(inline.requires_python.as_deref(), Some(">=3.9"));
    }

    #[test]
    fn a_script_without_one_has_none() {
        assert_eq!(Inline::parse("import six\n# /// script\n# x\n", "main.py").unwrap(), None);
        assert_eq!(Inline::parse("# /// other\n# a = 1\n# ///\n", "main.py").unwrap(), None);
    }

    #[test]
    fn two_blocks_and_nonsense_are_refused() {
        assert!(Inline::parse(&SCRIPT.repeat(2), "main.py").is_err());
        let error = Inline::parse("# /// script\n# dependencies = 3\n# ///\n", "main.py").unwrap_err();
        assert!(error.detail().contains("`main.py`"), "{error}");
    }
}
