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
