//! Schedules with their words and their next instants.

use chrono::Utc;
use mantyx_api_types::ScheduleView;
use mantyx_core::{AppName, Result, Timestamp};
use mantyx_store::Read;
use mantyx_store::tables::{apps, instances, schedules};

/// How many instants are shown.
const SHOWN: usize = 10;

/// A schedule of the app with this name.
pub fn schedule(row: schedules::Schedule, app: &AppName) -> Result<ScheduleView> {
    let parsed = mantyx_scheduler::parse(&row.spec.0)?;
    Ok(ScheduleView {
        id: row.id.0,
        app: app.clone(),
        name: row.name,
        enabled: row.enabled,
        words: parsed.words(),
        next: parsed.next(Utc::now(), SHOWN),
        spec: row.spec.0,
    })
}

/// All schedules of an app.
pub fn schedules_of(db: &mut Read<'_>, app: &apps::App) -> Result<Vec<ScheduleView>> {
    let instance = instances::of_app(db, app.id.0)?;
    schedules::of_instance(db, instance.id.0)?.into_iter().map(|row| schedule(row, &app.name.0)).collect()
}

/// When any of these schedules is due next.
pub(super) fn next_run(rows: &[schedules::Schedule], now: Timestamp) -> Result<Option<Timestamp>> {
    let mut next: Option<Timestamp> = None;
    for row in rows.iter().filter(|row| row.enabled) {
        let due = mantyx_scheduler::parse(&row.spec.0)?.next_after(now);
        next = match (next, due) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
    Ok(next)
}
