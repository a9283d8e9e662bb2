//! Views as tables and facts for people.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use mantyx_api_types::{
    AppView, ExecutionView, LastExecution, ScheduleView, Sparkline, TokenView, TrashedAppView, UsagePoint,
};
use mantyx_core::{AppType, Ending, Exit, Health, Origin};

use crate::output::{facts, relative, span, table};

pub(crate) use self::backups::backups;
pub(crate) use self::data::data;
pub(crate) use self::findings::findings;
pub(crate) use self::releases::{dependencies, outdated, release, releases, update_check};
pub(crate) use self::secrets::secrets;
pub(crate) use self::settings::{said as setting_value, settings};
pub(crate) use self::tracking::{hook, tracking};

mod backups;
mod data;
mod findings;
mod releases;
mod secrets;
mod settings;
mod tracking;

/// What an older point says is not what an app uses now.
const NOW: TimeDelta = TimeDelta::seconds(30);

pub(crate) fn apps(apps: &[AppView], lines: &[Sparkline], now: DateTime<Utc>) -> String {
    let rows = apps.iter().map(|app| {
        let line = lines.iter().find(|line| line.app == app.id);
        let usage = line.and_then(|line| current(app, &line.points, now));
        [
            app.name.to_string(),
            state(app),
            app.r#type.as_str().to_owned(),
            usage.map_or_else(String::new, processors),
            usage.map_or_else(String::new, |usage| bytes(usage.memory)),
            activity(app, now),
            app.next_run.map_or_else(String::new, |next| relative(next, now)),
            app.web_url.clone().unwrap_or_default(),
        ]
    });
    let header = ["NAME", "STATE", "TYPE", "CPU", "MEMORY", "ACTIVITY", "NEXT RUN", "WEB PAGE"];
    table(header, rows.collect(), "There are no apps yet: `mantyx deploy PATH` makes one")
}

/// Where an app is in its life, and that it is not well.
fn state(app: &AppView) -> String {
    match app.health {
        Health::Unhealthy => format!("{}, unhealthy", app.state),
        Health::Unknown | Health::Starting | Health::Healthy => app.state.to_string(),
    }
}

/// What a live app uses now, as far as it was seen already.
fn current(app: &AppView, points: &[UsagePoint], now: DateTime<Utc>) -> Option<UsagePoint> {
    points.last().copied().filter(|point| app.pid.is_some() && now - point.at < NOW)
}

/// Hundredths of one processor, as top(1) says it.
fn processors(usage: UsagePoint) -> String {
    format!("{:.1} %", usage.cpu * 100.0)
}

#[expect(clippy::cast_precision_loss, reason = "one digit behind the point is said")]
pub(crate) fn bytes(bytes: u64) -> String {
    let kib = bytes as f64 / 1024.0;
    match kib {
        _ if bytes < 1024 => format!("{bytes} B"),
        ..1024.0 => format!("{kib:.1} KiB"),
        ..1_048_576.0 => format!("{:.1} MiB", kib / 1024.0),
        _ => format!("{:.1} GiB", kib / 1_048_576.0),
    }
}

/// What an app does, or did last.
fn activity(app: &AppView, now: DateTime<Utc>) -> String {
    if let Some(started) = app.started_at {
        return format!("up {}", span(now - started));
    }
    if let Some(restart) = app.restarts_at {
        return format!("restarts {}", relative(restart, now));
    }
    match &app.last_execution {
        Some(last) => format!("{} {}", last.status.as_str(), relative(last.finished_at, now)),
        None => String::new(),
    }
}

