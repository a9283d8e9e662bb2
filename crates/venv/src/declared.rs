//! What a source asks for itself, apart from what that brings along.

use mantyx_core::Result;

use crate::lock::{Locked, Pin, is_local};
use crate::plan::{Dependencies, dependencies, of_pyproject};
use crate::pyproject::Pyproject;
use crate::requirements::name;
use crate::source::Source;

/// One requirement that a source declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// As it is written.
    pub requirement: String,
    /// Its normalised name (PEP 503); none when it is a bare path or address.
    pub name: Option<String>,
}

impl Declared {
    fn new(requirement: &str) -> Self {
        Self { requirement: requirement.to_owned(), name: name(requirement) }
    }

    /// Whether a package of the environment is there for this requirement, and not for another package alone.
    #[must_use]
    pub fn is(&self, package: &Locked) -> bool {
        match (&self.name, &package.pin) {
            (Some(name), _) => *name == package.name,
            (None, Pin::Index(_)) => false,
            (None, Pin::Elsewhere(origin)) => place(&self.requirement) == place(origin),
        }
    }
}

impl Declared {
    /// The whole address, when an archive is declared by it.
    pub(crate) fn archive(&self) -> Option<&str> {
        let address = self.requirement.split_whitespace().find(|word| word.contains("://"))?;
        let address = address.trim_start_matches('@');
        (address.starts_with("http") || address.starts_with("file")).then_some(address)
    }
}

/// A path or an address without what may be added to it: extras, a marker, a revision, a fragment.
fn place(text: &str) -> &str {
    let text = text.split([';', '#', '[']).next().unwrap_or(text).trim();
    if is_local(text) || !text.contains("://") {
        return text.trim_start_matches("./").trim_end_matches('/');
    }
    // The `@` of a revision stands behind the last `/`, that of a user before it.
    let revision = text.rfind('/').and_then(|slash| text[slash..].find('@').map(|at| slash + at));
    revision.map_or(text, |at| &text[..at])
}

impl Source {
    /// What it declares, from the file that counts; a lock beside a `pyproject.toml` locks what that declares.
    /// `None` when it cannot be told: a lock alone says nothing about who wants what.
    ///
    /// # Errors
    /// A declaration that cannot be read.
    pub fn declared(&self) -> Result<Option<Vec<Declared>>> {
        let dependencies = dependencies(self)?;
        let project = self.pyproject.as_ref();
        let known = match dependencies {
            Dependencies::UvLock | Dependencies::Pylock(_) => match project {
                Some(project) => of_pyproject(project)?,
                None => return Ok(None),
            },
            other => other,
        };
        Ok(match &known {
            Dependencies::None => Some(Vec::new()),
            Dependencies::Requirements => Some(all(&self.requirements.declared)),
            Dependencies::Pyproject(_) if project.is_some_and(Pyproject::is_dynamic) => None,
            Dependencies::Pyproject(texts)
            | Dependencies::Poetry(texts)
            | Dependencies::Inline { requirements: texts, .. } => Some(all(texts)),
            Dependencies::UvLock | Dependencies::Pylock(_) => None,
        })
    }
}

fn all(texts: &[String]) -> Vec<Declared> {
    texts.iter().map(|text| Declared::new(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Lock;

    #[test]
    fn what_is_asked_for_is_told_from_what_it_brings() {
        let lock =
            "flask==3.0\nlib @ ./libs/lib\nsix==1\ntool @ git+ssh://git@x/t.git@c0\nzope-interface==6\n";
        let lock = Lock::parse(lock).unwrap();
        let texts =
            ["Flask[async]>=3", "libs/lib[a]", "git+ssh://git@x/t.git@main#egg=tool", "zope.interface"];
        let declared = all(&texts.map(str::to_owned));
        let direct = lock.packages().iter().filter(|package| declared.iter().any(|one| one.is(package)));
        let names: Vec<&str> = direct.map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["flask", "lib", "tool", "zope-interface"]);
    }
}
