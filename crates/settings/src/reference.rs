//! The reference page, made from the table, so that the two cannot differ.

use std::fmt::Write as _;

use crate::settings::{Effect, SETTINGS, Setting};
use crate::variables;

const HEAD: &str = "# Settings

<!-- Generated from the table in crates/settings by `cargo xtask docs`. Edit it there. -->

A setting comes from `config/mantyx.toml` below the root, which the environment overrides, which flags of
`mantyx serve` override. A key that does not exist is an error that names the nearest one that does.

What takes effect at once can also be changed while the daemon runs, on the page or over the API, unless a variable or
a flag decides it; the change is written into the file. Everything else takes effect at the next start.

The root is what `--root` or `MANTYX_ROOT` says. Without them it is `/srv/mantyx` for a system service (started by
systemd as root) and `.mantyx` in the current folder for everybody else.
";

const VARIABLES_HEAD: &str = "
## Variables only

These are no keys of the file.

| variable | meaning |
|---|---|
";

/// The page `docs/settings.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    for setting in SETTINGS {
        page.push_str(&section(setting));
    }
    page.push_str(VARIABLES_HEAD);
    for variable in variables::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| `{}` | {} |", variable.name, variable.doc);
    }
    page
}

fn section(setting: &Setting) -> String {
    let Setting { name, default, form, doc, effect } = setting;
    let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
    let (variable, flag) = (setting.variable(), setting.flag());
    let effect = match effect {
        Effect::Live => " Takes effect at once.",
        Effect::Restart => "",
    };
    format!(
        "\n## {name}\n\n{doc}\n\nTakes {form}. Default: {default}. Also `{variable}`, `{flag}`.{effect}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == reference(),
            "Run `cargo xtask docs`: docs/settings.md must be\n{}",
            reference()
        );
    }
}
