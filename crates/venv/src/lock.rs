//! The resolved set of an environment as text: what a release keeps, so that its environment can be built again.
//!
//! One package a line, sorted: `name==version` for what came from an index, `name @ where` for what did not. Where is
//! an address, a repository with its full commit, or, for what was built from the source of the release, a path in
//! it: `.` or `./libs/a`. Editable packages are regular ones here, since they are built as such. Hashes are not part
//! of it, because only one of the tools tells them: they are taken from the source, which the release keeps as well.

use std::fmt;

use mantyx_core::{Code, Error, Result};

/// A resolved set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock(Vec<Locked>);

/// One package of a resolved set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locked {
    /// The normalised name (PEP 503).
    pub name: String,
    /// Which one, and from where.
    pub pin: Pin,
}

/// What pins a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pin {
    /// This version, from a package index.
    Index(String),
    /// An address, a repository at a commit, or a path in the source.
    Elsewhere(String),
}

/// What a release keeps of its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// What was installed.
    pub lock: Lock,
    /// The version of the Python it was installed for, such as `3.11.7`.
    pub python_version: String,
}

impl Lock {
    /// Sorted, each package once.
    pub(crate) fn new(mut packages: Vec<Locked>) -> Self {
        packages.sort();
        packages.dedup();
        Self(packages)
    }

    /// Reads what [`fmt::Display`] writes.
    ///
    /// # Errors
    /// `invalid`, with the line that is none.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(Locked::parse).collect::<Result<Vec<_>>>().map(Self::new)
    }

    /// Its packages, by name.
    #[must_use]
    pub fn packages(&self) -> &[Locked] {
        &self.0
    }

    /// Where those came from that are from no index.
    pub(crate) fn elsewhere(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|package| match &package.pin {
            Pin::Index(_) => None,
            Pin::Elsewhere(origin) => Some(origin.as_str()),
        })
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|package| writeln!(f, "{package}"))
    }
}

impl Locked {
    fn parse(line: &str) -> Result<Self> {
        let elsewhere = || line.split_once(" @ ").map(|(name, at)| (name, Pin::Elsewhere(at.trim().into())));
        let index = || line.split_once("==").map(|(name, v)| (name, Pin::Index(v.trim().into())));
        let (name, pin) = elsewhere().or_else(index).ok_or_else(|| {
            Error::new(Code::Invalid, format!("The line `{line}` of a lock names no package"))
                .hint("A line is `name==version` or `name @ where`")
        })?;
        Ok(Self { name: normalise(name.trim()), pin })
    }

    /// The requirement that gets exactly this one. Where it is says all; its name beside that is more than every
    /// tool understands of paths and of some addresses.
    pub(crate) fn requirement(&self) -> String {
        match &self.pin {
            Pin::Index(version) => format!("{}=={version}", self.name),
            Pin::Elsewhere(origin) => origin.clone(),
        }
    }
}

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pin {
            Pin::Index(version) => write!(f, "{}=={version}", self.name),
            Pin::Elsewhere(origin) => write!(f, "{} @ {origin}", self.name),
        }
    }
}

/// Whether a package that came from there was built from the source of the release.
pub(crate) fn is_local(origin: &str) -> bool {
    origin.starts_with('.')
}

/// Whether it is built at each install: a folder of the source, not an archive in it.
pub(crate) fn is_local_folder(origin: &str) -> bool {
    is_local(origin) && ![".whl", ".zip", ".tar.gz"].iter().any(|end| origin.ends_with(end))
}

/// Lower case, with `-` for every run of `-`, `_` and `.` (PEP 503).
pub(crate) fn normalise(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "lib @ ./libs/lib\nsix==1.17.0\ntool @ git+https://x/t.git@c0#subdirectory=a\nweather @ .\n\
                        wheel @ https://x/wheel==1.whl\n";

    #[test]
    fn what_is_written_is_read() {
        let lock = Lock::parse(TEXT).unwrap();
        assert_eq!(lock.to_string(), TEXT);
        assert_eq!(lock.elsewhere().count(), 4);
        assert_eq!(Lock::parse("\n").unwrap(), Lock::default());
        let requirements: Vec<String> = lock.packages().iter().map(Locked::requirement).collect();
        assert_eq!(requirements[..2], ["./libs/lib".to_owned(), "six==1.17.0".to_owned()]);
    }

    #[test]
    fn order_and_spelling_do_not_matter() {
        let lock = Lock::parse("Zope.Interface==6.0\nsix==1\nsix==1\n").unwrap();
        assert_eq!(lock.to_string(), "six==1\nzope-interface==6.0\n");
    }

    fn packages() -> impl Strategy<Value = Vec<Locked>> {
        let index = "[0-9][0-9a-z.+!]{0,8}".prop_map(Pin::Index);
        let place =
            prop_oneof!["\\./[a-z]{1,5}", "https://x/[a-z=]{1,5}", "git\\+ssh://a@b/c@[0-9a-f]{4}#d=[a-z]"];
        let pin = prop_oneof![index, place.prop_map(Pin::Elsewhere)];
        prop::collection::vec(
            ("[a-z0-9]{1,4}(-[a-z0-9]{1,3})?", pin).prop_map(|(name, pin)| Locked { name, pin }),
            0..8,
        )
    }

    proptest! {
        #[test]
        fn any_lock_survives_its_text(packages in packages()) {
            let lock = Lock::new(packages);
            let text = lock.to_string();
            prop_assert_eq!(&Lock::parse(&text).unwrap(), &lock);
            let backwards: Vec<&str> = text.lines().rev().collect();
            prop_assert_eq!(Lock::parse(&backwards.join("\n")).unwrap(), lock);
        }

        #[test]
        fn no_text_brings_it_down(text in "\\PC{0,40}(\n\\PC{0,20}){0,3}") {
            if let Ok(lock) = Lock::parse(&text) {
                prop_assert_eq!(Lock::parse(&lock.to_string()).unwrap(), lock);
            }
        }
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let error = Lock::parse("six==1\nflask>=2\n").unwrap_err();
        assert!(error.detail().contains("`flask>=2`"), "{error}");
    }

    #[test]
    fn folders_are_built_and_archives_are_not() {
        assert!(is_local_folder(".") && is_local_folder("./libs/a") && !is_local_folder("./a-1.whl"));
        assert!(is_local("./a-1.whl") && !is_local("https://x/a.whl"));
    }
}
