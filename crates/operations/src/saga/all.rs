//! Every saga that there is.

use super::settle::AnySaga;
use crate::backup::BACKUP;
use crate::export::EXPORT;
use crate::import::IMPORT;
use crate::install::INSTALL;
use crate::rename::RENAME;
use crate::switch::{CONFIGURE, REPAIR, RESTORE_BACKUP, ROLLBACK, UPDATE};
use crate::trash::{DELETE, PURGE, RESTORE};

/// Every saga. What is not listed here is not found again after a crash.
pub(crate) static ALL: &[&dyn AnySaga] = &[
    &INSTALL,
    &UPDATE,
    &ROLLBACK,
    &CONFIGURE,
    &RENAME,
    &DELETE,
    &RESTORE,
    &PURGE,
    &REPAIR,
    &BACKUP,
    &RESTORE_BACKUP,
    &EXPORT,
    &IMPORT,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// An operation is found again by its kind, and its steps by their names.
    #[test]
    fn kinds_and_steps_are_told_apart() {
        let kinds: HashSet<_> = ALL.iter().map(|saga| saga.kind()).collect();
        assert_eq!(kinds.len(), ALL.len());
        for saga in ALL {
            let steps = saga.steps();
            let names: HashSet<_> = steps.iter().map(|(name, _)| *name).collect();
            assert!(!steps.is_empty() && names.len() == steps.len(), "{}", saga.kind().as_str());
            assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_')));
        }
    }
}
