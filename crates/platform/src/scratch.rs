//! A folder to work in for a while, in which others may work too.

use std::path::{Path, PathBuf};

use mantyx_core::{Error, Result};

use crate::folders;

/// A folder that is gone with this value, whatever somebody made in it: tools of an app may nest folders deeper than
/// a removal that calls itself can follow.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one in a folder, under a name that begins like this and is nobody else's. Only its owner may enter it.
    pub fn make(parent: &Path, prefix: &str) -> Result<Self> {
        let made = tempfile::Builder::new().prefix(prefix).tempdir_in(parent);
        made.map(|folder| Self(folder.keep()))
            .map_err(|error| Error::io(format!("make a folder in `{}`", parent.display()), error))
    }

    /// Leaves it to whoever is told where it is.
    #[must_use]
    pub fn keep(mut self) -> PathBuf {
        std::mem::take(&mut self.0)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.0.as_os_str().is_empty() {
            return;
        }
        if let Err(error) = folders::remove(&self.0) {
            tracing::warn!(?error, folder = %self.0.display(), "a folder for a while stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::{DEEP, nest, quick_place};

    #[test]
    fn it_goes_with_all_that_is_in_it() {
        let parent = quick_place();
        let scratch = Scratch::make(parent.path(), "build-").unwrap();
        assert!(scratch.path().starts_with(parent.path()) && scratch.path().is_dir());
        nest(&scratch.path().join("home"), DEEP);
        drop(scratch);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
