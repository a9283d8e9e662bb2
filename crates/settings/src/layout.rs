//! Where everything lies under the root: one function for each place. Nothing here touches a disk.

use std::path::{Path, PathBuf};

use mantyx_core::{AppId, AppName, EnvironmentId, OperationId};

/// The places under one root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The places under this root.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The folder that holds everything.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All apps.
    #[must_use]
    pub fn apps(&self) -> PathBuf {
        self.root.join("apps")
    }

    /// One app.
    #[must_use]
    pub fn app(&self, name: &AppName) -> PathBuf {
        self.apps().join(name.as_str())
    }

    /// The link to the source of the active release, for people: processes start from the real path.
    #[must_use]
    pub fn active_release(&self, name: &AppName) -> PathBuf {
        self.app(name).join("app")
    }

    /// The releases of an app.
    #[must_use]
    pub fn releases(&self, name: &AppName) -> PathBuf {
        self.app(name).join("releases")
    }

    /// The read-only source of one release, counted from 1.
    #[must_use]
    pub fn release(&self, name: &AppName, number: u32) -> PathBuf {
        self.releases(name).join(number.to_string())
    }

    /// The app's own files, which survive updates and rollbacks.
    #[must_use]
    pub fn app_data(&self, name: &AppName) -> PathBuf {
        self.app(name).join("data")
    }

    /// What the app is: identity, origin, digests.
    #[must_use]
    pub fn app_metadata(&self, name: &AppName) -> PathBuf {
        self.app(name).join("metadata.json")
    }

    /// All environments.
    #[must_use]
    pub fn all_environments(&self) -> PathBuf {
        self.root.join("venvs")
    }

    /// The environments of an app.
    #[must_use]
    pub fn environments(&self, name: &AppName) -> PathBuf {
        self.all_environments().join(name.as_str())
    }

    /// One environment. It is built here and never moved, because it holds absolute paths.
    #[must_use]
    pub fn environment(&self, name: &AppName, id: EnvironmentId) -> PathBuf {
        self.environments(name).join(id.to_string())
    }

    /// The link to the active environment, for people.
    #[must_use]
    pub fn active_environment(&self, name: &AppName) -> PathBuf {
        self.environments(name).join("current")
    }

    /// All logs.
    #[must_use]
    pub fn all_logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The execution and install logs of an app, by id so that a name can be used again.
    #[must_use]
    pub fn logs(&self, id: AppId) -> PathBuf {
        self.all_logs().join(id.to_string())
    }

    /// All backups.
    #[must_use]
    pub fn backups(&self) -> PathBuf {
        self.root.join("backups")
    }

    /// The backups of an app.
    #[must_use]
    pub fn backups_of(&self, name: &AppName) -> PathBuf {
        self.backups().join(name.as_str())
    }

    /// One backup of an app.
    #[must_use]
    pub fn backup(&self, name: &AppName, folder: &str) -> PathBuf {
        self.backups_of(name).join(folder)
    }

    /// Archives of the whole of Mantyx, until they are fetched.
    #[must_use]
    pub fn exports(&self) -> PathBuf {
        self.root.join("exports")
    }

    /// One of them.
    #[must_use]
    pub fn export(&self, id: OperationId) -> PathBuf {
        self.exports().join(format!("{id}.tar.gz"))
    }

    /// What is known of one of them.
    #[must_use]
    pub fn export_label(&self, id: OperationId) -> PathBuf {
        self.exports().join(format!("{id}.json"))
    }

    /// An archive of another Mantyx that is being taken in. On the same disk as the apps, so that they can be renamed.
    #[must_use]
    pub fn imports(&self) -> PathBuf {
        self.root.join("imports")
    }

    /// Every deleted app.
    #[must_use]
    pub fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    /// One deleted app.
    #[must_use]
    pub fn trashed(&self, id: AppId) -> PathBuf {
        self.trash().join(id.to_string())
    }

    /// The folder of the databases.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The truth.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.data().join("mantyx.db")
    }

    /// The queue of what is due. It is disposable.
    #[must_use]
    pub fn jobs(&self) -> PathBuf {
        self.data().join("jobs.db")
    }

    /// What can be fetched or made again.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Packages that uv and pip fetched. On the same disk as the environments, so that uv can link.
    #[must_use]
    pub fn packages(&self) -> PathBuf {
        self.cache().join("packages")
    }

    /// Pythons that uv fetched.
    #[must_use]
    pub fn pythons(&self) -> PathBuf {
        self.cache().join("pythons")
    }

    /// Uploads on their way to becoming a release. On the same disk as the apps, so that they can be renamed.
    #[must_use]
    pub fn uploads(&self) -> PathBuf {
        self.cache().join("uploads")
    }

    /// Sockets and exit records of live processes.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Settings and secrets.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.root.join("config")
    }

    /// The settings of the daemon.
    #[must_use]
    pub fn settings_file(&self) -> PathBuf {
        self.config().join("mantyx.toml")
    }

    /// The owner's token, readable by the owner alone.
    #[must_use]
    pub fn owner_token(&self) -> PathBuf {
        self.config().join("owner-token")
    }

    /// The key that secrets are kept under, readable by the owner alone.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.config().join("key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_specification() {
        let layout = Layout::new(Path::new("/srv/mantyx"));
        let name = AppName::parse("weather").unwrap();
        let (app, environment) = (AppId::generate(), EnvironmentId::generate());
        let export = OperationId::generate();
        let expected = [
            (layout.release(&name, 3), "apps/weather/releases/3".to_owned()),
            (layout.active_release(&name), "apps/weather/app".to_owned()),
            (layout.app_data(&name), "apps/weather/data".to_owned()),
            (layout.environment(&name, environment), format!("venvs/weather/{environment}")),
            (layout.active_environment(&name), "venvs/weather/current".to_owned()),
            (layout.logs(app), format!("logs/{app}")),
            (layout.trashed(app), format!("trash/{app}")),
            (layout.backup(&name, "20261120"), "backups/weather/20261120".to_owned()),
            (layout.export(export), format!("exports/{export}.tar.gz")),
            (layout.export_label(export), format!("exports/{export}.json")),
            (layout.imports(), "imports".to_owned()),
            (layout.database(), "data/mantyx.db".to_owned()),
            (layout.jobs(), "data/jobs.db".to_owned()),
            (layout.uploads(), "cache/uploads".to_owned()),
            (layout.run(), "run".to_owned()),
            (layout.settings_file(), "config/mantyx.toml".to_owned()),
            (layout.owner_token(), "config/owner-token".to_owned()),
            (layout.key(), "config/key".to_owned()),
        ];
        for (place, relative) in expected {
            assert_eq!(place, Path::new("/srv/mantyx").join(relative));
        }
    }
}
