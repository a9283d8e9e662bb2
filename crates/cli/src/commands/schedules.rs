//! Schedules: list, add, change, remove.

use chrono::Utc;
use mantyx_api_types::{NewSchedule, SchedulePatch, ScheduleView};
use mantyx_core::{AppName, CatchUp, Code, Error, Overlap, ScheduleId, ScheduleSpec, Timing};
use reqwest::Method;

use super::Session;
use crate::arguments::{ScheduleAddArgs, ScheduleArgs, ScheduleCommand, ScheduleSetArgs};
use crate::failure::{Failure, Result};
use crate::output::aside;
use crate::tables;

pub(super) async fn run(what: ScheduleArgs, session: Session) -> Result<()> {
    match what.command {
        ScheduleCommand::Ls { app } => {
            let schedules = list(&session, app.as_ref()).await?;
            session.output.show(&schedules, |schedules| tables::schedules(schedules, Utc::now()))
        }
        ScheduleCommand::Add(what) => add(&session, what).await,
        ScheduleCommand::Set(what) => {
            let schedule = find(&session, &what.schedule).await?;
            patch(&session, schedule.id, &changed(schedule, what)).await
        }
        ScheduleCommand::On(which) => switch(&session, &which.schedule, true).await,
        ScheduleCommand::Off(which) => switch(&session, &which.schedule, false).await,
        ScheduleCommand::Rm(which) => remove(&session, &which.schedule).await,
    }
}

async fn list(session: &Session, app: Option<&AppName>) -> Result<Vec<ScheduleView>> {
    let query: Vec<_> = app.iter().map(|app| ("app", app.to_string())).collect();
    session.client.list("/api/schedules", &query, usize::MAX).await
}

async fn add(session: &Session, what: ScheduleAddArgs) -> Result<()> {
    let schedule: ScheduleView = session.client.post("/api/schedules", &new_schedule(what)).await?;
    session.output.show(&schedule, |schedule| format!("{}: {}", schedule.name, schedule.words))
}

fn new_schedule(what: ScheduleAddArgs) -> NewSchedule {
    let timing = timing(what.cron, what.every).unwrap_or(Timing::Interval { seconds: 0, anchor: None });
    let name = what.name.unwrap_or_else(|| name_of(&timing));
    let catch_up = if what.catch_up { CatchUp::One } else { CatchUp::None };
    let overlap = if what.parallel { Overlap::Parallel } else { Overlap::Skip };
    // That of Mantyx when it is empty.
    let timezone = what.timezone.unwrap_or_default();
    let spec = ScheduleSpec { timing, timezone, catch_up, overlap };
    NewSchedule { app: what.app, name, enabled: true, spec }
}

fn timing(cron: Option<String>, every: Option<u64>) -> Option<Timing> {
    let interval = every.map(|seconds| Timing::Interval { seconds, anchor: None });
    cron.map(|expression| Timing::Cron { expression }).or(interval)
}

/// What a schedule is called that nobody gave a name.
fn name_of(timing: &Timing) -> String {
    match timing {
        Timing::Cron { expression } => expression.clone(),
        Timing::Interval { seconds, .. } => format!("Every {seconds} s"),
    }
}

/// The change that flags ask for. A name that was made from the time goes along with it.
fn changed(schedule: ScheduleView, what: ScheduleSetArgs) -> SchedulePatch {
    let mut spec = schedule.spec.clone();
    let mut name = what.name;
    if let Some(timing) = timing(what.cron, what.every) {
        let follows = schedule.name == name_of(&spec.timing);
        name = name.or_else(|| follows.then(|| name_of(&timing)));
        spec.timing = timing;
    }
    spec.timezone = what.timezone.unwrap_or(spec.timezone);
    spec.catch_up = what.catch_up.map_or(spec.catch_up, Into::into);
    spec.overlap = what.overlap.map_or(spec.overlap, Into::into);
    let spec = (spec != schedule.spec).then_some(spec);
    SchedulePatch { name, enabled: None, spec }
}

async fn switch(session: &Session, which: &str, enabled: bool) -> Result<()> {
    let schedule = find(session, which).await?;
    patch(session, schedule.id, &SchedulePatch { enabled: Some(enabled), ..SchedulePatch::default() }).await
}

