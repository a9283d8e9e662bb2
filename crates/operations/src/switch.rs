//! What is active is switched to something else: a new release, an earlier one, another configuration, a backup.
//!
//! Everything slow happens beside what runs. The app is down from `stop` to `start`, and between the two is one commit.
//! When it does not become well afterwards, or somebody calls it off before that is seen, all of it is taken back and
//! what ran before runs again.
//!
//! An app that runs as another user afterwards gets an environment that is that user's, whatever else changes.
//!
//! | saga | steps |
//! |---|---|
//! | update | stage · place · build · back up · stop · activate · start · watch · tidy |
//! | rollback | build · back up · stop · activate · start · watch · tidy |
//! | configure | build · back up · stop · activate · start · watch · tidy |
//! | repair | build · stop · activate · start · watch · tidy |
//! | restore a backup | stage · place · build · copy data · back up · stop · swap data · activate · start · watch · tidy |

use std::path::PathBuf;

use mantyx_core::{
    Actor, AppEvent, BackupReason, Configuration, EnvironmentId, Error, OperationId, OperationKind,
    ReleaseId, Result, RevisionId,
};
use mantyx_ingest::Staged;
use mantyx_registry::Read;
use mantyx_registry::tables::{apps, instances};
use serde::{Deserialize, Serialize};

use crate::backup::Keeping;
use crate::configure::Texts;
use crate::environment::{Building, Resolve};
use crate::mantyx::Mantyx;
use crate::moves::Moves;
use crate::saga::{Saga, Step, step};
use crate::standing::Standing;

mod beside;
mod over;
mod restored;
mod source;

pub(crate) use restored::Restored;
pub(crate) use source::NewSource;

/// What a switch remembers.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Switch {
    pub(crate) standing: Standing,
    /// What is active before.
    pub(crate) before: Pair,
    /// What is active after.
    pub(crate) after: Pair,
    /// The release that is made for it.
    pub(crate) made: Option<NewRelease>,
    /// The configuration after, where it is another.
    pub(crate) configuration: Option<Configuration>,
    /// Which packages the release gets.
    pub(crate) resolve: Resolve,
    pub(crate) building: Building,
    /// The environment that the release after had before it was given another.
    had: Option<EnvironmentId>,
    pub(crate) keeping: Keeping,
    /// The free texts after, where they are others, and before.
    pub(crate) texts: Option<(Texts, Texts)>,
    /// What is taken from a backup, where one is restored.
    pub(crate) restored: Option<Restored>,
    /// The app's own files, on their way.
    moves: Moves,
}

/// A release and a configuration that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pair {
    pub(crate) release: ReleaseId,
    pub(crate) revision: RevisionId,
}

/// A release on its way.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct NewRelease {
    pub(crate) number: u32,
    pub(crate) source: NewSource,
    /// The folder in which its source is made.
    pub(crate) staging: PathBuf,
    /// What was found in it, once it is there.
    pub(crate) staged: Option<Staged>,
}

const STAGE: Step<Switch> =
    step::<Switch>("stage", "Get the source and check it", |task, it| Box::pin(it.stage(task)))
        .undo(|_, it| Box::pin(it.unstage()))
        .cancellable();
const PLACE: Step<Switch> =
    step::<Switch>("place", "Put the release in its place", |task, it| Box::pin(it.place(task)))
        .undo(|task, it| Box::pin(it.remove_release(task)))
        .cancellable();
const BUILD: Step<Switch> =
    step::<Switch>("build", "Build its environment beside", |task, it| Box::pin(it.build(task)))
        .undo(|task, it| Box::pin(it.remove_environment(task)))
        .cancellable();
const BACK_UP: Step<Switch> =
    step::<Switch>("back_up", "Keep what is there", |task, it| Box::pin(it.back_up(task)))
        .undo(|task, it| Box::pin(it.remove_backup(task)))
        .cancellable();
const STOP: Step<Switch> = step::<Switch>("stop", "Stop it", |task, it| Box::pin(it.stop(task)))
    .undo(|task, it| Box::pin(it.run_again(task)));
const COPY_DATA: Step<Switch> =
    step::<Switch>("copy_data", "Copy its kept files", |task, it| Box::pin(it.copy_data(task)))
        .undo(|task, it| Box::pin(it.remove_data(task)))
        .cancellable();
