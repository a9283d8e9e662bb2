//! All of another Mantyx, taken from an archive into an empty one.
//!
//! An archive is anybody's until it has been checked, and only an administrator may have one taken in: what is in it may
//! run as anybody. Nothing outside its staging folder is touched before all of it is known to be sound; then the
//! folders are moved and the rows taken over, in one commit. A daemon that dies before that leaves everything to be undone;
//! behind it, the next one carries on. What fails leaves the empty Mantyx that there was, wherever it fails.
//!
//! - The key of the secrets comes along, because an empty Mantyx has sealed nothing that could need its own.
//! - Who may ask, the password and the settings stay as they are here, and so does the record of events: its chain of
//!   hashes is about this installation. One event says what was imported, with the hash that the chain of the other
//!   Mantyx ended in, so that the archive remains the proof of what happened there.
//! - An environment holds absolute paths, so each is built anew from the lock of its release. One that cannot be built
//!   leaves its app `failed`, with the reason, and hinders no other.
//! - What was alive in the moment of the export is `lost` here, and operations that were under way are interrupted.

use std::path::{Path, PathBuf};

use mantyx_api_types::{OperationView, Problem};
use mantyx_bundle::Head;
use mantyx_bundle::import::{self as bundle, Limits, Rules};
use mantyx_core::{
    Actor, AppId, AppName, Code, Error, EventKind, InstanceId, OperationKind, Result, SecretName, Subject,
    Timestamp,
};
use mantyx_platform::folders;
use mantyx_platform::scratch::Scratch;
use mantyx_registry::tables::operations;
use mantyx_registry::{Change, Foreign, Read, transfer};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::environment::Building;
use crate::export::{About, DATABASE};
use crate::mantyx::Mantyx;
use crate::moves::Moves;
use crate::ports::lease;
use crate::progress::{size, with_progress};
use crate::saga::{Saga, Said, Task, step};
use crate::work::{blocking, whole};

mod bringing;
mod key;
mod survey;

use key::Keys;

/// Where symbolic links may be, none of which may lead out.
const TREES: [&str; 8] = [
    "apps/*/data",
    "apps/*/releases/*",
    "backups/*/*/source",
    "backups/*/*/data",
    "trash/*/app/data",
    "trash/*/app/releases/*",
    "trash/*/backups/*/source",
    "trash/*/backups/*/data",
];
/// Files, folders and links, all in all.
const ENTRIES: u64 = 4_000_000;
/// One part in so many of the disk stays free.
const RESERVE: u64 = 20;

/// What an import remembers.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Importing {
    /// Where everything is until it is in its place.
    folder: PathBuf,
    /// Of which moment it is, and by which Mantyx.
    made_at: Timestamp,
    mantyx: String,
    /// What is to be taken over, once that is known.
    plan: Option<Plan>,
}

/// What is taken over, and where to.
#[derive(Clone, Serialize, Deserialize)]
struct Plan {
    /// Those that are not in the trash.
    apps: Vec<Incoming>,
    trashed: Vec<AppId>,
    secrets: Vec<SecretName>,
    moves: Moves,
    keys: Keys,
    record: Chain,
}

/// An app that comes along.
#[derive(Clone, Serialize, Deserialize)]
#[allow(clippy::unsafe_derive_deserialize, reason = "what is unsafe is inside `tokio::select!`")]
struct Incoming {
    id: AppId,
    instance: InstanceId,
    name: AppName,
    /// The port that it had, which it keeps where it is free.
    port: Option<u16>,
    building: Building,
}

/// The record of events of the other Mantyx.
#[derive(Clone, Serialize, Deserialize)]
struct Chain {
    events: i64,
    /// The hash of the last one.
    hash: String,
    /// The first one that does not follow from the one before it.
    broken_at: Option<i64>,
}

/// Everything.
pub(crate) static IMPORT: Saga<Importing> = Saga {
    kind: OperationKind::Import,
    steps: &[
        step::<Importing>("unpack", "Check and unpack the archive", |task, it| Box::pin(it.unpack(task)))
            .undo(|_, it| Box::pin(it.remove_folder()))
            .cancellable(),
        step::<Importing>("check", "See what is in it", |task, it| Box::pin(it.check(task))).cancellable(),
        step::<Importing>("place", "Take it over", |task, it| Box::pin(it.place(task)))
            .undo(|task, it| Box::pin(it.put_back(task))),
        step::<Importing>("rebuild", "Rebuild the environments", |task, it| Box::pin(it.rebuild(task)))
            .undo(|task, it| Box::pin(it.remove_environments(task)))
            .resume(),
        step::<Importing>("start", "Bring the apps up", |task, it| Box::pin(it.start(task)))
            .undo(|task, it| Box::pin(it.stop(task)))
            .resume(),
        step::<Importing>("tidy", "Tidy up", |task, it| Box::pin(it.tidy(task))).insist(),
    ],
    failed: None,
};

