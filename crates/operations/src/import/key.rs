//! The key of the secrets changes with them, there and back.

use std::path::{Path, PathBuf};

use mantyx_core::Result;
use mantyx_platform::folders;
use serde::{Deserialize, Serialize};

use crate::work::blocking;

/// Where the keys lie. Whether one comes along was seen before anything was moved.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Keys {
    /// The one in use.
    used: PathBuf,
    /// Where it is put aside.
    aside: PathBuf,
    /// The one that comes along, if there is one.
    incoming: Option<PathBuf>,
}

impl Keys {
    pub(super) fn of(used: &Path, aside: &Path, incoming: &Path) -> Self {
        let is_there = std::fs::symlink_metadata(incoming).is_ok_and(|found| found.is_file());
        let incoming = is_there.then(|| incoming.to_owned());
        Self { used: used.to_owned(), aside: aside.to_owned(), incoming }
    }

    /// Takes the other key into use.
    pub(super) async fn go(&self) -> Result<()> {
        let Some(incoming) = self.incoming.clone() else { return Ok(()) };
        let (used, aside) = (self.used.clone(), self.aside.clone());
        blocking(move || {
            if used.exists() {
                folders::rename(&used, &aside)?;
            }
            folders::rename(&incoming, &used)
        })
        .await
    }

    /// Takes the one into use again that was.
    pub(super) async fn back(&self) -> Result<()> {
        let Some(incoming) = self.incoming.clone() else { return Ok(()) };
        let (used, aside) = (self.used.clone(), self.aside.clone());
        blocking(move || {
            if !incoming.exists() && used.exists() {
                folders::rename(&used, &incoming)?;
            }
            if aside.exists() && !used.exists() { folders::rename(&aside, &used) } else { Ok(()) }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn a_key_comes_and_goes_from_wherever_it_stopped() {
        for (own, stopped_after) in [(true, 0), (true, 1), (true, 2), (false, 1), (false, 2)] {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            fs::write(at("incoming"), "theirs").unwrap();
            if own {
                fs::write(at("key"), "ours").unwrap();
            }
            let keys = Keys::of(&at("key"), &at("aside"), &at("incoming"));
            match stopped_after {
                1 if own => folders::rename(&at("key"), &at("aside")).unwrap(),
                2 => keys.go().await.unwrap(),
                _ => {}
            }
            if stopped_after == 2 {
                assert_eq!(fs::read_to_string(at("key")).unwrap(), "theirs");
            }
            keys.back().await.unwrap();
            keys.back().await.unwrap();
            assert_eq!(fs::read_to_string(at("key")).ok(), own.then(|| "ours".to_owned()));
            assert_eq!(fs::read_to_string(at("incoming")).unwrap(), "theirs");
        }
    }

    #[tokio::test]
    async fn without_another_key_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("key"), "ours").unwrap();
        let keys = Keys::of(&at("key"), &at("aside"), &at("incoming"));
        keys.go().await.unwrap();
        keys.back().await.unwrap();
        assert_eq!(fs::read_to_string(at("key")).unwrap(), "ours");
    }
}