const SWAP_DATA: Step<Switch> =
    step::<Switch>("swap_data", "Take its kept files into use", |task, it| Box::pin(it.swap_data(task)))
        .undo(|_, it| Box::pin(it.swap_back()));
const ACTIVATE: Step<Switch> =
    step::<Switch>("activate", "Switch over", |task, it| Box::pin(it.activate(task)))
        .undo(|task, it| Box::pin(it.reactivate(task)));
const START: Step<Switch> = step::<Switch>("start", "Start it", |task, it| Box::pin(it.start(task)))
    .undo(|task, it| Box::pin(it.stop_again(task)))
    .resume();
const WATCH: Step<Switch> =
    step::<Switch>("watch", "See that it is well", |task, it| Box::pin(it.watch(task))).look().cancellable();
const TIDY: Step<Switch> = step::<Switch>("tidy", "Tidy up", |task, it| Box::pin(it.tidy(task))).insist();

const TELL: Step<Switch> =
    step::<Switch>("tidy", "Tidy up", |task, it| Box::pin(it.tidy_repair(task))).insist();

/// Other code, or the same with other packages.
pub(crate) static UPDATE: Saga<Switch> = Saga {
    kind: OperationKind::Update,
    steps: &[STAGE, PLACE, BUILD, BACK_UP, STOP, ACTIVATE, START, WATCH, TIDY],
    failed: None,
};

/// An earlier release.
pub(crate) static ROLLBACK: Saga<Switch> = Saga {
    kind: OperationKind::Rollback,
    steps: &[BUILD, BACK_UP, STOP, ACTIVATE, START, WATCH, TIDY],
    failed: None,
};

/// Another configuration, with a restart.
pub(crate) static CONFIGURE: Saga<Switch> = Saga {
    kind: OperationKind::Configure,
    steps: &[BUILD, BACK_UP, STOP, ACTIVATE, START, WATCH, TIDY],
    failed: None,
};

/// What is active already, with an environment that was missing.
pub(crate) static REPAIR: Saga<Switch> =
    Saga { kind: OperationKind::Repair, steps: &[BUILD, STOP, ACTIVATE, START, WATCH, TELL], failed: None };

/// What a backup kept.
pub(crate) static RESTORE_BACKUP: Saga<Switch> = Saga {
    kind: OperationKind::RestoreBackup,
    steps: &[STAGE, PLACE, BUILD, COPY_DATA, BACK_UP, STOP, SWAP_DATA, ACTIVATE, START, WATCH, TIDY],
    failed: None,
};

impl Switch {
    /// A switch that changes nothing yet.
    pub(crate) fn of(
        db: &mut Read<'_>,
        app: &apps::App,
        event: AppEvent,
        reason: BackupReason,
    ) -> Result<Self> {
        let instance = instances::of_app(db, app.id.0)?;
        let pair = Pair { release: instance.release_id.0, revision: instance.revision_id.0 };
        Ok(Self {
            standing: Standing::of(db, app, event)?,
            before: pair,
            after: pair,
            made: None,
            configuration: None,
            resolve: Resolve::Locked,
            building: Building::new(),
            had: None,
            keeping: Keeping::new(reason),
            texts: None,
            restored: None,
            moves: Moves::default(),
        })
    }

    /// Another configuration is taken into use with it.
    pub(crate) fn configured(mut self, configuration: Configuration) -> Self {
        self.after.revision = RevisionId::generate();
        self.configuration = Some(configuration);
        self
    }
}

impl Mantyx {
    /// A new release for a switch: its number, and a folder in which its source is made.
    pub(crate) async fn new_release(
        &self,
        actor: &Actor,
        app: &apps::App,
        source: NewSource,
    ) -> Result<NewRelease> {
        let id = app.id.0;
        let number = self.registry().change(actor, move |change| apps::next_release(change, id)).await?;
        let number = u32::try_from(number).map_err(|error| Error::internal("number a release", error))?;
        // What is not there yet is made by the first step: an operation that never begins leaves nothing.
        let fresh = || self.uploads().join(format!("source-{}", OperationId::generate()));
        let staging = source.staging().unwrap_or_else(fresh);
        Ok(NewRelease { number, source, staging, staged: None })
    }
}
