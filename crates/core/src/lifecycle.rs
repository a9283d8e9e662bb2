//! The eight states of an app and every way between them.
//!
//! [`transition`] is the whole table: pure, total, and the only thing in Mantyx that names a next state. What it
//! does not allow is an [`Illegal`] that lists what is legal now.

use crate::app::AppType;

pub use words::{AppEvent, AppState};

#[cfg(test)]
mod tests;
mod words;

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
        (AppEvent::Configure | AppEvent::Rename, _) => to(state, &[]),
        (AppEvent::Rollback, _) if facts.installed => to(state, &[]),
        (AppEvent::Update, Failed) if !facts.installed => to(Installed, &[]),
        (AppEvent::Update, _) => to(state, &[]),
        (AppEvent::Install, Uploaded | Installed | Disabled | Failed) => to(Installed, &[]),
        // Whatever it was where it came from: without an environment it cannot be that here.
        (AppEvent::InstallFailed, _) if !facts.installed => to(Failed, &[]),
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
