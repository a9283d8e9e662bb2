//! The core's table of states, fed from the database.

use mantyx_core::{AppEvent, AppName, Code, Error, Facts, Illegal, Next, Result, transition};
use mantyx_store::Read;
use mantyx_store::tables::{apps, config_revisions, executions, instances, releases};

/// What the table needs to know about an app.
pub fn facts(db: &mut Read<'_>, app: &apps::App, instance: &instances::Instance) -> Result<Facts> {
    let release = releases::get(db, instance.release_id.0)?;
    let revision = config_revisions::get(db, instance.revision_id.0)?;
    let live = executions::live_of(db, instance.id.0)?;
    Ok(Facts {
        app_type: app.app_type.0,
        installed: release.environment_id.is_some(),
        ever_enabled: instance.ever_enabled,
        autostart: revision.configuration.0.autostart,
        live_runs: u32::try_from(live.len()).unwrap_or(u32::MAX),
    })
}

/// Whether an event is legal now, without applying it.
pub fn check(db: &mut Read<'_>, app: &apps::App, event: AppEvent) -> Result<Next> {
    let instance = instances::of_app(db, app.id.0)?;
    let facts = facts(db, app, &instance)?;
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
