//! The eight states of an app and every way between them.
//!
//! [`transition`] is the whole table: pure, total, and the only thing in Mantyx that names a next state. What it
//! does not allow is an [`Illegal`] that lists what is legal now.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::app::AppType;

/// Where an app is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AppState {
    /// Validated source is staged; nothing was installed, nothing has run.
    Uploaded,
    /// An environment is built; nothing runs before it is enabled.
    Installed,
    /// Schedules are armed; a perpetual app is about to start.
    Enabled,
    /// Switched off: nothing runs, whoever asks.
    Disabled,
    /// A process is alive, or is being restarted.
    Running,
    /// A perpetual app that was stopped or ended well.
    Stopped,
    /// The first install failed, or a perpetual app ended badly.
    Failed,
    /// In the trash.
    Deleted,
}

/// What can happen to an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AppEvent {
    /// The environment was built.
    Install,
    /// The environment could not be built.
    InstallFailed,
    /// A person switches it on.
    Enable,
    /// A perpetual app is started.
    Start,
    /// A scheduled app runs once, now.
    Run,
    /// The last live run of a scheduled app ended.
    Finished,
    /// A perpetual app ended well and is not started again.
    Exited,
    /// A perpetual app ended badly and is not started again.
    Crashed,
    /// A perpetual app was restarted too often.
    GaveUp,
    /// A person stops it.
    Stop,
    /// A person restarts a perpetual app.
    Restart,
    /// A person switches it off.
    Disable,
    /// The daemon came up and the app was not adopted.
    Boot,
    /// New code.
    Update,
    /// Back to an earlier release.
    Rollback,
    /// Another configuration.
    Configure,
    /// Another name.
    Rename,
    /// To the trash.
    Delete,
    /// Out of the trash.
    Restore,
    /// Gone for good.
    Purge,
}

/// What the table needs to know beside the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Scheduled or perpetual.
    pub app_type: AppType,
    /// Whether a release with an environment is active.
    pub installed: bool,
    /// Whether a person ever enabled it.
    pub ever_enabled: bool,
    /// Whether it starts with the daemon.
    pub autostart: bool,
    /// How many processes of it are alive, the one that the event is about not counted.
    pub live_runs: u32,
}

/// What the shell around the table must do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Schedules may fire.
    ArmSchedules,
    /// Schedules may not fire.
    DisarmSchedules,
    /// End every process.
    StopProcesses,
    /// Start the process of a perpetual app, by the event `start`.
    StartService,
    /// Start the process of a perpetual app.
    SpawnService,
    /// Start one run of a scheduled app.
    SpawnRun,
    /// Move the folders to the trash.
    MoveToTrash,
    /// Move the folders back.
    MoveFromTrash,
    /// Remove the folders.
    RemoveFiles,
}

/// Where an event leads: the state, or nowhere for an app that is gone, and what is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The state afterwards; `None` once purged.
    pub state: Option<AppState>,
    /// What must happen.
    pub effects: Vec<Effect>,
}

/// An event that is not legal now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Illegal {
    /// The state that it met.
    pub state: AppState,
    /// The event.
    pub event: AppEvent,
    /// What a person could ask for instead.
    pub legal: Vec<AppEvent>,
}

impl AppState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Uploaded,
        Self::Installed,
        Self::Enabled,
        Self::Disabled,
        Self::Running,
        Self::Stopped,
        Self::Failed,
        Self::Deleted,
    ];

    /// Where every app begins, when its source has been validated (the event `ingest`).
    pub const FIRST: Self = Self::Uploaded;

    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uploaded => "uploaded",
            Self::Installed => "installed",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Deleted => "deleted",
        }
    }
}

impl AppEvent {
    /// Every event.
    pub const ALL: [Self; 20] = [
        Self::Install,
        Self::InstallFailed,
        Self::Enable,
        Self::Start,
        Self::Run,
        Self::Finished,
        Self::Exited,
        Self::Crashed,
        Self::GaveUp,
        Self::Stop,
        Self::Restart,
        Self::Disable,
        Self::Boot,
        Self::Update,
        Self::Rollback,
        Self::Configure,
        Self::Rename,
        Self::Delete,
        Self::Restore,
        Self::Purge,
    ];

