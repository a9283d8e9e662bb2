//! Following a git repository: how, by which webhook, and looking now.

use chrono::Utc;
use mantyx_api_types::{HookCreated, OperationView, TrackingOutcome, TrackingRequest, TrackingView};
use mantyx_core::{AppName, TrackingMode};
use reqwest::Method;

use super::{Session, operation, releases};
use crate::arguments::{HookArgs, HookCommand, TrackArgs};
use crate::failure::Result;
use crate::output::{Output, aside};
use crate::tables;

pub(super) async fn track(what: TrackArgs, session: Session) -> Result<()> {
    let address = format!("/api/apps/{}/tracking", what.app);
    if what.off {
        return off(&session, &address, &what.app).await;
    }
    if what.check {
        return check(&session, &address, &what.app).await;
    }
    let mut view: TrackingView = session.client.get(&address, &[]).await?;
    if let Some(wanted) = wanted(&what, &view) {
        view = session
            .client
            .read(&address, session.client.request(Method::PUT, &address).json(&wanted))
            .await?;
        if let Some(remark) = remark(&view) {
            aside(&remark)?;
        }
    }
    session.output.show(&view, |view| tables::tracking(view, Utc::now()))
}

/// What was typed, over what is set already: all of it is replaced. Whoever says only when to look at what nobody
/// follows wants to be told.
fn wanted(what: &TrackArgs, view: &TrackingView) -> Option<TrackingRequest> {
    if what.mode.is_none() && what.schedule.is_none() && what.reference.is_none() {
        return None;
    }
    let of_old = if view.set_at.is_some() { view.mode } else { TrackingMode::Notify };
    Some(TrackingRequest {
        mode: what.mode.map_or(of_old, Into::into),
        schedule: or_old(what.schedule.as_ref(), view.schedule.as_ref()),
        reference: or_old(what.reference.as_ref(), view.r#override.as_ref()),
    })
}

/// An empty text takes away what is there.
fn or_old(typed: Option<&String>, old: Option<&String>) -> Option<String> {
    typed.or(old).filter(|text| !text.is_empty()).cloned()
}

/// That nothing will ever come of it.
fn remark(view: &TrackingView) -> Option<String> {
    let nobody_looks = view.mode != TrackingMode::Off && view.schedule.is_none() && view.hook.is_none();
    let app = &view.app;
    nobody_looks.then(|| {
        format!(
            "Nobody looks by themselves: give it a --schedule, or a webhook with `mantyx hook create {app}`"
        )
    })
}

async fn off(session: &Session, address: &str, app: &AppName) -> Result<()> {
    session.client.send(session.client.request(Method::DELETE, address)).await?;
    aside(&format!("`{app}` is not followed any more"))
}

/// Says what came of it before the update that may come of it is seen through.
async fn check(session: &Session, address: &str, app: &AppName) -> Result<()> {
    let outcome: TrackingOutcome = session.client.ask(&format!("{address}/check"), &[]).await?;
    session.output.show(&outcome, |outcome| outcome.detail.clone())?;
    let Some(id) = outcome.operation else { return Ok(()) };
    let begun: OperationView = session.client.get(&format!("/api/operations/{id}"), &[]).await?;
    operation::follow(&session.client, begun).await?;
    match session.output {
        Output::People => {
            let release = releases::active(session, app).await?;
            aside(&format!("`{app}` is at release {release}; `mantyx rollback {app}` goes back"))
        }
        Output::Programs => Ok(()),
    }
}

pub(super) async fn hook(what: HookArgs, session: Session) -> Result<()> {
    let address = |app: &AppName| format!("/api/apps/{app}/tracking/hook");
    match what.command {
        HookCommand::Create { app } => {
            let hook: HookCreated = session.client.ask(&address(&app), &[]).await?;
            aside("This is the only time that both are shown. The event is a push, the content type JSON:")?;
            session.output.show(&hook, |hook| tables::hook(hook, session.client.base()))
        }
        HookCommand::Rm { app } => {
            session.client.send(session.client.request(Method::DELETE, &address(&app))).await?;
            aside(&format!("The webhook of `{app}` is gone"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{ClientCommand, Invocation};
    use clap::Parser;
    use serde_json::{Value, json};

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        invocation: Invocation,
    }

    fn view(set_at: Option<&str>) -> TrackingView {
        serde_json::from_value(json!({
            "app": "weather", "url": "https://x/y", "ref": "v1", "override": "v1", "subdir": null,
            "credential": null, "active": "0123", "mode": "off", "schedule": "0 4 * * *", "words": null,
            "timezone": "UTC", "next_check": null, "hook": null, "last_check": null, "checked_at": null,
            "problem": null, "held_back": null, "waiting": false, "set_at": set_at, "set_by": null
        }))
        .unwrap()
    }

    fn request(arguments: &[&str], set_at: Option<&str>) -> Value {
        let line = ["mantyx", "track", "weather"].iter().chain(arguments);
        let ClientCommand::Track(what) = Program::try_parse_from(line).unwrap().invocation.command else {
            unreachable!()
        };
        json!(wanted(&what, &view(set_at)))
    }

    #[test]
    fn what_is_not_said_stays_as_it_is() {
        let set = Some("2026-01-01T00:00:00Z");
        assert_eq!(request(&[], set), Value::Null);
        let expected = json!({"mode": "apply", "schedule": "0 4 * * *", "ref": "v1"});
        assert_eq!(request(&["--mode", "apply"], set), expected);
        let expected = json!({"mode": "off", "schedule": "@daily"});
        assert_eq!(request(&["--schedule", "@daily", "--ref", ""], set), expected);
    }

    #[test]
    fn a_schedule_of_what_nobody_followed_is_there_to_be_told() {
        let expected = json!({"mode": "notify", "schedule": "@daily", "ref": "v1"});
        assert_eq!(request(&["--schedule", "@daily"], None), expected);
    }

    #[test]
    fn what_nobody_will_ever_look_at_is_said() {
        let mut view = view(None);
        assert_eq!(remark(&view), None);
        view.mode = TrackingMode::Apply;
        assert_eq!(remark(&view), None);
        view.schedule = None;
        assert!(remark(&view).unwrap().contains("mantyx hook create weather"));
    }
}
