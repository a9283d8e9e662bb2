//! What is in an environment, read from the records that installers leave (PEP 376, PEP 610). No process is
//! started for it: asking pip takes longer than a whole build with uv.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use mantyx_core::{Error, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::lock::{Lock, Locked, Pin, is_local, normalise};

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
    fn locked(&self) -> Locked {
        let index = || Pin::Index(self.version.clone());
        Locked { name: self.name.clone(), pin: self.origin.clone().map_or_else(index, Pin::Elsewhere) }
    }
}

/// What the places mean that installers wrote down.
pub(crate) struct Places<'a> {
    /// Where local packages were built.
    pub(crate) work: &'a Path,
    /// Wheels that were kept, and where they came from once.
    pub(crate) kept: &'a [(PathBuf, String)],
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

/// The packages of an environment, sorted.
pub(crate) fn packages(environment: &Path, places: &Places<'_>) -> Result<Vec<Package>> {
    let failed = |error| Error::io(format!("read what is installed in `{}`", environment.display()), error);
    let mut packages = Vec::new();
    for site in site_packages(environment).map_err(failed)? {
        for entry in fs::read_dir(&site).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|end| end == "dist-info") {
                packages.extend(package(&path, places));
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

fn package(record: &Path, places: &Places<'_>) -> Option<Package> {
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
    Some(Package { name: name?, version: version?, origin: direct.map(|direct| origin(&direct, places)) })
}

fn origin(direct: &DirectUrl, places: &Places<'_>) -> String {
    let file = direct.url.strip_prefix("file://").map(Path::new);
    if let Some((_, origin)) = places.kept.iter().find(|(wheel, _)| file == Some(wheel)) {
        return origin.clone();
    }
    if let Some(inside) = file.and_then(|path| path.strip_prefix(places.work).ok()) {
        let inside = inside.to_string_lossy();
        return if inside.is_empty() { ".".into() } else { format!("./{inside}") };
    }
    let folder = direct.subdirectory.as_ref().map(|f| format!("#subdirectory={f}")).unwrap_or_default();
    match &direct.vcs_info {
        Some(VcsInfo { vcs, commit_id }) => format!("{vcs}+{}@{commit_id}{folder}", direct.url),
        None => format!("{}{folder}", direct.url),
    }
}

/// The resolved set.
pub(crate) fn lock(packages: &[Package]) -> Lock {
    Lock::new(packages.iter().map(Package::locked).collect())
}

/// What makes two environments the same: the Python, the packages, and the source where packages were built
/// from it.
pub(crate) fn digest(python: &str, lock: &Lock, source: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("python=={python}\n{lock}"));
    if lock.elsewhere().any(is_local) {
        hash.update(source);
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(json: &str) -> String {
        let kept = [("/cache/wheels/a/a-1.whl".into(), "git+https://x/a.git@c0".to_owned())];
        let places = Places { work: Path::new("/cache/staging/x/source"), kept: &kept };
        origin(&serde_json::from_str(json).unwrap(), &places)
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
        let packages =
            packages(environment.path(), &Places { work: Path::new("/nowhere"), kept: &[] }).unwrap();
        assert_eq!(lock(&packages).to_string(), "six==1.17.0\nzope-interface==6.0\n");
    }

    #[test]
    fn says_where_others_came_from() {
        assert_eq!(direct(r#"{"url": "file:///cache/staging/x/source", "dir_info": {}}"#), ".");
        assert_eq!(direct(r#"{"url": "file:///cache/staging/x/source/libs/a", "dir_info": {}}"#), "./libs/a");
        let git = r#"{"url": "https://x/a.git", "vcs_info": {"vcs": "git", "commit_id": "c0"}}"#;
        assert_eq!(direct(git), "git+https://x/a.git@c0");
        assert_eq!(direct(r#"{"url": "https://x/a.whl", "archive_info": {}}"#), "https://x/a.whl");
        let kept = r#"{"url": "file:///cache/wheels/a/a-1.whl", "archive_info": {}}"#;
        assert_eq!(direct(kept), "git+https://x/a.git@c0");
    }

    #[test]
    fn the_source_counts_only_when_something_was_built_from_it() {
        let of = |lock: &str, source| digest("3.11.2", &Lock::parse(lock).unwrap(), source);
        assert_eq!(of("a==1", "one"), of("a==1", "two"));
        assert_ne!(of("a @ .", "one"), of("a @ .", "two"));
        assert_ne!(of("a==1", "one"), digest("3.12.0", &Lock::parse("a==1").unwrap(), "one"));
    }
}