    /// Those that a person can ask for today, in the order that a page shows them.
    pub const REQUESTS: [Self; 12] = [
        Self::Install,
        Self::Enable,
        Self::Start,
        Self::Run,
        Self::Stop,
        Self::Restart,
        Self::Disable,
        Self::Configure,
        Self::Rename,
        Self::Delete,
        Self::Restore,
        Self::Purge,
    ];

    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::InstallFailed => "install_failed",
            Self::Enable => "enable",
            Self::Start => "start",
            Self::Run => "run",
            Self::Finished => "finished",
            Self::Exited => "exited",
            Self::Crashed => "crashed",
            Self::GaveUp => "gave_up",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Disable => "disable",
            Self::Boot => "boot",
            Self::Update => "update",
            Self::Rollback => "rollback",
            Self::Configure => "configure",
            Self::Rename => "rename",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Purge => "purge",
        }
    }
}

impl fmt::Display for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for AppEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Decides what an event does to an app, or why it cannot happen.
pub fn transition(state: AppState, event: AppEvent, facts: Facts) -> Result<Next, Illegal> {
    decide(state, event, facts).ok_or_else(|| Illegal { state, event, legal: legal_events(state, facts) })
}

/// What a person can ask for now.
#[must_use]
pub fn legal_events(state: AppState, facts: Facts) -> Vec<AppEvent> {
    AppEvent::REQUESTS.into_iter().filter(|event| decide(state, *event, facts).is_some()).collect()
}

/// The table, in the order of an app's life: what it is, whether it is on, what becomes of its processes.
fn decide(state: AppState, event: AppEvent, facts: Facts) -> Option<Next> {
    of_existence(state, event, facts).or_else(|| {
        if state == AppState::Deleted {
            return None;
        }
        of_release(state, event, facts)
            .or_else(|| of_switch(state, event, facts))
            .or_else(|| of_processes(state, event, facts))
    })
}

#[allow(clippy::unnecessary_wraps, reason = "a row of the table is one call, without a wrapping of its own")]
fn to(state: AppState, effects: &[Effect]) -> Option<Next> {
    Some(Next { state: Some(state), effects: effects.to_vec() })
}

/// Into the trash, out of it, and gone.
fn of_existence(state: AppState, event: AppEvent, facts: Facts) -> Option<Next> {
    use AppState::{Deleted, Disabled, Uploaded};
    use Effect::{DisarmSchedules, MoveFromTrash, MoveToTrash, RemoveFiles, StopProcesses};
    match (event, state) {
        (AppEvent::Purge, _) => {
            Some(Next { state: None, effects: vec![StopProcesses, DisarmSchedules, RemoveFiles] })
        }
        (AppEvent::Restore, Deleted) if facts.installed => to(Disabled, &[MoveFromTrash]),
        (AppEvent::Restore, Deleted) => to(Uploaded, &[MoveFromTrash]),
        (AppEvent::Delete, state) if state != Deleted => {
            to(Deleted, &[StopProcesses, DisarmSchedules, MoveToTrash])
        }
        _ => None,
    }
}

/// Its code, its environment and what is set about it.
fn of_release(state: AppState, event: AppEvent, facts: Facts) -> Option<Next> {
    use AppState::{Disabled, Failed, Installed, Uploaded};
    match (event, state) {
        (AppEvent::Rename, Uploaded) => to(Uploaded, &[]),
        (AppEvent::Configure | AppEvent::Rollback, _) => to(state, &[]),
        (AppEvent::Update, Failed) if !facts.installed => to(Installed, &[]),
        (AppEvent::Update, _) => to(state, &[]),
        (AppEvent::Install, Uploaded | Installed | Disabled | Failed) => to(Installed, &[]),
        (AppEvent::InstallFailed, Uploaded | Failed) if !facts.installed => to(Failed, &[]),
        (AppEvent::InstallFailed, Installed | Disabled | Failed) => to(state, &[]),
        _ => None,
    }
}

