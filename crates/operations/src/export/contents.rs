//! What is in an export, and under which names.

use std::path::{Path, PathBuf};

use mantyx_bundle::export::Writer;
use mantyx_core::{Error, Result};
use mantyx_platform::folders;
use mantyx_registry::Read;
use mantyx_registry::tables::{apps, backups, releases};
use mantyx_settings::Layout;

use super::About;
use crate::environment::number;
use crate::mantyx::Mantyx;

/// The name of the copy of the database.
pub(crate) const DATABASE: &str = "mantyx.db";
/// The name of the key of the secrets.
pub(crate) const KEY: &str = "key";

/// Folders by the names that they get.
pub(crate) struct Contents {
    about: About,
    folders: Vec<(PathBuf, String)>,
    key: PathBuf,
}

impl Mantyx {
    /// What an export takes. As long as it is under way, nothing of this is removed or moved.
    pub(super) async fn contents(&self, logs: bool) -> Result<Contents> {
        let layout = self.layout().clone();
        self.registry().read(move |db| Contents::of(db, &layout, logs)).await
    }
}

impl Contents {
    fn of(db: &mut Read<'_>, layout: &Layout, logs: bool) -> Result<Self> {
        let (live, trashed) = (apps::list(db)?, apps::list_deleted(db)?);
        let mut folders = Vec::new();
        for app in &live {
            let name = &app.name.0;
            let places = Places {
                app: (layout.app(name), format!("apps/{name}")),
                backups: (layout.backups_of(name), format!("backups/{name}")),
            };
            places.list(db, app, &mut folders)?;
        }
        for app in &trashed {
            let (place, name) = (layout.trashed(app.id.0), format!("trash/{}", app.id.0));
            let places = Places {
                app: (place.join("app"), format!("{name}/app")),
                backups: (place.join("backups"), format!("{name}/backups")),
            };
            places.list(db, app, &mut folders)?;
        }
        let ids = live.iter().chain(&trashed).map(|app| app.id.0).filter(|_| logs);
        folders.extend(ids.map(|id| (layout.logs(id), format!("logs/{id}"))));
        let about =
            About { apps: live.into_iter().map(|app| app.name.0).collect(), trashed: trashed.len(), logs };
        Ok(Self { about, folders, key: layout.key() })
    }

    pub(super) fn about(&self) -> &About {
        &self.about
    }

    /// With how many bytes there are, as far as that can be seen.
    pub(super) fn measured(self) -> (Self, u64) {
        let bytes = self.folders.iter().filter_map(|(place, _)| folders::size(place).ok()).sum();
        (self, bytes)
    }

    /// Packs all of it, and says what is not there.
    pub(super) fn pack(&self, writer: &mut Writer<'_>, database: &Path) -> Result<Vec<String>> {
        writer.add_file(database, DATABASE)?;
        match std::fs::read(&self.key) {
            Ok(key) => writer.add_bytes(KEY, &key)?,
            // As long as nothing was sealed there is none.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(format!("read `{}`", self.key.display()), error)),
        }
        let mut missing = Vec::new();
        for (place, name) in &self.folders {
            if place.is_dir() {
                writer.add_folder(place, name)?;
            } else if !name.starts_with("logs/") {
                missing.push(format!("`{name}` is not there"));
            }
        }
        Ok(missing)
    }
}

/// Where the folders of an app lie, and what they are called in the archive.
struct Places {
    app: (PathBuf, String),
    backups: (PathBuf, String),
}

impl Places {
    fn list(&self, db: &mut Read<'_>, app: &apps::App, to: &mut Vec<(PathBuf, String)>) -> Result<()> {
        let mut add = |(place, name): &(PathBuf, String), inner: String| {
            to.push((place.join(&inner), format!("{name}/{inner}")));
        };
        for release in releases::of_app(db, app.id.0)? {
            add(&self.app, format!("releases/{}", number(&release)));
        }
        add(&self.app, "data".to_owned());
        for backup in backups::of_app(db, app.id.0)? {
            add(&self.backups, backup.folder);
        }
        Ok(())
    }
}