pub(crate) fn app(app: &AppView, points: &[UsagePoint], now: DateTime<Utc>) -> String {
    let usage = current(app, points, now);
    facts(vec![
        ("Name", Some(app.name.to_string())),
        ("Display name", text(&app.display_name)),
        ("Description", text(&app.description)),
        ("Tags", text(&app.tags.join(", "))),
        ("Type", Some(app.r#type.as_str().to_owned())),
        ("State", Some(with(app.state.to_string(), app.reason.as_deref()))),
        ("Health", health(app)),
        ("Says", app.status_text.clone()),
        ("Warnings", text(&app.warnings.join("; "))),
        ("Processor", usage.map(processors)),
        ("Memory", usage.map(|usage| bytes(usage.memory))),
        ("Process", app.pid.map(|pid| pid.to_string())),
        ("Running since", app.started_at.map(|at| at_and(at, now))),
        ("Restarts at", app.restarts_at.map(|at| at_and(at, now))),
        ("Restarts", (app.r#type == AppType::Perpetual).then(|| app.restarts.to_string())),
        ("Release", app.release.map(|number| number.to_string())),
        ("Source", Some(origin(&app.origin))),
        ("Last run", app.last_execution.as_ref().map(|last| last_execution(last, now))),
        ("Next run", app.next_run.map(|at| at_and(at, now))),
        ("Web page", app.web_url.clone()),
        (
            "Possible now",
            text(&app.legal_events.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ),
    ])
}

/// Nothing where nothing looks at it.
fn health(app: &AppView) -> Option<String> {
    let known = app.health != Health::Unknown;
    known.then(|| with(app.health.as_str().to_owned(), app.health_detail.as_deref()))
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn with(text: String, more: Option<&str>) -> String {
    match more {
        Some(more) => format!("{text}: {more}"),
        None => text,
    }
}

fn at(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn at_and(instant: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{}, {}", at(instant), relative(instant, now))
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Archive { file } | Origin::Script { file } => file.clone(),
        Origin::Git { url, commit, edited, .. } => {
            let since = if edited.is_empty() { "" } else { ", edited here since" };
            format!("{url} at {commit:.12}{since}")
        }
    }
}

fn last_execution(last: &LastExecution, now: DateTime<Utc>) -> String {
    let status = last.status.as_str();
    let outcome = match (ending(last.ending.as_ref()), last.exit) {
        (Some(ending), _) => format!("{status} ({ending})"),
        (None, Some(exit)) if !exit.is_success() => format!("{status} ({})", said(exit)),
        _ => status.to_owned(),
    };
    with(format!("{outcome} {}", relative(last.finished_at, now)), last.cause.as_deref())
}

/// Why it ended, where the exit does not say it and the status neither.
fn ending(ending: Option<&Ending>) -> Option<&'static str> {
    match ending? {
        Ending::OutOfMemory { .. } => Some("out of memory"),
        Ending::Unhealthy { .. } => Some("unhealthy"),
        Ending::WatchdogExpired => Some("watchdog"),
        Ending::ShutDown => Some("shut down"),
        Ending::NotStarted { .. } => Some("not started"),
        Ending::Exited | Ending::Stopped { .. } | Ending::TimedOut { .. } | Ending::Lost => None,
    }
}

fn said(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
    }
}

pub(crate) fn executions(executions: &[ExecutionView], now: DateTime<Utc>) -> String {
    let rows = executions.iter().map(|execution| {
        [
            execution.id.to_string(),
            execution.app.to_string(),
            execution.trigger.as_str().to_owned(),
            execution.status.as_str().to_owned(),
            execution.exit.map(said).unwrap_or_default(),
            relative(execution.started_at, now),
            span(execution.finished_at.unwrap_or(now) - execution.started_at),
            execution.cause.clone().unwrap_or_default(),
        ]
    });
    let header = ["ID", "APP", "TRIGGER", "STATUS", "EXIT", "STARTED", "TOOK", "CAUSE"];
    table(header, rows.collect(), "Nothing has run yet")
}

pub(crate) fn schedules(schedules: &[ScheduleView], now: DateTime<Utc>) -> String {
    let rows = schedules.iter().map(|schedule| {
        [
            schedule.id.to_string(),
            schedule.app.to_string(),
            schedule.name.clone(),
            if schedule.enabled { "on" } else { "off" }.to_owned(),
            schedule.words.clone(),
            next_of(schedule).map_or_else(String::new, |next| relative(next, now)),
        ]
    });
    let header = ["ID", "APP", "NAME", "", "WHEN", "NEXT"];
    table(header, rows.collect(), "There are no schedules")
}

/// When a schedule starts something. One that is off starts nothing.
fn next_of(schedule: &ScheduleView) -> Option<DateTime<Utc>> {
    schedule.next.first().copied().filter(|_| schedule.enabled)
}

pub(crate) fn trash(apps: &[TrashedAppView], now: DateTime<Utc>) -> String {
    let rows = apps.iter().map(|app| {
        let name = if app.name_free { "free" } else { "taken" };
        [app.id.to_string(), app.name.to_string(), relative(app.deleted_at, now), name.to_owned()]
    });
    table(["ID", "NAME", "DELETED", "ITS NAME IS"], rows.collect(), "The trash is empty")
}

pub(crate) fn tokens(tokens: &[TokenView], now: DateTime<Utc>) -> String {
    let rows = tokens.iter().map(|token| {
        let ends = token.expires_at.map_or_else(|| "never".to_owned(), |end| relative(end, now));
        let made = relative(token.created_at, now);
        [token.id.to_string(), token.name.clone(), token.scope.as_str().to_owned(), made, ends]
    });
    table(["ID", "NAME", "SCOPE", "MADE", "ENDS"], rows.collect(), "There are no tokens")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn view() -> (AppView, DateTime<Utc>) {
        let id = "01990000-0000-7000-8000-000000000000";
        let view = json!({
            "id": id, "name": "weather", "display_name": "", "description": "", "tags": ["home"],
            "type": "scheduled", "state": "enabled", "reason": null, "health": "unknown", "health_detail": null,
            "status_text": null, "warnings": [], "legal_events": ["run", "disable"], "operation": null,
            "pid": null, "execution": null, "started_at": null, "restarts_at": null, "restarts": 0,
            "release": 1, "origin": {"kind": "script", "file": "weather.py"},
            "last_execution": {
                "id": id, "status": "failed", "exit": {"code": 3}, "ending": {"kind": "exited"}, "cause": null,
                "started_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:00:30Z"
            },
            "next_run": "2026-01-01T08:30:00Z", "web_port": null, "web_url": null,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"
        });
        (serde_json::from_value(view).unwrap(), "2026-01-01T00:01:30Z".parse().unwrap())
    }

    fn point(at: DateTime<Utc>) -> UsagePoint {
        UsagePoint { at, cpu: 1.256, cpu_max: 2.0, memory: 300 << 20, memory_max: 400 << 20 }
    }

    #[test]
    fn an_app_is_a_row() {
        let (view, now) = view();
        let expected = "\
NAME     STATE    TYPE       CPU  MEMORY  ACTIVITY          NEXT RUN       WEB PAGE
weather  enabled  scheduled               failed 1 min ago  in 8 h 28 min";
        assert_eq!(apps(&[view], &[], now), expected);
        assert!(apps(&[], &[], now).contains("mantyx deploy"));
    }

    #[test]
    fn a_live_app_says_what_it_uses_and_that_it_is_not_well() {
        let (view, now) = view();
        let live = AppView { pid: Some(7), health: Health::Unhealthy, ..view };
        let seen = |at| [Sparkline { app: live.id, points: vec![point(at)] }];
        let said = apps(std::slice::from_ref(&live), &seen(now), now);
        assert!(said.contains("enabled, unhealthy  scheduled  125.6 %  300.0 MiB"), "{said}");
        let old = apps(std::slice::from_ref(&live), &seen(now - NOW), now);
        assert!(!old.contains("MiB"), "{old}");
        let facts =
            app(&AppView { health_detail: Some("It answered 500".into()), ..live }, &[point(now)], now);
        for fact in
            ["Health        unhealthy: It answered 500\n", "Processor     125.6 %\nMemory        300.0 MiB\n"]
        {
            assert!(facts.contains(fact), "{facts}");
        }
        let sizes = [0, 1023, 1536, 300 << 20, 3 << 29].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.5 KiB", "300.0 MiB", "1.5 GiB"]);
    }

    #[test]
    fn a_last_run_says_why_it_ended() {
        let (view, now) = view();
        let mut last = view.last_execution.unwrap();
        last.ending = Some(Ending::OutOfMemory { limit: Some(1 << 20) });
        last.cause = Some("It needed more memory".to_owned());
        let said = last_execution(&last, now);
        assert_eq!(said, "failed (out of memory) 1 min ago: It needed more memory");
    }

    #[test]
    fn a_schedule_that_is_off_has_no_next_run() {
        let (_, now) = view();
        let schedule = json!({
            "id": "01990000-0000-7000-8000-000000000000", "app": "weather", "name": "daily", "enabled": false,
            "spec": {"timing": {"kind": "cron", "expression": "@daily"}, "timezone": "UTC"},
            "words": "At 00:00 every day, UTC", "next": ["2026-01-02T00:00:00Z"]
        });
        let mut schedule: ScheduleView = serde_json::from_value(schedule).unwrap();
        assert!(schedules(&[schedule.clone()], now).ends_with("off  At 00:00 every day, UTC"));
        schedule.enabled = true;
        assert!(schedules(&[schedule], now).ends_with("UTC  in 23 h 58 min"));
    }

    #[test]
    fn an_app_is_a_list_of_facts() {
        let (view, now) = view();
        let expected = "\
Name          weather
Tags          home
Type          scheduled
State         enabled
Release       1
Source        weather.py
Last run      failed (exit 3) 1 min ago
Next run      2026-01-01T08:30:00Z, in 8 h 28 min
Possible now  run, disable";
        assert_eq!(app(&view, &[], now), expected);
    }
}
