//! What is in an environment, read from the records that installers leave (PEP 376, PEP 610). No process is
//! started for it: asking pip takes longer than a whole build with uv.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use mantyx_core::{Error, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// One installed package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    /// The normalised name.
    pub(crate) name: String,
    pub(crate) version: String,
    /// Where it came from, when that was not the index: an address, or a path inside the source.
    pub(crate) origin: Option<String>,
}

impl Package {
    /// The line of a lock, as `pip freeze` writes it.
    fn line(&self) -> String {
        match &self.origin {
            Some(origin) => format!("{} @ {origin}", self.name),
            None => format!("{}=={}", self.name, self.version),
        }
    }

    /// Whether it was built from the source of the release.
    fn is_local(&self) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.starts_with('.'))
    }
}

/// `direct_url.json` (PEP 610).
#[derive(Deserialize)]
struct DirectUrl {
    url: String,
    vcs_info: Option<VcsInfo>,
    subdirectory: Option<String>,
}

#[derive(Deserialize)]
struct VcsInfo {
    vcs: String,
    commit_id: String,
}

/// The packages of an environment, sorted. `work` is where its local packages were built.
pub(crate) fn packages(environment: &Path, work: &Path) -> Result<Vec<Package>> {
    let failed = |error| Error::io(format!("read what is installed in `{}`", environment.display()), error);
    let mut packages = Vec::new();
    for site in site_packages(environment).map_err(failed)? {
        for entry in fs::read_dir(&site).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|end| end == "dist-info") {
                packages.extend(package(&path, work));
            }
        }
    }
    packages.sort();
    packages.dedup();
    Ok(packages)
}

fn site_packages(environment: &Path) -> io::Result<Vec<PathBuf>> {
    let versions = fs::read_dir(environment.join("lib"))?.flatten();
    let sites = versions.map(|version| version.path().join("site-packages"));
    Ok(sites.filter(|site| site.is_dir()).collect())
}

fn package(record: &Path, work: &Path) -> Option<Package> {
    let metadata = BufReader::new(fs::File::open(record.join("METADATA")).ok()?);
    let (mut name, mut version) = (None, None);
    for line in metadata.lines().map_while(io::Result::ok).take_while(|line| !line.is_empty()) {
        match line.split_once(':') {
            Some(("Name", value)) => name = Some(normalise(value.trim())),
            Some(("Version", value)) => version = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let direct = fs::read(record.join("direct_url.json")).ok();
    let direct = direct.and_then(|bytes| serde_json::from_slice::<DirectUrl>(&bytes).ok());
    Some(Package { name: name?, version: version?, origin: direct.map(|direct| origin(&direct, work)) })
}

fn origin(direct: &DirectUrl, work: &Path) -> String {
    let local = direct.url.strip_prefix("file://").and_then(|path| Path::new(path).strip_prefix(work).ok());
    if let Some(inside) = local {
        let inside = inside.to_string_lossy();
        return if inside.is_empty() { ".".into() } else { format!("./{inside}") };
    }
    let folder = direct.subdirectory.as_ref().map(|f| format!("#subdirectory={f}")).unwrap_or_default();
    match &direct.vcs_info {
        Some(VcsInfo { vcs, commit_id }) => format!("{vcs}+{}@{commit_id}{folder}", direct.url),
        None => format!("{}{folder}", direct.url),
    }
}

/// Lower case, with `-` for every run of `-`, `_` and `.` (PEP 503).
fn normalise(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}

/// The resolved set, one line for each package.
pub(crate) fn lock(packages: &[Package]) -> String {
    packages.iter().map(|package| package.line() + "\n").collect()
}

/// What makes two environments the same: the Python, the packages, and the source where packages were built
/// from it.
pub(crate) fn digest(python: &str, packages: &[Package], source: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("python=={python}\n{}", lock(packages)));
    if packages.iter().any(Package::is_local) {
        hash.update(source);
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(json: &str) -> String {
        origin(&serde_json::from_str(json).unwrap(), Path::new("/cache/staging/x/source"))
    }

    #[test]
    fn reads_the_records_of_installers() {
        let environment = tempfile::tempdir().unwrap();
        let site = environment.path().join("lib/python3.11/site-packages");
        for (folder, text) in [
            (
                "Zope.Interface-6.0.dist-info",
                "Metadata-Version: 2.1\nName: Zope.Interface\nVersion: 6.0\n\nName: no\n",
            ),
            ("six-1.17.0.dist-info", "Name: six\nVersion: 1.17.0\n"),
            ("broken-1.dist-info", "Name: broken\n"),
        ] {
            fs::create_dir_all(site.join(folder)).unwrap();
            fs::write(site.join(folder).join("METADATA"), text).unwrap();
        }
        let packages = packages(environment.path(), Path::new("/nowhere")).unwrap();
        assert_eq!(lock(&packages), "six==1.17.0\nzope-interface==6.0\n");
    }

    #[test]
    fn says_where_others_came_from() {
        assert_eq!(direct(r#"{"url": "file:///cache/staging/x/source", "dir_info": {}}"#), ".");
        assert_eq!(direct(r#"{"url": "file:///cache/staging/x/source/libs/a", "dir_info": {}}"#), "./libs/a");
        let git = r#"{"url": "https://x/a.git", "vcs_info": {"vcs": "git", "commit_id": "c0"}}"#;
        assert_eq!(direct(git), "git+https://x/a.git@c0");
        assert_eq!(direct(r#"{"url": "https://x/a.whl", "archive_info": {}}"#), "https://x/a.whl");
    }

    #[test]
    fn the_source_counts_only_when_something_was_built_from_it() {
        let package = |origin: Option<&str>| {
            vec![Package { name: "a".into(), version: "1".into(), origin: origin.map(Into::into) }]
        };
        let of = |packages: &[Package], source| digest("3.11.2", packages, source);
        assert_eq!(of(&package(None), "one"), of(&package(None), "two"));
        assert_ne!(of(&package(Some(".")), "one"), of(&package(Some(".")), "two"));
        assert_ne!(of(&package(None), "one"), digest("3.12.0", &package(None), "one"));
    }
}
