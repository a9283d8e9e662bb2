//! Holds the tables of `docs/ARCHITECTURE.md` and `docs/dependencies.md` against what the workspace really does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Rows of a table: the first cell, and what stands in backticks in the second.
type Rows = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The table below a heading of a page.
fn table(page: &str, heading: &str) -> Rows {
    let (_, below) = page.split_once(heading).unwrap_or_else(|| panic!("no heading `{heading}`"));
    let lines = below.lines().skip_while(|line| !line.starts_with("|--"));
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let name = |cell: &str| quoted(cell).into_iter().next().unwrap_or_default();
        (name(cells[0]), quoted(cells[1]))
    })
    .collect()
}

fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn metadata() -> Metadata {
    let manifest = root().join("Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap()
}

/// The noun of a crate of Mantyx: `mantyx-core` is `core`.
fn noun(name: &str) -> String {
    name.strip_prefix("mantyx-").unwrap_or(name).to_owned()
}

/// What a crate uses beyond its tests.
fn used(package: &Package) -> BTreeSet<String> {
    let dependencies = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
    dependencies.map(|d| d.name.clone()).collect()
}

/// Every Rust file of the workspace, by its path from the top.
fn sources() -> Vec<(String, String)> {
    let mut folders: Vec<PathBuf> = ["crates", "frontend", "tests"].iter().map(|f| root().join(f)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                sources.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources
}

#[test]
fn crates_use_only_those_that_their_row_allows() {
    let allowed = table(&read("docs/ARCHITECTURE.md"), "## The arrows");
    let metadata = metadata();
    let own: BTreeSet<String> = metadata.packages.iter().map(|p| noun(&p.name)).collect();
    assert_eq!(own, allowed.keys().cloned().collect(), "each crate has a row, and each row a crate");
    for package in &metadata.packages {
        let name = noun(&package.name);
        let used: BTreeSet<String> =
            used(package).iter().filter(|d| d.starts_with("mantyx-")).map(|d| noun(d)).collect();
        let forbidden: Vec<_> = used.difference(&allowed[&name]).collect();
        assert!(forbidden.is_empty(), "`{name}` uses {forbidden:?}, which its row does not allow");
    }
}

#[test]
fn the_arrows_lead_to_the_core_and_never_back() {
    let mut left = table(&read("docs/ARCHITECTURE.md"), "## The arrows");
    while !left.is_empty() {
        // A crate all of whose arrows lead out of what is left; in a circle there is none.
        let free = left.iter().find(|(_, uses)| uses.iter().all(|name| !left.contains_key(name)));
        let name = free.map(|(name, _)| name.clone());
        left.remove(&name.unwrap_or_else(|| panic!("a circle among {:?}", left.keys())));
    }
}

#[test]
fn each_technology_is_known_to_its_crates_only() {
    let known_to = table(&read("docs/ARCHITECTURE.md"), "## One technology, one crate");
    for package in &metadata().packages {
        let name = noun(&package.name);
        for technology in used(package) {
            if let Some(crates) = known_to.get(&technology) {
                assert!(
                    crates.contains(&name),
                    "`{technology}` is known to {crates:?}, `{name}` uses it too"
                );
            }
        }
    }
}

#[test]
fn the_pure_crates_touch_nothing() {
    let doors = ["std::fs", "std::net", "std::process", "std::env", "Utc::now", "SystemTime", "Instant::now"];
    for (path, text) in sources() {
        if path.starts_with("crates/core/") || path.starts_with("crates/api-types/") {
            for door in doors {
                assert!(!text.contains(door), "`{path}` uses `{door}`");
            }
        }
    }
}

#[test]
fn every_file_says_at_its_head_what_lives_there() {
    let silent: Vec<String> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "these begin without a word about themselves: {silent:?}");
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = read("Cargo.toml");
    let (_, below) = manifest.split_once("[workspace.dependencies]\n").unwrap();
    let section = below.split("\n[").next().unwrap();
    let entries = section.lines().filter_map(|line| Some(line.split_once(" = ")?.0.to_owned()));
    let listed: BTreeSet<String> = entries.filter(|name| !name.starts_with("mantyx-")).collect();
    let explained: BTreeSet<String> =
        table(&read("docs/dependencies.md"), "# Dependencies").into_keys().collect();
    assert_eq!(listed, explained, "left: `Cargo.toml`, right: `docs/dependencies.md`");
}
