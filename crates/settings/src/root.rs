//! Which folder holds everything.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mantyx_core::{Error, Result};

use crate::variables;

/// The root of a system service.
const SERVICE: &str = "/srv/mantyx";

/// The root of a person, in the folder where the daemon is started.
const PERSON: &str = ".mantyx";

/// systemd sets it for everything that it starts (systemd.exec(5)).
const INVOCATION: &str = "INVOCATION_ID";

/// Who starts the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Starter {
    Superuser,
    Person,
}

/// The root as an absolute path, so that nothing depends on the folder that the daemon or a child is in later.
pub(crate) fn resolve(given: Option<PathBuf>, environment: &BTreeMap<String, String>) -> Result<PathBuf> {
    let starter = if rustix::process::geteuid().is_root() { Starter::Superuser } else { Starter::Person };
    let root = choose(given, environment, starter);
    std::path::absolute(&root)
        .map_err(|e| Error::io(format!("make `{}` an absolute path", root.display()), e))
}

/// Being started by systemd is not enough to be a system service: so is every terminal of a desktop.
fn choose(given: Option<PathBuf>, environment: &BTreeMap<String, String>, starter: Starter) -> PathBuf {
    let variable = environment.get(variables::ROOT).filter(|root| !root.is_empty());
    match (given.or(variable.map(PathBuf::from)), starter) {
        (Some(root), _) => root,
        (None, Starter::Superuser) if environment.contains_key(INVOCATION) => PathBuf::from(SERVICE),
        (None, _) => PathBuf::from(PERSON),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(given: Option<&str>, variable: Option<&str>, systemd: bool, starter: Starter) -> PathBuf {
        let mut environment = BTreeMap::new();
        environment.extend(variable.map(|root| (variables::ROOT.to_owned(), root.to_owned())));
        environment.extend(systemd.then(|| (INVOCATION.to_owned(), "1".to_owned())));
        choose(given.map(PathBuf::from), &environment, starter)
    }

    #[test]
    fn what_is_said_wins_over_what_is_guessed() {
        use Starter::{Person, Superuser};
        assert_eq!(chosen(Some("/a"), Some("/b"), true, Superuser), PathBuf::from("/a"));
        assert_eq!(chosen(None, Some("/b"), true, Superuser), PathBuf::from("/b"));
        assert_eq!(chosen(None, Some(""), true, Superuser), PathBuf::from(SERVICE));
        assert_eq!(chosen(None, None, false, Superuser), PathBuf::from(PERSON));
        assert_eq!(chosen(None, None, true, Person), PathBuf::from(PERSON));
    }

    #[test]
    fn the_root_is_absolute() {
        assert!(resolve(Some("here".into()), &BTreeMap::new()).unwrap().is_absolute());
    }
}