async fn patch(session: &Session, id: ScheduleId, patch: &SchedulePatch) -> Result<()> {
    let schedule: ScheduleView = session.client.patch(&format!("/api/schedules/{id}"), patch).await?;
    session.output.show(&schedule, said)
}

fn said(schedule: &ScheduleView) -> String {
    let switch = if schedule.enabled { "on" } else { "off" };
    format!("{} of `{}` is {switch}: {}", schedule.name, schedule.app, schedule.words)
}

async fn remove(session: &Session, which: &str) -> Result<()> {
    let schedule = find(session, which).await?;
    let request = session.client.request(Method::DELETE, &format!("/api/schedules/{}", schedule.id));
    session.client.send(request).await?;
    aside(&format!("{} of `{}` is gone", schedule.name, schedule.app))
}

/// The schedule with this id, or the only one of the app with this name.
async fn find(session: &Session, which: &str) -> Result<ScheduleView> {
    if let Ok(id) = which.parse::<ScheduleId>() {
        return session.client.get(&format!("/api/schedules/{id}"), &[]).await;
    }
    let app = AppName::parse(which).map_err(|_| {
        let detail = format!("`{which}` is neither the id of a schedule nor the name of an app");
        Failure::Usage(Error::new(Code::Invalid, detail).hint("`mantyx schedule ls` shows both"))
    })?;
    let schedules = list(session, Some(&app)).await?;
    only(schedules, &app).map_err(Failure::Usage)
}

fn only(mut schedules: Vec<ScheduleView>, app: &AppName) -> mantyx_core::Result<ScheduleView> {
    let count = schedules.len();
    match (schedules.pop(), count) {
        (Some(schedule), 1) => Ok(schedule),
        (None, _) => Err(Error::new(Code::NotFound, format!("`{app}` has no schedule"))
            .hint(format!("`mantyx schedule add {app}` gives it one"))),
        _ => Err(Error::new(Code::Invalid, format!("`{app}` has {count} schedules"))
            .hint(format!("Give the id of one; `mantyx schedule ls {app}` shows them"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::OverlapChoice;

    fn schedule(name: &str) -> ScheduleView {
        ScheduleView {
            id: ScheduleId::generate(),
            app: AppName::parse("weather").unwrap(),
            name: name.into(),
            enabled: true,
            spec: ScheduleSpec {
                timing: Timing::Cron { expression: "@daily".into() },
                timezone: "UTC".into(),
                catch_up: CatchUp::One,
                overlap: Overlap::Skip,
            },
            words: String::new(),
            next: Vec::new(),
        }
    }

    #[test]
    fn only_what_is_said_is_changed() {
        let what = ScheduleSetArgs { overlap: Some(OverlapChoice::Parallel), ..ScheduleSetArgs::default() };
        let spec = changed(schedule("@daily"), what).spec.unwrap();
        assert_eq!(
            (spec.overlap, spec.catch_up, spec.timezone.as_str()),
            (Overlap::Parallel, CatchUp::One, "UTC")
        );
        let what = ScheduleSetArgs { name: Some("morning".into()), ..ScheduleSetArgs::default() };
        let patch = changed(schedule("@daily"), what);
        assert_eq!((patch.name.as_deref(), patch.spec), (Some("morning"), None));
    }

    #[test]
    fn a_name_that_was_the_time_stays_the_time() {
        let every = || ScheduleSetArgs { every: Some(60), ..ScheduleSetArgs::default() };
        assert_eq!(changed(schedule("@daily"), every()).name.as_deref(), Some("Every 60 s"));
        assert_eq!(changed(schedule("morning"), every()).name, None);
    }

    #[test]
    fn an_app_stands_for_its_only_schedule() {
        let app = AppName::parse("weather").unwrap();
        assert_eq!(only(vec![schedule("a")], &app).unwrap().name, "a");
        assert!(only(vec![], &app).unwrap_err().detail().contains("no schedule"));
        assert!(only(vec![schedule("a"), schedule("b")], &app).unwrap_err().detail().contains("2 schedules"));
    }
}
