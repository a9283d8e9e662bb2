//! The wheels of what pip has installed, from which it can install the same without a network.
//!
//! uv installs from its cache alone. pip asks an index before it looks into its own, so a folder beside that holds a
//! wheel of each package for each Python: `3.11/six-1.17.0-py2.py3-none-any.whl`. What did not come from an index is
//! kept in a folder of its own, named after where it came from; for what was built from the source of a release, after
//! that source as well.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use mantyx_core::{Code, Error, Identity, Result};
use mantyx_platform::identity;
use pep440_rs::Version;
use sha2::{Digest, Sha256};

use crate::lock::{Lock, Locked, Pin, is_local, is_local_folder, normalise};
use crate::plan::{Builder, Network, Plan};

/// The kept wheels of one user for one Python.
pub(crate) struct Wheels {
    folder: PathBuf,
    /// Those that are installed, and where they came from once.
    used: Vec<(PathBuf, String)>,
}

/// What is to be kept, by the folder that it goes to.
pub(crate) type Missing = BTreeMap<PathBuf, Vec<Locked>>;

impl Wheels {
    /// In the cache of packages of who builds.
    pub(crate) fn new(packages: &Path, plan: &Plan) -> Self {
        let version = plan.python.version.as_str();
        let minor = version.match_indices('.').nth(1).map_or(version, |(at, _)| &version[..at]);
        Self { folder: packages.join("wheels").join(minor), used: Vec::new() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn used(&self) -> &[(PathBuf, String)] {
        &self.used
    }

    /// The requirements of a lock, met by what is kept.
    ///
    /// # Errors
    /// `install_failed`, naming what is not kept.
    pub(crate) fn requirements(&mut self, lock: &Lock, plan: &Plan) -> Result<Vec<String>> {
        let user = plan.user.as_ref();
        let kept = self.kept(user);
        let (mut lines, mut missing) = (Vec::new(), Vec::new());
        for package in lock.packages() {
            match self.wheel(package, &kept, plan) {
                Some(line) => lines.push(line),
                None => missing.push(format!("`{package}`")),
            }
        }
        if missing.is_empty() { Ok(lines) } else { Err(not_kept(&missing)) }
    }

    /// What gets one package without a network.
    fn wheel(&mut self, package: &Locked, kept: &[PathBuf], plan: &Plan) -> Option<String> {
        match &package.pin {
            Pin::Index(version) => {
                kept.iter().any(|wheel| is_of(wheel, &package.name, version)).then(|| package.requirement())
            }
            Pin::Elsewhere(origin) if is_local(origin) && !is_local_folder(origin) => Some(origin.clone()),
            Pin::Elsewhere(origin) => {
                let wheel = list(&self.place(origin, &plan.digest), plan.user.as_ref()).into_iter().next()?;
                self.used.push((wheel.clone(), origin.clone()));
                Some(wheel.display().to_string())
            }
        }
    }

    /// What of a lock is not kept yet.
    pub(crate) fn missing(&self, lock: &Lock, plan: &Plan) -> Missing {
        let user = plan.user.as_ref();
        let kept = self.kept(user);
        let place = |package: &Locked| match &package.pin {
            Pin::Index(version) if kept.iter().any(|wheel| is_of(wheel, &package.name, version)) => None,
            Pin::Index(_) => Some(self.folder.clone()),
            Pin::Elsewhere(origin) if is_local(origin) && !is_local_folder(origin) => None,
            Pin::Elsewhere(origin) => {
                Some(self.place(origin, &plan.digest)).filter(|place| list(place, user).is_empty())
            }
        };
        let mut missing = Missing::new();
        for package in lock.packages() {
            if let Some(place) = place(package) {
                missing.entry(place).or_default().push(package.clone());
            }
        }
        missing
    }

    fn kept(&self, user: Option<&Identity>) -> Vec<PathBuf> {
        list(&self.folder, user)
    }

    /// Where the wheel of something lies that is from no index.
    fn place(&self, origin: &str, source: &str) -> PathBuf {
        let mut hash = Sha256::new();
        hash.update(origin);
        if is_local(origin) {
            hash.update(source);
        }
        self.folder.join("elsewhere").join(hex::encode(hash.finalize()))
    }
}

/// Only pip needs them, and only without a network.
pub(crate) fn are_needed(plan: &Plan) -> bool {
    plan.builder == Builder::Pip && plan.network == Network::Offline
}

/// The wheels in a folder of this user, read with the rights of that user. Without the folder there are none.
fn list(folder: &Path, user: Option<&Identity>) -> Vec<PathBuf> {
    let read = || {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        Ok(entries.filter(|path| path.extension().is_some_and(|end| end == "whl")).collect())
    };
    identity::as_user(user, read).unwrap_or_default()
}

/// Whether the name of a wheel (PEP 427) says this name and version.
fn is_of(wheel: &Path, name: &str, version: &str) -> bool {
    let file = wheel.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let mut parts = file.split('-');
    let (own, number) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    normalise(own) == name && same_version(number, version)
}

/// `1.0` is `1.0.0`, and a local version may be written with `_` in a name.
fn same_version(one: &str, other: &str) -> bool {
    let parse = |text: &str| Version::from_str(&text.replace('_', "+"));
    one == other || parse(one).is_ok_and(|one| parse(other).is_ok_and(|other| one == other))
}

fn not_kept(missing: &[String]) -> Error {
    let verb = if missing.len() == 1 { "is" } else { "are" };
    let detail = format!(
        "Without a network the environment cannot be built: {} {verb} not in the cache",
        missing.join(", ")
    );
    Error::new(Code::InstallFailed, detail)
        .hint("Build it once with a network; from then on the cache has it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_says_what_it_is() {
        for (file, name, version, wanted) in [
            ("six-1.17.0-py2.py3-none-any.whl", "six", "1.17.0", true),
            ("Zope.Interface-6.0-cp311-cp311-manylinux_2_5_x86_64.whl", "zope-interface", "6.0", true),
            ("zope_interface-6.0.0-1-py3-none-any.whl", "zope-interface", "6.0", true),
            ("torch-2.0_cpu-py3-none-any.whl", "torch", "2.0+cpu", true),
            ("six-1.16.0-py3-none-any.whl", "six", "1.17.0", false),
            ("sixer-1.17.0-py3-none-any.whl", "six", "1.17.0", false),
            ("six.whl", "six", "1.17.0", false),
        ] {
            assert_eq!(is_of(&Path::new("/w").join(file), name, version), wanted, "{file}");
        }
    }
}
