//! Which folders are somebody's. What nobody knows is told to whoever looks, and never deleted.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use mantyx_bundle::backup::Id;
use mantyx_core::{AppName, Result};
use mantyx_registry::Read;
use mantyx_registry::tables::{apps, backups, operations, releases};
use mantyx_settings::Layout;

use super::entries;
use crate::environment::number;

/// What the database knows of.
pub(super) struct Known {
    names: HashSet<String>,
    /// The names of apps that an operation has in its hands: what lies under them may be on its way.
    busy: HashSet<String>,
    trashed: HashSet<String>,
    releases: HashSet<(String, u32)>,
    backups: HashSet<(String, String)>,
}

impl Known {
    pub(super) fn read(db: &mut Read<'_>) -> Result<Self> {
        let (mut names, mut releases, mut kept) = (HashSet::new(), HashSet::new(), HashSet::new());
        for app in apps::list(db)? {
            let name = app.name.0.to_string();
            let numbers = releases::of_app(db, app.id.0)?;
            releases.extend(numbers.iter().map(|row| (name.clone(), number(row))));
            let rows = backups::of_app(db, app.id.0)?;
            kept.extend(rows.into_iter().map(|row| (name.clone(), row.folder)));
            names.insert(name);
        }
        let mut trashed: HashSet<String> =
            apps::list_deleted(db)?.into_iter().map(|app| app.id.0.to_string()).collect();
        let mut busy = HashSet::new();
        for row in operations::all_under_way(db)? {
            trashed.extend(row.app_id.map(|id| id.0.to_string()));
            busy.extend(row.app_name.map(|name| name.0.to_string()));
            // The name that a rename gives.
            busy.extend(row.memory.0.get("to").and_then(|to| to.as_str()).map(str::to_owned));
        }
        names.extend(busy.iter().cloned());
        Ok(Self { names, busy, trashed, releases, backups: kept })
    }

    /// The folders that nobody knows.
    pub(super) fn strangers(&self, layout: &Layout) -> Result<Vec<PathBuf>> {
        let mut strangers = Vec::new();
        for place in [layout.apps(), layout.all_environments(), layout.backups()] {
            strangers.extend(entries(&place)?.into_iter().filter(|path| !self.names.contains(&last(path))));
        }
        let trash = entries(&layout.trash())?;
        strangers.extend(trash.into_iter().filter(|path| !self.trashed.contains(&last(path))));
        for name in self.names.difference(&self.busy) {
            let Ok(app) = AppName::parse(name) else { continue };
            let is_release = |path: &PathBuf| {
                let is_kept = |number| self.releases.contains(&(name.clone(), number));
                last(path).parse().is_ok_and(is_kept)
                    || lost::<u32>(path).is_some_and(|number| !is_kept(number))
            };
            strangers.extend(entries(&layout.releases(&app))?.into_iter().filter(|path| !is_release(path)));
            let is_backup = |path: &PathBuf| {
                let is_kept = |folder| self.backups.contains(&(name.clone(), folder));
                is_kept(last(path)) || lost::<Id>(path).is_some_and(|id| !is_kept(id.to_string()))
            };
            strangers.extend(entries(&layout.backups_of(&app))?.into_iter().filter(|path| !is_backup(path)));
        }
        Ok(strangers)
    }
}

fn last(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The name that a folder has lost. Without a row it is being removed, and retention knows of it; what has one should
/// have its name.
fn lost<T: FromStr>(path: &Path) -> Option<T> {
    last(path).strip_suffix(".part")?.parse().ok()
}
