//! What an unpacked archive has to offer: what its rows speak of, and nothing else.
//!
//! Whatever lies in it that no row speaks of is removed while it is still in staging, and rows whose folders are missing
//! are forgotten. So rows and folders agree before either is taken over, and a name that leads somewhere is one that a
//! type has let through.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mantyx_bundle::backup::Id;
use mantyx_core::{AppName, Error, Result};
use mantyx_platform::folders;
use mantyx_registry::tables::{apps, backups, events, instances, port_leases, releases, secrets};
use mantyx_registry::{Foreign, Read, Write};
use mantyx_settings::Layout;

use super::{Building, Chain, Incoming, Keys, Moves, Plan};
use crate::environment::number;
use crate::export::KEY;

/// An app with the names of its folders.
struct Found {
    row: apps::App,
    releases: HashSet<String>,
    backups: HashSet<String>,
}

/// Makes rows and folders agree, and decides where each folder goes.
pub(super) fn survey(foreign: &Foreign, unpacked: &Path, aside: &Path, layout: &Layout) -> Result<Plan> {
    let (live, trashed) = foreign.read(|db| Ok((found(db, apps::list)?, found(db, apps::list_deleted)?)))?;
    let mut pairs = Vec::new();
    for it in &live {
        let name = &it.row.name.0;
        let (app, kept) =
            (unpacked.join("apps").join(name.as_str()), unpacked.join("backups").join(name.as_str()));
        it.tidy(foreign, &app, &kept)?;
        pairs.push((app, layout.app(name)));
        pairs.push((kept, layout.backups_of(name)));
    }
    for it in &trashed {
        let id = it.row.id.0;
        let place = unpacked.join("trash").join(id.to_string());
        it.tidy(foreign, &place.join("app"), &place.join("backups"))?;
        keep_only(&place, &["app", "backups"].map(str::to_owned).into())?;
        set_mode(&place, 0o700)?;
        pairs.push((place, layout.trashed(id)));
    }
    for it in live.iter().chain(&trashed) {
        let id = it.row.id.0;
        let logs = unpacked.join("logs").join(id.to_string());
        set_mode(&logs, 0o700)?;
        // Those of an app that was here before and was removed are there still.
        if !layout.logs(id).exists() {
            pairs.push((logs, layout.logs(id)));
        }
    }
    set_mode(&unpacked.join(KEY), 0o600)?;
    foreign.read(|db| {
        Ok(Plan {
            apps: live.iter().map(|it| incoming(db, &it.row)).collect::<Result<_>>()?,
            trashed: trashed.iter().map(|it| it.row.id.0).collect(),
            secrets: secrets::list(db)?.into_iter().map(|row| row.name.0).collect(),
            moves: Moves::of(pairs),
            keys: Keys::of(&layout.key(), &aside.join("key-before"), &unpacked.join(KEY)),
            record: chain(db)?,
        })
    })
}

fn found(db: &mut Read<'_>, list: fn(&mut Read<'_>) -> Result<Vec<apps::App>>) -> Result<Vec<Found>> {
    let rows = list(db)?;
    let of = |row: apps::App| {
        let releases = releases::of_app(db, row.id.0)?;
        let releases = releases.iter().map(|release| number(release).to_string()).collect();
        let backups = backups::of_app(db, row.id.0)?;
        // What is no name of a backup leads nowhere.
        let backups = backups.iter().filter_map(|backup| backup.folder.parse::<Id>().ok());
        Ok(Found { row, releases, backups: backups.map(|id| id.to_string()).collect() })
    };
    rows.into_iter().map(of).collect()
}

impl Found {
    /// Leaves nothing in the folders of an app but what its rows speak of, each as Mantyx would have made it.
    fn tidy(&self, foreign: &Foreign, app: &Path, kept: &Path) -> Result<()> {
        let inner = ["releases", "data"].map(str::to_owned).into();
        folders::create(&app.join("releases"), 0o755)?;
        keep_only(app, &inner)?;
        folders::create(&app.join("data"), 0o700)?;
        keep_only(&app.join("releases"), &self.releases)?;
        for (folder, mode) in
            [(app.to_owned(), 0o755), (app.join("releases"), 0o755), (app.join("data"), 0o700)]
        {
            set_mode(&folder, mode)?;
        }
        for release in entries(&app.join("releases"))? {
            folders::make_readable(&release)?;
            folders::make_read_only(&release)?;
        }
        keep_only(kept, &self.backups)?;
        set_mode(kept, 0o700)?;
        foreign.write(|tx| self.forget_missing(tx, app, kept))
    }

    /// Forgets earlier releases and backups that did not come along.
    fn forget_missing(&self, tx: &mut Write<'_>, app: &Path, kept: &Path) -> Result<()> {
        let id = self.row.id.0;
        let active = instances::of_app(tx, id)?.release_id;
        for row in releases::of_app(tx, id)?.into_iter().filter(|row| row.id != active) {
            if !app.join("releases").join(number(&row).to_string()).is_dir() {
                releases::delete(tx, row.id.0)?;
            }
        }
        for row in backups::of_app(tx, id)? {
            if !self.backups.contains(&row.folder) || !kept.join(&row.folder).is_dir() {
                backups::delete(tx, row.id.0)?;
            }
        }
        Ok(())
    }
}

fn incoming(db: &mut Read<'_>, app: &apps::App) -> Result<Incoming> {
    let instance = instances::of_app(db, app.id.0)?.id.0;
    let name: AppName = app.name.0.clone();
    let port = port_leases::web_port(db, instance)?;
    Ok(Incoming { id: app.id.0, instance, name, port, building: Building::new() })
}

/// What can be said of the other record, so that it can be compared with the archive later.
fn chain(db: &mut Read<'_>) -> Result<Chain> {
    let newest = events::newest(db)?;
    let (events, hash) = newest.map_or((0, String::new()), |event| (event.sequence, event.hash));
    Ok(Chain { events, hash, broken_at: events::first_break(db)? })
}

/// Removes everything from a folder but the folders of these names.
fn keep_only(folder: &Path, names: &HashSet<String>) -> Result<()> {
    let is_wanted = |entry: &PathBuf| {
        let name = entry.file_name().and_then(|name| name.to_str());
        let is_folder = fs::symlink_metadata(entry).is_ok_and(|found| found.is_dir());
        is_folder && name.is_some_and(|name| names.contains(name))
    };
    let others = entries(folder)?.into_iter().filter(|entry| !is_wanted(entry));
    others.into_iter().try_for_each(|entry| folders::remove(&entry))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io(format!("list the folder `{}`", folder.display()), error)),
    }
}

/// What is not there needs none.
fn set_mode(folder: &Path, mode: u32) -> Result<()> {
    match fs::set_permissions(folder, Permissions::from_mode(mode)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("set the mode of `{}`", folder.display()), error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