/// Whether it is on: by a person, or by the start of the daemon.
fn of_switch(state: AppState, event: AppEvent, facts: Facts) -> Option<Next> {
    use AppState::{Disabled, Enabled, Failed, Installed, Running, Stopped};
    use AppType::{Perpetual, Scheduled};
    use Effect::{ArmSchedules, DisarmSchedules, SpawnService, StartService, StopProcesses};
    let startable = facts.installed && facts.ever_enabled;
    match (event, state, facts.app_type) {
        (AppEvent::Enable, Installed | Disabled | Failed, Perpetual) if facts.installed => {
            to(Enabled, &[ArmSchedules, StartService])
        }
        (AppEvent::Enable, Installed | Disabled | Failed, Scheduled) if facts.installed => {
            to(Enabled, &[ArmSchedules])
        }
        (AppEvent::Disable, Enabled | Running | Stopped, _) => {
            to(Disabled, &[StopProcesses, DisarmSchedules])
        }
        (AppEvent::Disable, Failed, _) if facts.installed => to(Disabled, &[StopProcesses, DisarmSchedules]),
        (AppEvent::Boot, Running, Perpetual) => to(Running, &[ArmSchedules, SpawnService]),
        (AppEvent::Boot, Enabled, Perpetual) if facts.autostart && startable => {
            to(Running, &[ArmSchedules, SpawnService])
        }
        (AppEvent::Boot, Enabled | Running, Scheduled) => to(Enabled, &[ArmSchedules]),
        _ => None,
    }
}

