//! What of an app lies on disk for people: its metadata, its configuration, the links to what is active.

use std::path::{Path, PathBuf};

use mantyx_api_types::ConfigurationView;
use mantyx_core::{AppId, AppName, AppType, Configuration, EnvironmentId, Error, Result, Timestamp};
use mantyx_platform::{atomic, folders};
use mantyx_registry::tables::{apps, instances, releases};
use mantyx_registry::{Read, views};
use mantyx_settings::Layout;
use serde::Serialize;

use crate::mantyx::Mantyx;

/// They are for whoever runs the daemon: an app may not read what another one was told.
const PRIVATE: u32 = 0o600;

/// What `metadata.json` says. Written by Mantyx alone; the database is the truth.
#[derive(Serialize)]
struct Metadata<'a> {
    id: String,
    name: &'a AppName,
    r#type: AppType,
    release: u32,
    origin: &'a mantyx_core::Origin,
    digest: &'a str,
    created_at: Timestamp,
}

/// Writes `metadata.json`.
fn write_metadata(layout: &Layout, metadata: &Metadata<'_>) -> Result<()> {
    let text =
        serde_json::to_string_pretty(metadata).map_err(|e| Error::internal("write the metadata", e))?;
    atomic::write(&layout.app_metadata(metadata.name), format!("{text}\n").as_bytes(), PRIVATE)
}

impl Mantyx {
    /// Writes everything that lies on disk for people about an app, as the database has it now.
    pub(crate) async fn describe(&self, app: &apps::App) -> Result<()> {
        let (row, app, layout) = (app.clone(), app.clone(), self.layout().clone());
        let read = move |db: &mut Read<'_>| {
            let instance = instances::of_app(db, row.id.0)?;
            Ok((views::configuration(db, &row)?, releases::get(db, instance.release_id.0)?))
        };
        let write = move |(view, release): (ConfigurationView, releases::Release)| {
            let metadata = Metadata {
                id: app.id.0.to_string(),
                name: &app.name.0,
                r#type: app.app_type.0,
                release: u32::try_from(release.number).unwrap_or_default(),
                origin: &release.origin.0,
                digest: &release.found.0.digest,
                created_at: app.created_at,
            };
            write_metadata(&layout, &metadata)?;
            write_configuration(&layout, &app.name.0, &view)
        };
        self.registry().read_then(read, write).await
    }
}

/// Writes `config.yaml`, headed by the revision that it shows.
pub(crate) fn write_configuration(layout: &Layout, name: &AppName, view: &ConfigurationView) -> Result<()> {
    #[derive(Serialize)]
    struct Shown<'a> {
        revision: u32,
        #[serde(flatten)]
        configuration: &'a Configuration,
    }
    let shown = Shown { revision: view.revision, configuration: &view.configuration };
    let yaml = serde_saphyr::to_string(&shown)
        .map_err(|e| Error::internal("write the configuration", e.to_string()))?;
    let head = "# Written by Mantyx: the active configuration. Change it on the page, by the API or by the command line.\n";
    atomic::write(&layout.app(name).join("config.yaml"), format!("{head}{yaml}").as_bytes(), PRIVATE)
}

/// An app's folder is being made: as long as this stands in it and no row speaks of it, it may be thrown away.
pub(crate) fn mark_unfinished(layout: &Layout, name: &AppName) -> Result<()> {
    atomic::write(&unfinished_mark(&layout.app(name)), b"", PRIVATE)
}

/// Where the mark of an unfinished folder stands.
pub(crate) fn unfinished_mark(folder: &Path) -> PathBuf {
    folder.join(UNFINISHED)
}

/// Whether an app's folder was being made when the daemon died.
pub(crate) fn is_unfinished(folder: &Path) -> bool {
    unfinished_mark(folder).exists()
}

/// Whose folder it is, going by its metadata.
pub(crate) fn owner_of(folder: &Path) -> Option<AppId> {
    let text = std::fs::read_to_string(folder.join("metadata.json")).ok()?;
    let metadata: serde_json::Value = serde_json::from_str(&text).ok()?;
    metadata.get("id")?.as_str()?.parse().ok()
}

const UNFINISHED: &str = ".unfinished";

/// Points `app` at the source of a release.
pub(crate) fn link_release(layout: &Layout, name: &AppName, number: u32) -> Result<()> {
    let target = Path::new("releases").join(number.to_string());
    folders::link_current(&layout.active_release(name), &target)
}

/// Points `current` at an environment.
pub(crate) fn link_environment(layout: &Layout, name: &AppName, id: EnvironmentId) -> Result<()> {
    folders::link_current(&layout.active_environment(name), Path::new(&id.to_string()))
}
