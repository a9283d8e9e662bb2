//! What a source says about packages beside names and versions: where they come from, and what must come from there.
//!
//! It is no part of a lock, since installers do not write it down, and needs not be: the source is kept as long.

use std::path::Path;

use mantyx_core::Result;

use crate::declared::Declared;
use crate::lock::{Locked, Pin};
use crate::plan::Dependencies;
use crate::requirements::{Hashes, find_links};
use crate::source::Source;

/// Where packages come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Provenance {
    /// Indexes and folders of wheels, as options of a requirements file. Folders count from the top of the source.
    options: Vec<String>,
    hashes: Hashes,
    /// Addresses of archives as they are declared, with the hash that may stand in one. uv finds an archive in its
    /// cache only under the whole of it.
    addresses: Vec<String>,
}

impl Provenance {
    /// From the file that counts.
    pub(crate) fn of(source: &Source, dependencies: &Dependencies) -> Result<Self> {
        let declared = source.declared()?.unwrap_or_default();
        let addresses = declared.iter().filter_map(Declared::archive).map(str::to_owned).collect();
        let (options, hashes) = match (dependencies, &source.pylock) {
            (Dependencies::Requirements, _) => {
                (source.requirements.options.clone(), source.requirements.hashes.clone())
            }
            (Dependencies::Pylock(_), Some(lock)) => (Vec::new(), lock.hashes()),
            _ => (Vec::new(), Hashes::new()),
        };
        Ok(Self { options, hashes, addresses })
    }

    /// Whether there are wheels in a folder of the source.
    pub(crate) fn has_folders(&self) -> bool {
        self.options.iter().any(|option| find_links(option).is_some())
    }

    /// A requirements file of exactly these packages, wherever it is written to; `source` is where the source lies.
    /// pip wants hashes for all or none.
    pub(crate) fn requirements(&self, packages: &[Locked], source: &Path) -> Vec<String> {
        let checked = packages.iter().all(|package| !self.hashes_of(package).is_empty());
        let options = self.options.iter().map(|option| match find_links(option) {
            Some(folder) => format!("--find-links {}", source.join(folder).display()),
            None => option.clone(),
        });
        let lines = packages.iter().map(|package| match &package.pin {
            Pin::Index(_) if checked => with_hashes(package, self.hashes_of(package)),
            Pin::Index(_) => package.requirement(),
            Pin::Elsewhere(origin) => self.address(origin).to_owned(),
        });
        options.chain(lines).collect()
    }

    fn hashes_of(&self, package: &Locked) -> &[String] {
        let Pin::Index(version) = &package.pin else { return &[] };
        self.hashes.get(&(package.name.clone(), version.clone())).map_or(&[], Vec::as_slice)
    }

    /// The whole of an address.
    fn address<'a>(&'a self, origin: &'a str) -> &'a str {
        let bare = |address: &'a str| address.split('#').next();
        self.addresses.iter().find(|address| bare(address) == bare(origin)).map_or(origin, String::as_str)
    }
}

fn with_hashes(package: &Locked, hashes: &[String]) -> String {
    let hashes = hashes.iter().map(|hash| format!(" --hash={hash}"));
    std::iter::once(package.requirement()).chain(hashes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Lock;
    use mantyx_core::Launch;

    fn lines(requirements: &str, lock: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("requirements.txt"), requirements).unwrap();
        let source = Source::read(folder.path(), &Launch::parse("main.py").unwrap(), "digest").unwrap();
        let provenance = Provenance::of(&source, &Dependencies::Requirements).unwrap();
        provenance.requirements(Lock::parse(lock).unwrap().packages(), Path::new("/work"))
    }

    #[test]
    fn indexes_and_folders_are_asked_again() {
        let text = "six\n-i https://x/simple\n-f wheels\n--find-links=https://y/w\n";
        let wanted =
            ["-i https://x/simple", "--find-links /work/wheels", "--find-links=https://y/w", "six==1.16.0"];
        assert_eq!(lines(text, "six==1.16.0"), wanted);
    }

    #[test]
    fn hashes_count_when_all_have_one() {
        let text = "six==1 --hash=sha256:aa\nFlask==3 --hash=sha256:bb\n";
        let wanted = ["flask==3 --hash=sha256:bb", "six==1 --hash=sha256:aa"];
        assert_eq!(lines(text, "flask==3\nsix==1"), wanted);
        assert_eq!(lines(text, "flask==3\nsix==2"), ["flask==3", "six==2"]);
        assert_eq!(lines(text, "flask==3\nlib @ ./lib"), ["flask==3", "./lib"]);
    }

    #[test]
    fn an_address_is_taken_whole() {
        let text = "a @ https://x/a.whl#sha256=aa ; python_version > '3'\nhttps://x/b.whl\n";
        let lock = "a @ https://x/a.whl\nb @ https://x/b.whl\nc @ https://x/c.whl";
        assert_eq!(lines(text, lock), ["https://x/a.whl#sha256=aa", "https://x/b.whl", "https://x/c.whl"]);
    }
}
