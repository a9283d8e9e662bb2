//! The core's table of states, fed from the database.

use mantyx_core::{AppEvent, AppName, Code, Error, Facts, Illegal, Next, Result, transition};
use mantyx_store::Read;
use mantyx_store::tables::instances::Active;
use mantyx_store::tables::{apps, executions, instances};

/// What the table needs to know about an app.
pub(crate) fn facts(app: &apps::App, active: &Active, live: &[executions::Execution]) -> Facts {
    Facts {
        app_type: app.app_type.0,
        installed: active.environment.is_some(),
        ever_enabled: active.instance.ever_enabled,
        autostart: active.configuration.0.autostart,
        live_runs: u32::try_from(live.len()).unwrap_or(u32::MAX),
    }
}

/// The instance of an app, and what the table needs to know about the app.
pub(crate) fn instance_and_facts(db: &mut Read<'_>, app: &apps::App) -> Result<(instances::Instance, Facts)> {
    let active = instances::active_of(db, app.id.0)?;
    let live = executions::live_of(db, active.instance.id.0)?;
    let facts = facts(app, &active, &live);
    Ok((active.instance, facts))
}

/// Whether an event is legal now, without applying it.
pub fn check(db: &mut Read<'_>, app: &apps::App, event: AppEvent) -> Result<Next> {
    let (instance, facts) = instance_and_facts(db, app)?;
    transition(instance.state.0, event, facts).map_err(|illegal| refuse(&app.name.0, illegal))
}

/// The refusal of an illegal event.
pub(crate) fn refuse(app: &AppName, illegal: Illegal) -> Error {
    let legal: Vec<String> = illegal.legal.iter().map(|event| format!("`{event}`")).collect();
    let detail = format!("`{app}` is {}: `{}` is not possible now", illegal.state, illegal.event);
    Error::new(Code::IllegalState, detail)
        .hint(format!("Possible now: {}", legal.join(", ")))
        .legal_events(illegal.legal)
}
