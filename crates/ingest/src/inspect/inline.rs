//! Metadata inside a script (PEP 723, now in the packaging specifications as inline script metadata).

use toml::{Table, Value};

/// What a script says about what it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InlineMetadata {
    pub(crate) requires_python: Option<String>,
    pub(crate) dependencies: Vec<String>,
}

impl InlineMetadata {
    /// Reads the block of type `script`. `None` when there is none; an error, as the end of a sentence, when
    /// there is one that tools would refuse.
    pub(crate) fn read(text: &str) -> Result<Option<Self>, String> {
        let mut blocks = blocks(text);
        let Some(block) = blocks.next() else { return Ok(None) };
        let block = block?;
        if blocks.next().is_some() {
            return Err("it has two `script` blocks".into());
        }
        let table: Table = block.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
        Ok(Some(Self { requires_python: requires_python(&table)?, dependencies: dependencies(&table)? }))
    }
}

/// The content of each block: comment lines from `# /// script` up to the last `# ///` in the same run.
fn blocks(text: &str) -> impl Iterator<Item = Result<String, String>> {
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
    let mut at = 0;
    std::iter::from_fn(move || {
        at += lines[at..].iter().position(|line| line.trim_end() == "# /// script")? + 1;
        let rest = &lines[at..];
        let run = rest.iter().take_while(|line| is_content(line)).count();
        let end = rest[..run].iter().rposition(|line| line.trim_end() == "# ///");
        at += end.map_or(run, |end| end + 1);
        Some(match end {
            Some(end) => Ok(rest[..end].iter().map(|line| content(line)).collect::<Vec<_>>().join("\n")),
            None => Err("the `script` block has no end: a line `# ///`".into()),
        })
    })
}

fn is_content(line: &str) -> bool {
    line.trim_end() == "#" || line.starts_with("# ")
}

fn content(line: &str) -> &str {
    line.strip_prefix("# ").unwrap_or("")
}

fn requires_python(table: &Table) -> Result<Option<String>, String> {
    match table.get("requires-python") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err("`requires-python` is not a text".into()),
    }
}

fn dependencies(table: &Table) -> Result<Vec<String>, String> {
    let Some(value) = table.get("dependencies") else { return Ok(Vec::new()) };
    let texts = value.as_array().and_then(|all| all.iter().map(|v| v.as_str().map(str::to_owned)).collect());
    texts.ok_or_else(|| "`dependencies` is not a list of texts".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "#!/usr/bin/env python\n# /// script\n# requires-python = \">=3.11\"\n# dependencies = [\n#   \"requests<3\",\n#\n#   \"rich\",\n# ]\n# ///\nimport requests\n";

    #[test]
    fn reads_the_block() {
        let metadata = InlineMetadata::read(GOOD).unwrap().unwrap();
        assert_eq!(metadata.requires_python.as_deref(), Some(">=3.11"));
        assert_eq!(metadata.dependencies, ["requests<3", "rich"]);
        let windows = GOOD.replace('\n', "\r\n");
        assert_eq!(InlineMetadata::read(&windows).unwrap().unwrap(), metadata);
    }

    #[test]
    fn other_comments_are_no_block() {
        assert_eq!(InlineMetadata::read("# just a comment\nprint()\n"), Ok(None));
        assert_eq!(InlineMetadata::read("# /// other\n# x = 1\n# ///\n"), Ok(None));
        assert_eq!(InlineMetadata::read(""), Ok(None));
    }

    #[test]
    fn broken_blocks_are_errors() {
        for broken in [
            "# /// script\n# dependencies = []\nimport x\n",
            "# /// script\n# dependencies = [\n# ///\n",
            "# /// script\n# dependencies = 'x'\n# ///\n",
            "# /// script\n# requires-python = 3\n# ///\n",
            "# /// script\n# ///\n\n# /// script\n# ///\n",
        ] {
            assert!(InlineMetadata::read(broken).is_err(), "{broken}");
        }
    }
}
