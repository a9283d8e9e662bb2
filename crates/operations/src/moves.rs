//! Folders that change their places together, there and back.

use std::path::{Path, PathBuf};

use mantyx_core::{Code, Error, Result};
use mantyx_platform::folders;
use serde::{Deserialize, Serialize};

use crate::work::blocking;

/// Folders that were there when it was decided to move them, each with where it goes. What is not among them is
/// somebody else's, whatever lies where they go.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Moves(Vec<(PathBuf, PathBuf)>);

impl Moves {
    /// Those of the pairs whose folder is there.
    pub(crate) fn of(pairs: impl IntoIterator<Item = (PathBuf, PathBuf)>) -> Self {
        Self(pairs.into_iter().filter(|(from, _)| from.exists()).collect())
    }

    /// Refuses places that are taken by somebody else.
    pub(crate) fn refuse_taken(&self) -> Result<()> {
        let taken = self.0.iter().find(|(from, to)| from.exists() && to.exists());
        taken.map_or(Ok(()), |(_, to)| {
            let detail = format!("The folder `{}` is there, but belongs to no app", to.display());
            Err(Error::new(Code::NameTaken, detail).hint("Move it away"))
        })
    }

    /// Moves what has not been moved yet. A place that is taken is refused.
    pub(crate) async fn go(&self) -> Result<()> {
        let pairs = self.0.clone();
        blocking(move || {
            let left = pairs.iter().filter(|(from, _)| from.exists());
            left.into_iter().try_for_each(|(from, to)| folders::rename(from, to))
        })
        .await
    }

    /// Moves back what has been moved. What is still where it was has not been: what lies where it should go is
    /// somebody else's.
    pub(crate) async fn back(&self) -> Result<()> {
        let all = self.clone();
        blocking(move || {
            // The last first: where one folder went, another may have been before.
            let moved = all.0.iter().rev().filter(|(from, to)| all.has_moved(from, to));
            moved.into_iter().try_for_each(|(from, to)| folders::rename(to, from))
        })
        .await
    }

    /// Where another folder of ours had been, it is that one again once it is back.
    fn has_moved(&self, from: &Path, to: &Path) -> bool {
        let before = self.0.iter().find(|(home, _)| home == to);
        !from.exists() && to.exists() && before.is_none_or(|(_, away)| away.exists())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn what_moves_comes_back_and_what_is_anothers_stays() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for folder in ["app", "backups", "away"] {
            fs::create_dir(at(folder)).unwrap();
        }
        let pairs = ["app", "backups", "venvs"].map(|name| (at(name), at("away").join(name)));
        let moves = Moves::of(pairs);
        moves.go().await.unwrap();
        moves.go().await.unwrap();
        assert!(at("away/app").is_dir() && at("away/backups").is_dir() && !at("app").exists());
        // A stranger comes to where nothing of ours was.
        fs::create_dir(at("away/venvs")).unwrap();
        moves.back().await.unwrap();
        moves.back().await.unwrap();
        assert!(at("app").is_dir() && at("backups").is_dir() && at("away/venvs").is_dir());

        fs::create_dir(at("away/backups")).unwrap();
        assert!(moves.go().await.is_err(), "the place of the second is taken");
        moves.back().await.unwrap();
        assert!(at("app").is_dir() && at("backups").is_dir() && at("away/backups").is_dir());
    }

    #[tokio::test]
    async fn one_folder_takes_the_place_of_another_and_gives_it_back() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for folder in ["data", "coming"] {
            fs::create_dir(at(folder)).unwrap();
            fs::write(at(folder).join("file"), folder).unwrap();
        }
        let moves = Moves::of([(at("data"), at("going")), (at("coming"), at("data"))]);
        let reads = |folder: &str| fs::read_to_string(at(folder).join("file")).ok();
        moves.go().await.unwrap();
        assert_eq!((reads("data").unwrap(), reads("going").unwrap()), ("coming".into(), "data".into()));
        moves.back().await.unwrap();
        moves.back().await.unwrap();
        assert_eq!((reads("data").unwrap(), reads("coming").unwrap()), ("data".into(), "coming".into()));
        assert_eq!(reads("going"), None);
        // What came is removed once it is not wanted any more, and then what is there is not what came.
        fs::remove_dir_all(at("coming")).unwrap();
        moves.back().await.unwrap();
        assert_eq!(reads("data").unwrap(), "data");
    }
}
