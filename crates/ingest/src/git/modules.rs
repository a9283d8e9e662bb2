//! Submodules: what a repository says about them, and how they are fetched.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::PathBuf;

use git2::{Oid, Repository, Tree};
use mantyx_core::{Code, Error, Result};
use mantyx_platform::folders;

use super::fetch::{self, Session};
use super::new_repository;
use super::peer::of_submodule;

/// The file that says where submodules come from.
const FILE: &str = ".gitmodules";
/// The longest one that is read, in bytes.
const LONGEST: usize = 256 * 1024;
/// How deep submodules may lie in submodules. Each level is a repository that is there meanwhile.
const DEEPEST: usize = 5;
/// How many there may be in all.
const MOST: usize = 50;

/// Where the submodules of one repository come from, by the paths where they lie.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Modules(HashMap<String, String>);

impl Modules {
    /// Reads what a commit says.
    pub(super) fn of(repository: &Repository, tree: &Tree<'_>) -> Self {
        let blob = tree.get_name(FILE).and_then(|entry| repository.find_blob(entry.id()).ok());
        let blob = blob.filter(|blob| blob.size() <= LONGEST);
        blob.map(|blob| Self::parse(&String::from_utf8_lossy(blob.content()))).unwrap_or_default()
    }

    /// The lines of git-config(1) that count here. libgit2 would also read the files that such a file includes.
    fn parse(text: &str) -> Self {
        let mut by_name: HashMap<String, (Option<String>, Option<String>)> = HashMap::new();
        let mut name = None;
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                name = section(line);
            } else if let (Some(name), Some((key, value))) = (&name, line.split_once('=')) {
                let module = by_name.entry(name.clone()).or_default();
                match key.trim().to_ascii_lowercase().as_str() {
                    "path" => module.0 = Some(unquoted(value)),
                    "url" => module.1 = Some(unquoted(value)),
                    _ => {}
                }
            }
        }
        Self(by_name.into_values().filter_map(|(path, url)| Some((path?, url?))).collect())
    }

    /// Where the submodule at a path of the repository comes from.
    pub(super) fn url(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }
}

/// The name in `[submodule "name"]`.
fn section(line: &str) -> Option<String> {
    let rest = line.strip_prefix('[')?.trim_start();
    let (kind, name) = rest.split_once(char::is_whitespace)?;
    let name = name.trim_start().strip_prefix('"')?;
    let end = name.rfind("\"]")?;
    kind.eq_ignore_ascii_case("submodule").then(|| name[..end].replace("\\\"", "\"").replace("\\\\", "\\"))
}

/// A value without its quotation marks and what is only a comment.
fn unquoted(value: &str) -> String {
    let (mut text, mut quoted) = (String::new(), false);
    let mut characters = value.trim().chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' => text.extend(characters.next()),
            '#' | ';' if !quoted => break,
            c => text.push(c),
        }
    }
    text.trim_end().to_owned()
}

/// Fetches submodules, one after the other, each into a repository that is gone afterwards.
pub(super) struct Fetcher {
    staging: PathBuf,
    count: Cell<usize>,
    depth: Cell<usize>,
}

impl Fetcher {
    pub(super) fn new(staging: impl Into<PathBuf>) -> Self {
        Self { staging: staging.into(), count: Cell::new(0), depth: Cell::new(0) }
    }

    /// Fetches the commit of a submodule and has something done with it.
    pub(super) fn fetch(
        &self,
        above: &Session<'_>,
        (path, url): (&str, &str),
        commit: Oid,
        work: impl FnOnce(&Session<'_>) -> Result<()>,
    ) -> Result<()> {
        self.count.set(self.count.get() + 1);
        self.depth.set(self.depth.get() + 1);
        self.refuse_many(path)?;
        let peer = above.peer.submodule(path, url)?;
        let place = self.staging.join(format!("submodule-{}", self.count.get()));
        let repository = new_repository(&place)?;
        let session = Session { repository: &repository, peer: &peer, ..*above };
        fetch::exactly(&session, commit).map_err(|error| of_submodule(path, error))?;
        work(&session)?;
        drop(repository);
        self.depth.set(self.depth.get() - 1);
        folders::remove(&place)
    }

    fn refuse_many(&self, path: &str) -> Result<()> {
        let why = if self.depth.get() > DEEPEST {
            format!("lies in more than {DEEPEST} others")
        } else if self.count.get() > MOST {
            format!("is one of more than {MOST}")
        } else {
            return Ok(());
        };
        Err(Error::new(Code::TooManyEntries, format!("The submodule `{path}` {why}"))
            .hint("Leave submodules out, or make a repository for the app alone"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_git_writes() {
        let text = "# ours\n[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ../lib.git ; beside\n\tbranch = main\n\
                    [submodule \"a \\\"b\\\"\"]\nURL = \"https://h/a#b\"\npath=\"with blank\"\n[core]\n\tpath = x\n\turl = y\n\
                    [submodule \"half\"]\npath = half\n";
        let modules = Modules::parse(text);
        assert_eq!(modules.url("vendor/lib"), Some("../lib.git"));
        assert_eq!(modules.url("with blank"), Some("https://h/a#b"));
        assert_eq!(modules.0.len(), 2, "{modules:?}");
    }

    proptest! {
        #[test]
        fn anything_can_be_read(text in "(\\[submodule \"[a\\\\\"]{0,4}\"?\\]?\n|path ?=.{0,10}\n|url=.{0,10}\n|.{0,10}\n){0,12}") {
            prop_assert!(Modules::parse(&text).0.len() <= 12);
        }
    }
}
