//! The finished folder: every file under a name with the hash of its content, but for the one that names them all.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use super::compile::Glue;
use super::program::{self, Program};
use super::split::Parts;
use crate::workspace;

/// Puts everything together in `folder`, which is emptied first.
pub(super) fn assemble(glue: &Glue, parts: &Parts, folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let Program { wasm, script, loader } = program::put(glue, parts, folder)?;
    copy_snippets(&glue.snippets, &folder.join("snippets"))?;
    let boot = put(folder, "boot", "js", boot_module(&script, &wasm).as_bytes())?;
    let css = put(folder, "style", "css", &styles()?)?;
    let logo = put(folder, "logo", "svg", &read(&workspace::path("assets/logo.svg"))?)?;
    let template = String::from_utf8(read(&workspace::path("frontend/index.html"))?)?;
    let places = [
        ("css", &css),
        ("js", &boot),
        ("glue", &script),
        ("loader", &loader),
        ("wasm", &wasm),
        ("logo", &logo),
    ];
    fs::write(folder.join("index.html"), filled(&template, &places)?)?;
    Ok(folder.to_path_buf())
}

/// Writes a file under its hashed name and answers the address that the page knows it by.
fn put(folder: &Path, stem: &str, extension: &str, bytes: &[u8]) -> Result<String> {
    put_as(folder, stem, &digest([bytes]), extension, bytes)
}

/// The hash that names carry.
pub(super) fn digest<'a>(contents: impl IntoIterator<Item = &'a [u8]>) -> String {
    let hash = contents.into_iter().fold(Sha256::new(), Sha256::chain_update);
    hex::encode(&hash.finalize()[..8])
}

/// Writes a file under a hash that is known already.
pub(super) fn put_as(folder: &Path, stem: &str, hash: &str, extension: &str, bytes: &[u8]) -> Result<String> {
    let name = format!("{stem}-{hash}.{extension}");
    fs::write(folder.join(&name), bytes)?;
    Ok(format!("/{name}"))
}

/// The module that starts the page. A file of its own, because the page's content security policy allows no script
/// in the document; it also says so when the page cannot start.
fn boot_module(script: &str, wasm: &str) -> String {
    format!(
        "import start from \"{script}\";\n\
         start({{ module_or_path: \"{wasm}\" }}).catch((error) => {{\n\
         \x20 document.body.textContent = `Mantyx cannot show its page in this browser: ${{error}}`;\n\
         \x20 throw error;\n\
         }});\n"
    )
}

/// The style sheets, one behind the other in the order of their names.
fn styles() -> Result<Vec<u8>> {
    let mut css = Vec::new();
    for file in workspace::files_below(&workspace::path("frontend/src/theme"))? {
        if file.extension().is_some_and(|e| e == "css") {
            css.extend(read(&file)?);
            css.push(b'\n');
        }
    }
    Ok(css)
}

/// Crates can bring JavaScript along; the glue imports it by a path that already has a hash in it.
fn copy_snippets(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    for file in workspace::files_below(from)? {
        let place = to.join(file.strip_prefix(from)?);
        fs::create_dir_all(place.parent().unwrap_or(to))?;
        fs::copy(&file, &place)?;
    }
    Ok(())
}

/// Fills `{{name}}` by name; a name that nobody knows is an error.
fn filled(template: &str, places: &[(&str, &String)]) -> Result<String> {
    let mut text = template.to_owned();
    for (name, value) in places {
        text = text.replace(&format!("{{{{{name}}}}}"), value);
    }
    match text.split_once("{{") {
        Some((_, rest)) => bail!(
            "`frontend/index.html` has `{{{{{}`, which is none of {}",
            rest.lines().next().unwrap_or_default(),
            places.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ),
        None => Ok(text),
    }
}

/// The content of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("Could not read `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_every_place_and_refuses_unknown_ones() {
        let css = "/style-1.css".to_owned();
        let page = filled("<link href=\"{{css}}\">", &[("css", &css)]).unwrap();
        assert_eq!(page, "<link href=\"/style-1.css\">");
        let error = filled("{{font}}", &[("css", &css)]).unwrap_err().to_string();
        assert!(error.contains("{{font}}") && error.contains("`css`"), "{error}");
    }

    #[test]
    fn a_name_follows_the_content() {
        let folder = tempfile::tempdir().unwrap();
        let name = |bytes: &[u8]| put(folder.path(), "page", "js", bytes).unwrap();
        assert_eq!(name(b"one"), name(b"one"));
        assert_ne!(name(b"one"), name(b"two"));
    }
}