/// What becomes of its processes, asked for or by themselves.
fn of_processes(state: AppState, event: AppEvent, facts: Facts) -> Option<Next> {
    use AppState::{Enabled, Failed, Running, Stopped};
    use AppType::{Perpetual, Scheduled};
    use Effect::{SpawnRun, SpawnService, StopProcesses};
    let startable = facts.installed && facts.ever_enabled;
    match (event, state, facts.app_type) {
        (AppEvent::Start, Enabled | Stopped | Failed, Perpetual) if startable => to(Running, &[SpawnService]),
        (AppEvent::Restart, Running | Stopped | Failed, Perpetual) if startable => {
            to(Running, &[StopProcesses, SpawnService])
        }
        (AppEvent::Run, Enabled | Running, Scheduled) if facts.installed => to(Running, &[SpawnRun]),
        (AppEvent::Stop, Running, Perpetual) => to(Stopped, &[StopProcesses]),
        (AppEvent::Stop, Running, Scheduled) => to(Enabled, &[StopProcesses]),
        (AppEvent::Finished, Running, Scheduled) if facts.live_runs == 0 => to(Enabled, &[]),
        (AppEvent::Finished, Running, Scheduled) => to(Running, &[]),
        (AppEvent::Exited, Running, Perpetual) => to(Stopped, &[]),
        (AppEvent::Crashed | AppEvent::GaveUp, Running, Perpetual) => to(Failed, &[]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts(app_type: AppType) -> Facts {
        Facts { app_type, installed: true, ever_enabled: true, autostart: true, live_runs: 0 }
    }

    fn any_facts() -> impl Strategy<Value = Facts> {
        let app_type = prop_oneof![Just(AppType::Perpetual), Just(AppType::Scheduled)];
        (app_type, any::<bool>(), any::<bool>(), any::<bool>(), 0u32..3).prop_map(
            |(app_type, installed, ever_enabled, autostart, live_runs)| Facts {
                app_type,
                installed,
                ever_enabled,
                autostart,
                live_runs,
            },
        )
    }

    fn walk(facts: Facts, events: &[AppEvent]) -> AppState {
        events
            .iter()
            .fold(AppState::FIRST, |state, event| transition(state, *event, facts).unwrap().state.unwrap())
    }

    #[test]
    fn the_life_of_a_service() {
        use AppEvent::{Delete, Disable, Enable, Exited, GaveUp, Install, Restart, Restore, Start, Stop};
        let service = facts(AppType::Perpetual);
        assert_eq!(walk(service, &[Install, Enable, Start]), AppState::Running);
        assert_eq!(walk(service, &[Install, Enable, Start, Exited]), AppState::Stopped);
        assert_eq!(walk(service, &[Install, Enable, Start, GaveUp, Restart, Stop]), AppState::Stopped);
        assert_eq!(walk(service, &[Install, Enable, Start, Disable]), AppState::Disabled);
        assert_eq!(walk(service, &[Install, Enable, Delete, Restore]), AppState::Disabled);
    }

    #[test]
    fn the_life_of_a_job() {
        use AppEvent::{Enable, Finished, Install, Run, Stop};
        let job = facts(AppType::Scheduled);
        assert_eq!(walk(job, &[Install, Enable, Run]), AppState::Running);
        assert_eq!(walk(job, &[Install, Enable, Run, Finished]), AppState::Enabled);
        assert_eq!(walk(job, &[Install, Enable, Run, Stop]), AppState::Enabled);
        let two = Facts { live_runs: 1, ..job };
        assert_eq!(walk(two, &[Install, Enable, Run, Finished]), AppState::Running);
    }

    #[test]
    fn a_failed_first_install_can_only_be_mended_or_thrown_away() {
        let never = Facts { installed: false, ever_enabled: false, ..facts(AppType::Perpetual) };
        let failed = transition(AppState::Uploaded, AppEvent::InstallFailed, never).unwrap();
        assert_eq!(failed.state, Some(AppState::Failed));
        let legal = legal_events(AppState::Failed, never);
        assert_eq!(legal, [AppEvent::Install, AppEvent::Configure, AppEvent::Delete, AppEvent::Purge]);
    }

    #[test]
    fn a_failed_later_install_changes_nothing() {
        let again =
            transition(AppState::Disabled, AppEvent::InstallFailed, facts(AppType::Scheduled)).unwrap();
        assert_eq!(again, Next { state: Some(AppState::Disabled), effects: vec![] });
    }

    proptest! {
        /// Nothing but an explicit enable leads to a process.
        #[test]
        fn nothing_runs_before_enable(facts in any_facts(), state in 0usize..8, event in 0usize..20) {
            let (state, event) = (AppState::ALL[state], AppEvent::ALL[event]);
            if let Ok(next) = transition(state, event, facts) {
                let spawns = next.effects.iter().any(|e| matches!(e, Effect::SpawnRun | Effect::SpawnService));
                let switched_off = matches!(
                    state,
                    AppState::Uploaded | AppState::Installed | AppState::Disabled | AppState::Deleted
                );
                prop_assert!(!(spawns && switched_off));
                if spawns {
                    prop_assert_eq!(next.state, Some(AppState::Running));
                }
            }
        }

        /// What is listed as legal is legal, and what is refused says the same list.
        #[test]
        fn the_list_and_the_table_agree(facts in any_facts(), state in 0usize..8, event in 0usize..20) {
            let (state, event) = (AppState::ALL[state], AppEvent::ALL[event]);
            let legal = legal_events(state, facts);
            match transition(state, event, facts) {
                Ok(_) => prop_assert!(legal.contains(&event) || !AppEvent::REQUESTS.contains(&event)),
                Err(illegal) => {
                    prop_assert!(!legal.contains(&event));
                    prop_assert_eq!(illegal.legal, legal);
                }
            }
        }

        /// Every app can be thrown away for good.
        #[test]
        fn purge_is_always_legal(facts in any_facts(), state in 0usize..8) {
            let next = transition(AppState::ALL[state], AppEvent::Purge, facts).unwrap();
            prop_assert_eq!(next.state, None);
        }
    }
}
