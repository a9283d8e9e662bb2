//! The program in its folder. Its scripts and parts name each other in a circle, so that none can be named after its
//! own content alone: they share one hash, over all of them.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::bundle::{digest, put_as, read};
use super::compile::{Glue, SCRIPT};
use super::split::{LOADER, Parts};

/// What the names of the parts that are fetched later begin with.
pub(super) const LATER: &str = "later";

/// Where the files are that the document names.
pub(super) struct Program {
    /// The module.
    pub(super) wasm: String,
    /// The JavaScript around it.
    pub(super) script: String,
    /// The script that fetches the other parts.
    pub(super) loader: String,
}

/// Writes the files under their names, by which they then know each other.
pub(super) fn put(glue: &Glue, parts: &Parts, folder: &Path) -> Result<Program> {
    let (wasm, script, mut loader) = (read(&glue.wasm)?, text(&glue.script)?, text(&parts.loader)?);
    let later = parts.later.iter().map(|part| read(part)).collect::<Result<Vec<_>>>()?;
    let fixed = [wasm.as_slice(), script.as_bytes(), loader.as_bytes()];
    let hash = digest(fixed.into_iter().chain(later.iter().map(Vec::as_slice)));
    for (index, (path, bytes)) in parts.later.iter().zip(&later).enumerate() {
        let address = put_as(folder, &format!("{LATER}{index}"), &hash, "wasm", bytes)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        loader = renamed(&loader, &format!("URL(\"./{name}\""), &format!("URL(\"{address}\""))?;
    }
    // A script is written last, but its name is known from the beginning.
    let known = |stem: &str| format!(" from \"/{stem}-{hash}.js\"");
    let script = renamed(&script, &format!(" from \"./{LOADER}\""), &known("load"))?;
    let loader = renamed(&loader, &format!(" from \"./{SCRIPT}\""), &known("page"))?;
    Ok(Program {
        wasm: put_as(folder, "page", &hash, "wasm", &wasm)?,
        script: put_as(folder, "page", &hash, "js", script.as_bytes())?,
        loader: put_as(folder, "load", &hash, "js", loader.as_bytes())?,
    })
}

fn text(path: &Path) -> Result<String> {
    Ok(fs::read_to_string(path)?)
}

/// A name that is not where it is looked for means that a tool writes something else than it did.
fn renamed(script: &str, before: &str, after: &str) -> Result<String> {
    if !script.contains(before) {
        bail!("No script of the page says `{before}` any more");
    }
    Ok(script.replace(before, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn file(folder: &Path, name: &str, content: &str) -> PathBuf {
        fs::write(folder.join(name), content).unwrap();
        folder.join(name)
    }

    fn program(folder: &Path, later: &str) -> (Glue, Parts) {
        let script = "import * as load from \"./load.js\"\nimports = {\"./load.js\": load};";
        let loader = "import { initSync } from \"./page.js\";\nfetch(new URL(\"./split_later.wasm\", here));";
        let glue = Glue {
            wasm: file(folder, "page_bg.wasm", "wasm"),
            script: file(folder, SCRIPT, script),
            snippets: folder.join("snippets"),
        };
        let main = file(folder, "main.wasm", "");
        let later = vec![file(folder, "split_later.wasm", later)];
        (glue, Parts { main, later, loader: file(folder, LOADER, loader) })
    }

    #[test]
    fn scripts_find_each_other_under_the_new_names() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (glue, parts) = program(from.path(), "later");
        let put = put(&glue, &parts, to.path()).unwrap();
        let content = |address: &str| fs::read_to_string(to.path().join(&address[1..])).unwrap();
        let script = content(&put.script);
        assert!(script.contains(&format!("from \"{}\"", put.loader)), "{script}");
        assert!(script.contains("{\"./load.js\": load}"), "the module knows it by its old name: {script}");
        let loader = content(&put.loader);
        assert!(loader.contains(&format!("from \"{}\"", put.script)), "{loader}");
        let later = loader.split('"').find(|name| name.starts_with("/later0-")).unwrap();
        assert_eq!(content(later), "later");
    }

    #[test]
    fn one_part_that_changes_renames_all() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut wasm = ["one", "two"].map(|later| {
            let (glue, parts) = program(from.path(), later);
            put(&glue, &parts, to.path()).unwrap().wasm
        });
        wasm.sort();
        assert_ne!(wasm[0], wasm[1]);
    }

    #[test]
    fn a_script_that_names_nobody_is_an_error() {
        let error = renamed("import x from \"./y.js\"", " from \"./load.js\"", "").unwrap_err().to_string();
        assert!(error.contains("./load.js"), "{error}");
    }
}