impl Mantyx {
    /// Where an archive is written while it arrives, and how long it may be: it and what is in it have to fit on the
    /// disk. Refused unless Mantyx is empty.
    pub async fn prepare_import(&self) -> Result<(PathBuf, u64)> {
        self.registry().read(refuse_unless_empty).await?;
        let folder = self.layout().imports();
        let made = folder.clone();
        blocking(move || folders::create(&made, 0o700)).await?;
        Ok((folder, self.room().await))
    }

    /// Takes over all of what an archive holds. The file is used up by it.
    pub async fn import(&self, actor: &Actor, archive: &Path) -> Result<OperationView> {
        let (mantyx, actor, archive) = (self.clone(), actor.clone(), archive.to_owned());
        whole(async move {
            mantyx.registry().read(refuse_unless_empty).await?;
            let imports = mantyx.layout().imports();
            let (staging, head) = blocking(move || receive(&imports, &archive)).await?;
            let Head { made_at, mantyx: by, .. } = head;
            let folder = staging.path().to_owned();
            let memory = Importing { folder, made_at, mantyx: by, plan: None };
            let operation = mantyx.begin(&actor, &IMPORT, None, memory).await?;
            // From here on it is the operation's.
            let _ = staging.keep();
            Ok(operation)
        })
        .await
    }

    /// How many bytes may be written before only a reserve is left.
    async fn room(&self) -> u64 {
        let disk = self.inner().host.disk().await;
        disk.free().saturating_sub(disk.total / RESERVE)
    }

    /// Removes what an earlier daemon was receiving, unless that is still of use.
    pub(crate) async fn remove_unused_imports(&self) -> Result<()> {
        let imports = self.layout().imports();
        let under_way = |db: &mut Read<'_>| {
            let rows = operations::all_under_way(db)?;
            Ok(rows.iter().any(|row| row.kind.0 == OperationKind::Import))
        };
        let remove = move |under_way| if under_way { Ok(()) } else { folders::remove(&imports) };
        self.registry().read_then(under_way, remove).await
    }
}

/// The archive in a folder of its own, and what it says about itself.
fn receive(imports: &Path, archive: &Path) -> Result<(Scratch, Head<About>)> {
    let head = bundle::recognise(archive)?;
    let staging = Scratch::make(imports, "import-")?;
    folders::rename(archive, &staging.path().join("archive.tar.gz"))?;
    Ok((staging, head))
}

impl Importing {
    fn archive(&self) -> PathBuf {
        self.folder.join("archive.tar.gz")
    }

    /// Where the archive is unpacked to.
    fn unpacked(&self) -> PathBuf {
        self.folder.join("unpacked")
    }

    /// The database lies apart, where nothing of the archive lies beside it.
    fn database(&self) -> PathBuf {
        self.folder.join(DATABASE)
    }

    async fn unpack(&mut self, task: &Task) -> Result<Said> {
        let limits = Limits { total_bytes: task.room().await, entries: ENTRIES, ..Limits::default() };
        let (archive, to, database) = (self.archive(), self.unpacked(), self.database());
        let length = std::fs::metadata(&archive).map_or(0, |found| found.len());
        let words = move |bytes| format!("{} of {}", size(bytes), size(length));
        let unpacked = with_progress(task, words, move |watch| {
            folders::create(&to, 0o700)?;
            let rules = Rules { limits, trees: &TREES };
            let unpacked = bundle::unpack::<About>(&archive, &to, &rules, watch)?;
            folders::rename(&to.join(DATABASE), &database)?;
            folders::remove(&archive)?;
            Ok(unpacked)
        })
        .await?;
        let (files, bytes) = (unpacked.files, size(unpacked.bytes));
        let at = self.made_at.format("%Y-%m-%d %H:%M UTC");
        Ok(Said::detail(format!("{files} files of {bytes}, by Mantyx {}, {at}", self.mantyx)))
    }

