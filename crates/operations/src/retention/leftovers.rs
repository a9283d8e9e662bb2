//! The folders of releases that are being removed: each loses its name before its row goes, and its files go last.
//!
//! The row decides about what a daemon left that died in between: a folder that has one gets its name back.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use mantyx_core::Result;
use mantyx_platform::folders;

use crate::reconcile::entries;

/// What the name of a folder ends with that is no release any more.
const GONE: &str = ".part";

/// Takes the name from a release. One that has none is fine.
pub(super) fn set_aside(releases: &Path, number: u32) -> Result<()> {
    let (whole, aside) = (releases.join(number.to_string()), aside(releases, number));
    if !whole.exists() {
        return Ok(());
    }
    folders::remove(&aside)?;
    folders::rename(&whole, &aside)
}

/// Gives what has a row its name back, and removes everything else that has lost it.
pub(super) fn settle(releases: &Path, known: &HashSet<u32>) -> Result<()> {
    let number = |path: PathBuf| path.file_name()?.to_str()?.strip_suffix(GONE)?.parse().ok();
    let numbers: Vec<u32> = entries(releases)?.into_iter().filter_map(number).collect();
    numbers.into_iter().try_for_each(|number| {
        let (whole, aside) = (releases.join(number.to_string()), aside(releases, number));
        if known.contains(&number) && !whole.exists() {
            return folders::rename(&aside, &whole);
        }
        folders::remove(&aside)
    })
}

fn aside(releases: &Path, number: u32) -> PathBuf {
    releases.join(format!("{number}{GONE}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_removal_that_was_cut_short_is_finished_or_taken_back() {
        let releases = tempfile::tempdir().unwrap();
        let at = |name: &str| releases.path().join(name);
        for number in [1, 2, 3] {
            fs::create_dir(at(&number.to_string())).unwrap();
            fs::write(at(&number.to_string()).join("main.py"), number.to_string()).unwrap();
        }
        for number in [1, 2, 7] {
            set_aside(releases.path(), number).unwrap();
        }
        assert!(at("1.part").is_dir() && at("2.part").is_dir() && !at("1").exists() && at("3").is_dir());
        fs::create_dir(at("mine.part")).unwrap();
        settle(releases.path(), &HashSet::from([2, 3])).unwrap();
        assert_eq!(fs::read_to_string(at("2/main.py")).unwrap(), "2");
        let mut left: Vec<_> = entries(releases.path())
            .unwrap()
            .iter()
            .map(|path| path.file_name().unwrap().to_owned())
            .collect();
        left.sort();
        assert_eq!(left, ["2", "3", "mine.part"]);
        settle(&at("missing"), &HashSet::new()).unwrap();
    }
}
