//! The standard lock (PEP 751) as requirements, for the versions of pip that cannot read it.

use std::collections::BTreeMap;

use mantyx_core::{Code, Error, Result};
use serde::Deserialize;

use crate::lock::normalise;
use crate::requirements::Hashes;

/// A `pylock.toml`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Pylock {
    #[serde(rename = "requires-python")]
    pub(crate) requires_python: Option<String>,
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Clone, Debug, Deserialize)]
struct Package {
    name: String,
    version: Option<String>,
    marker: Option<String>,
    vcs: Option<Vcs>,
    directory: Option<Directory>,
    archive: Option<Artifact>,
    sdist: Option<Artifact>,
    #[serde(default)]
    wheels: Vec<Artifact>,
}

#[derive(Clone, Debug, Deserialize)]
struct Vcs {
    r#type: String,
    url: Option<String>,
    #[serde(rename = "commit-id")]
    commit: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Directory {
    path: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Artifact {
    url: Option<String>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

impl Pylock {
    /// Reads the file.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            let detail = format!("`pylock.toml` cannot be read: {}", error.message());
            Error::new(Code::InstallFailed, detail).hint("Make the lock again and upload it")
        })
    }

    /// The hashes of its packages.
    pub(crate) fn hashes(&self) -> Hashes {
        let pinned = self.packages.iter().filter_map(|package| Some((package, package.version.clone()?)));
        pinned.map(|(package, version)| ((normalise(&package.name), version), package.hashes())).collect()
    }

    /// Its packages as lines of a requirements file. Hashes are checked where every package has one: pip wants
    /// all or none.
    pub(crate) fn requirements(&self) -> Vec<String> {
        let checked = self.packages.iter().all(|package| !package.hashes().is_empty());
        self.packages.iter().map(|package| package.requirement(checked)).collect()
    }
}

impl Package {
    fn requirement(&self, checked: bool) -> String {
        let mut line = self.what();
        if let Some(marker) = &self.marker {
            line = format!("{line} ; {marker}");
        }
        if checked {
            line.extend(self.hashes().iter().map(|hash| format!(" --hash={hash}")));
        }
        line
    }

    fn what(&self) -> String {
        let name = &self.name;
        match self {
            Self { vcs: Some(Vcs { r#type, url: Some(url), commit }), .. } => {
                format!("{name} @ {type}+{url}@{commit}")
            }
            Self { directory: Some(directory), .. } => format!("./{}", directory.path),
            Self { archive: Some(Artifact { url: Some(url), .. }), .. } => format!("{name} @ {url}"),
            Self { version: Some(version), .. } => format!("{name}=={version}"),
            _ => name.clone(),
        }
    }

    fn hashes(&self) -> Vec<String> {
        let artifacts = self.archive.iter().chain(&self.sdist).chain(&self.wheels);
        artifacts.flat_map(|a| a.hashes.iter().map(|(kind, hash)| format!("{kind}:{hash}"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIX: &str = "[[packages]]\nname = 'six'\nversion = '1.17.0'\nmarker = \"python_version > '3'\"\n\
                       sdist = { hashes = { sha256 = 'aa' } }\nwheels = [{ hashes = { sha256 = 'bb' } }]\n";

    #[test]
    fn becomes_pinned_requirements_with_hashes() {
        let lock = Pylock::parse(&format!("lock-version = '1.0'\nrequires-python = '>=3.9'\n{SIX}")).unwrap();
        assert_eq!(lock.requires_python.as_deref(), Some(">=3.9"));
        let wanted = "six==1.17.0 ; python_version > '3' --hash=sha256:aa --hash=sha256:bb";
        assert_eq!(lock.requirements(), [wanted]);
    }

    #[test]
    fn a_repository_has_no_hash_so_none_is_checked() {
        let tool = "[[packages]]\nname = 'tool'\nvcs = { type = 'git', url = 'https://x/t.git', commit-id = 'c0' }\n\
                    [[packages]]\nname = 'lib'\ndirectory = { path = 'libs/lib' }\n";
        let lines = Pylock::parse(&format!("{SIX}{tool}")).unwrap().requirements();
        let wanted = ["six==1.17.0 ; python_version > '3'", "tool @ git+https://x/t.git@c0", "./libs/lib"];
        assert_eq!(lines, wanted);
    }
}