    async fn check(&mut self, task: &Task) -> Result<Said> {
        let (it, layout) = (self.clone(), task.layout().clone());
        let problem = Error::new(Code::Interrupted, "Mantyx was exported in the middle of it");
        let problem = serde_json::to_value(Problem::from(&problem))
            .map_err(|error| Error::internal("write the problem", error))?;
        let plan = blocking(move || {
            let foreign = Foreign::open(&it.database())?;
            let plan = survey::survey(&foreign, &it.unpacked(), &it.folder, &layout)?;
            foreign.settle(&problem, it.made_at)?;
            foreign.close()?;
            Ok(plan)
        })
        .await?;
        let said = plan.in_words();
        self.plan = Some(plan);
        Ok(Said::detail(said))
    }

    fn plan(&self) -> Result<&Plan> {
        self.plan.as_ref().ok_or_else(|| Error::internal("import an archive", "there is no plan"))
    }

    /// The folders first, then the rows: until these are committed, nothing that is there belongs to anybody.
    async fn place(&mut self, task: &Task) -> Result<Said> {
        let plan = self.plan()?.clone();
        // Held until it is committed whose names these are.
        let names = task.inner().locks.names().await;
        task.registry().read(refuse_unless_empty).await?;
        let (layout, moves) = (task.layout().clone(), plan.moves.clone());
        blocking(move || {
            folders::create(&layout.backups(), 0o700)?;
            moves.refuse_taken()
        })
        .await?;
        plan.keys.go().await?;
        plan.moves.go().await?;
        task.registry().attach(&self.database()).await?;
        let (it, pool) = (self.clone(), task.port_pool());
        Ok(Said::nothing().commit(move |change| {
            let _names = names;
            it.commit(change, &plan, &pool)
        }))
    }

    fn commit(
        &self,
        change: &mut Change<'_, '_>,
        plan: &Plan,
        pool: &mantyx_registry::PortPool,
    ) -> Result<()> {
        refuse_unless_empty(change)?;
        transfer::take_over(change)?;
        for app in &plan.apps {
            lease(change, app.id, app.port, pool)?;
            change.touch_app(app.id);
        }
        let names: Vec<&AppName> = plan.apps.iter().map(|app| &app.name).collect();
        let payload = json!({
            "made_at": self.made_at,
            "mantyx": self.mantyx,
            "apps": names,
            "trashed": plan.trashed.len(),
            "events": plan.record.events,
            "chain": plan.record.hash,
            "broken_at": plan.record.broken_at,
        });
        let subject = Subject { kind: "daemon".into(), id: "mantyx".into(), name: "Mantyx".into() };
        change.record(EventKind::DaemonImported, &subject, payload)
    }

    /// Everything that came along goes back to the staging folder, and its rows go. What is there beside it stays.
    async fn put_back(&mut self, task: &Task) -> Result<()> {
        task.registry().detach().await?;
        let Some(plan) = self.plan.clone() else { return Ok(()) };
        let apps: Vec<AppId> =
            plan.apps.iter().map(|app| app.id).chain(plan.trashed.iter().copied()).collect();
        let secrets = plan.secrets.clone();
        let forget = move |change: &mut Change<'_, '_>| {
            transfer::forget(change, &apps, &secrets)?;
            for app in apps {
                change.touch_app(app);
            }
            Ok(())
        };
        task.registry().change(&task.actor, forget).await?;
        plan.moves.back().await?;
        plan.keys.back().await
    }

    async fn remove_folder(&mut self) -> Result<()> {
        let folder = self.folder.clone();
        blocking(move || folders::remove(&folder)).await
    }
}

impl Plan {
    fn in_words(&self) -> String {
        let apps = self.apps.len();
        let apps = format!("{apps} {}", if apps == 1 { "app" } else { "apps" });
        let trash = match self.trashed.len() {
            0 => String::new(),
            count => format!(", {count} in the trash"),
        };
        let chain = match self.record.broken_at {
            None => String::new(),
            Some(at) => format!(". Its record of events was changed: it breaks at event {at}"),
        };
        format!("{apps}{trash}{chain}")
    }
}

/// What is there would have to give way, and nobody asked for that.
pub(crate) fn refuse_unless_empty(db: &mut Read<'_>) -> Result<()> {
    let held = transfer::holdings(db)?;
    if held.is_empty() {
        return Ok(());
    }
    let part = |count: i64, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {many}")),
    };
    let parts = [
        part(held.apps, "app", "apps"),
        part(held.trashed, "app in the trash", "apps in the trash"),
        part(held.secrets, "secret", "secrets"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let detail = format!("Only an empty Mantyx takes another one in, and this one has {}", parts.join(", "));
    Err(Error::new(Code::NotEmpty, detail)
        .hint("Import into a Mantyx with a folder of its own (`--root`), or remove what is there for good"))
}
