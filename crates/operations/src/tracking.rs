//! Following the git origin of an app: looking whether it has moved on, by schedule, when a webhook says so or when
//! somebody asks, and saying so or taking it into use.
//!
//! [`look`] is one look with what comes of it, by the table of [`decide`]; [`watch`] sleeps until the next one.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use mantyx_api_types::{
    HookCreated, HookView, Problem, TokenView, TrackingOutcome, TrackingRequest, TrackingView, UpdateCheck,
};
use mantyx_core::{
    Actor, AppId, AppName, Code, Error, EventKind, Result, Scope, Timestamp, TokenId, TrackingMode,
};
use mantyx_ingest::host_of;
use mantyx_registry::tables::principals::{self, PrincipalKind};
use mantyx_registry::tables::trackings::{self, Tracking};
use mantyx_registry::tables::{apps, config_revisions, instances};
use mantyx_registry::{Change, Json, Read, Word, views};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch as bell;

use crate::access::{digest, secret};
use crate::locks::AppLocks;
use crate::mantyx::{Caller, Mantyx};

mod decide;
mod followed;
mod look;
mod watch;

pub(crate) use followed::Followed;
pub(crate) use look::active_origin;

/// What the task that follows shares with everybody else.
#[derive(Default)]
pub(crate) struct Following {
    /// Looks at the same app come one after the other.
    turns: AppLocks,
    /// Those that a look is to come at, because a webhook was called.
    queued: Mutex<HashSet<AppId>>,
    changed: bell::Sender<()>,
}

impl Following {
    /// Something is to be looked at otherwise than before.
    pub(crate) fn ring(&self) {
        self.changed.send_replace(());
    }

    /// Says whether a look has to be begun: not where one is to come already.
    fn queue(&self, app: AppId) -> bool {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner).insert(app)
    }

    /// The look begins: a push from here on is for another one.
    fn begins(&self, app: AppId) {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner).remove(&app);
    }

    fn listen(&self) -> bell::Receiver<()> {
        self.changed.subscribe()
    }
}

impl Mantyx {
    /// How the git origin of an app is followed, and what came of it.
    pub async fn tracking(&self, name: &AppName) -> Result<TrackingView> {
        let (mantyx, name) = (self.clone(), name.clone());
        self.registry()
            .read(move |db| {
                let app = views::find_app_by_name(db, &name)?;
                mantyx.tracking_view(db, &app)
            })
            .await
    }

    /// Follows the git origin of an app in this way. What is done on that account may do what the caller may.
    pub async fn set_tracking(
        &self,
        caller: &Caller,
        name: &AppName,
        request: TrackingRequest,
    ) -> Result<TrackingView> {
        self.refuse_no_schedule(request.schedule.as_deref())?;
        if request.reference.as_deref().is_some_and(|reference| reference.trim().is_empty()) {
            return Err(
                Error::field("ref", "It is empty").hint("Leave it out for that of the active release")
            );
        }
        let (mantyx, caller, name) = (self.clone(), caller.clone(), name.clone());
        let actor = caller.actor();
        let set = move |change: &mut Change<'_, '_>| {
            let app = views::find_app_by_name(change, &name)?;
            let followed = may_follow(change, &caller, &app, &request)?;
            set(change, &app, &caller.token, followed, request)?;
            mantyx.tracking_view(change, &app)
        };
        let view = self.registry().change(&actor, set).await?;
        self.inner().following.ring();
        Ok(view)
    }

    /// Follows the git origin of an app no more.
    pub async fn remove_tracking(&self, actor: &Actor, name: &AppName) -> Result<()> {
        let name = name.clone();
        let remove = move |change: &mut Change<'_, '_>| {
            let app = views::find_app_by_name(change, &name)?;
            tracking_of(change, app.id.0, &name)?;
            trackings::delete(change, app.id.0)?;
            change.record_app(EventKind::AppTrackingChanged, &app, json!({ "tracking": null }))
        };
        self.registry().change(actor, remove).await?;
        self.inner().following.ring();
        Ok(())
    }

    /// Looks now, and does what the mode says.
    pub async fn check_tracking(&self, actor: &Actor, name: &AppName) -> Result<TrackingOutcome> {
        let app = self.find(name).await?.id.0;
        self.look(actor, app).await
    }

    /// Makes the webhook of an app, or gives it another secret, which is shown this once.
    pub async fn make_hook(&self, actor: &Actor, name: &AppName) -> Result<HookCreated> {
        let secret = secret("hook")?;
        let (name, hash) = (name.clone(), digest(&secret));
        let make = move |change: &mut Change<'_, '_>| hook(change, &name, Some(hash));
        self.registry().change(actor, make).await?;
        Ok(HookCreated { path: format!("/api/hooks/{secret}"), secret })
    }

    /// Removes the webhook of an app.
    pub async fn remove_hook(&self, actor: &Actor, name: &AppName) -> Result<()> {
        let name = name.clone();
        self.registry().change(actor, move |change| hook(change, &name, None)).await
    }

    /// The first instant of a cron line after another; none of a line that is none.
    fn next_look(&self, line: &str, after: Timestamp) -> Option<Timestamp> {
        mantyx_scheduler::parse(&self.daily_spec(line)).ok()?.next_after(after)
    }

    fn refuse_no_schedule(&self, line: Option<&str>) -> Result<()> {
        let Some(line) = line else { return Ok(()) };
        let parsed = mantyx_scheduler::parse(&self.daily_spec(line)).map(drop);
        parsed.map_err(|error| {
            let detail = error.detail().to_owned();
            Error::new(error.code(), &detail)
                .with_field("schedule", detail)
                .hint(error.hint_text().unwrap_or("Write five fields as in crontab(5): `0 4 * * *`"))
        })
    }

    fn tracking_view(&self, db: &mut Read<'_>, app: &apps::App) -> Result<TrackingView> {
        let (id, name) = (app.id.0, app.name.0.clone());
        let row = trackings::find(db, id)?;
        let instead = row.as_ref().and_then(|row| row.reference.clone());
        let followed = Followed::of(&name, active_origin(db, id)?, instead.clone())?;
        let held_back = match &row {
            Some(row) => held_back(db, row, &followed)?,
            None => None,
        };
        let mut view = TrackingView {
            app: name,
            url: followed.url,
            reference: followed.reference,
            r#override: instead,
            subdir: followed.subdir,
            credential: followed.credential,
            active: followed.commit,
            mode: TrackingMode::Off,
            schedule: None,
            words: None,
            timezone: self.timezone(),
            next_check: None,
            hook: None,
            last_check: None,
            checked_at: None,
            problem: None,
            held_back,
            waiting: false,
            set_at: None,
            set_by: None,
        };
        if let Some(row) = row {
            self.fill(&mut view, row);
        }
        Ok(view)
    }

    fn fill(&self, view: &mut TrackingView, row: Tracking) {
        let schedule =
            row.cron.as_deref().and_then(|line| mantyx_scheduler::parse(&self.daily_spec(line)).ok());
        let is_on = row.mode.0 != TrackingMode::Off;
        view.words = schedule.as_ref().map(mantyx_scheduler::Schedule::words);
        view.next_check = schedule.filter(|_| is_on).and_then(|it| it.next_after(chrono::Utc::now()));
        view.mode = row.mode.0;
        view.schedule = row.cron;
        view.hook = row.hook_made_at.map(|made_at| HookView { made_at });
        view.last_check = read_back(row.found);
        view.checked_at = row.checked_at;
        view.problem = read_back::<Problem>(row.problem);
        view.waiting = row.waiting;
        view.set_at = Some(row.set_at);
        view.set_by = Some(row.set_by);
    }
}

/// The tracking of an app that has one.
pub(crate) fn tracking_of(db: &mut Read<'_>, app: AppId, name: &AppName) -> Result<Tracking> {
    trackings::find(db, app)?.ok_or_else(|| {
        Error::new(Code::IllegalState, format!("`{name}` is not followed"))
            .hint("Say how with `PUT /api/apps/{app}/tracking` first")
    })
}

/// Refuses what the caller may not have done on account of a tracking, as if it were done now.
fn may_follow(
    db: &mut Read<'_>,
    caller: &Caller,
    app: &apps::App,
    request: &TrackingRequest,
) -> Result<Followed> {
    let followed = Followed::of(&app.name.0, active_origin(db, app.id.0)?, request.reference.clone())?;
    if request.mode == TrackingMode::Off {
        return Ok(followed);
    }
    if host_of(&followed.url)?.is_none() {
        // It is read with the rights of Mantyx itself.
        caller.require(Scope::Admin)?;
    }
    if request.mode == TrackingMode::Apply {
        let revision = instances::of_app(db, app.id.0)?.revision_id.0;
        caller.require_for(&config_revisions::get(db, revision)?.configuration.0, None)?;
    }
    Ok(followed)
}

/// Adds the tracking, or changes the one that is there: the webhook and what was found stay.
fn set(
    change: &mut Change<'_, '_>,
    app: &apps::App,
    setter: &TokenView,
    followed: Followed,
    request: TrackingRequest,
) -> Result<()> {
    let TrackingRequest { mode, schedule: cron, reference } = request;
    let payload = json!({ "tracking": { "mode": mode, "schedule": cron, "ref": reference } });
    let (set_at, set_by) = (change.now(), change.actor().to_string());
    let (scope, token_id) = (setter.scope, token_of(change, setter)?.map(Word));
    if trackings::find(change, app.id.0)?.is_some() {
        let changes = trackings::Changes {
            mode: Some(Word(mode)),
            cron: Some(cron),
            reference: Some(reference),
            scope: Some(Word(scope)),
            token_id: Some(token_id),
            of_url: Some(followed.url),
            of_reference: Some(followed.reference),
            set_at: Some(set_at),
            set_by: Some(set_by),
            problem: Some(None),
            waiting: Some(false),
            ..Default::default()
        };
        trackings::update(change, app.id.0, &changes)?;
    } else {
        let row = Tracking {
            app_id: app.id,
            mode: Word(mode),
            cron,
            reference,
            scope: Word(scope),
            token_id,
            of_url: followed.url,
            of_reference: followed.reference,
            set_at,
            set_by,
            hook_hash: None,
            hook_made_at: None,
            checked_at: None,
            found: None,
            problem: None,
            told: None,
            tried: None,
            waiting: false,
        };
        trackings::insert(change, &row)?;
    }
    change.record_app(EventKind::AppTrackingChanged, app, payload)
}

/// The token that somebody made for this caller. The sessions of a browser come and go, and are all the owner's.
fn token_of(db: &mut Read<'_>, setter: &TokenView) -> Result<Option<TokenId>> {
    let found = principals::find(db, setter.id)?.filter(|found| found.kind.0 == PrincipalKind::Token);
    Ok(found.map(|found| found.id.0))
}

/// Gives a tracking a webhook with a secret of this hash, or none.
fn hook(change: &mut Change<'_, '_>, name: &AppName, hash: Option<String>) -> Result<()> {
    let app = views::find_app_by_name(change, name)?;
    let row = tracking_of(change, app.id.0, name)?;
    if hash.is_none() && row.hook_hash.is_none() {
        return Err(Error::not_found("webhook of", name));
    }
    let payload = json!({ "hook": if hash.is_some() { "made" } else { "removed" } });
    let made_at = hash.as_ref().map(|_| change.now());
    let changes =
        trackings::Changes { hook_hash: Some(hash), hook_made_at: Some(made_at), ..Default::default() };
    trackings::update(change, app.id.0, &changes)?;
    change.record_app(EventKind::AppTrackingChanged, &app, payload)
}

/// The commit that is left alone, where the mode would have it taken into use.
fn held_back(db: &mut Read<'_>, row: &Tracking, followed: &Followed) -> Result<Option<String>> {
    let Some(found) = read_back::<UpdateCheck>(row.found.clone()) else { return Ok(None) };
    let known = decide::Known {
        mode: row.mode.0,
        active: &followed.commit,
        told: None,
        tried: row.tried.as_deref(),
        kept: look::kept(db, row.app_id.0, &found)?,
    };
    let is_held = decide::decide(known, &found.head) == decide::Verdict::HeldBack;
    Ok(is_held.then_some(found.head))
}

/// As the API says it, for the database.
fn value(document: &impl Serialize) -> Result<Value> {
    serde_json::to_value(document).map_err(|error| Error::internal("keep what was found", error))
}

/// What another version wrote otherwise is as good as nothing: the next look writes it anew.
pub(crate) fn read_back<T: DeserializeOwned>(document: Option<Json<Value>>) -> Option<T> {
    document.and_then(|document| serde_json::from_value(document.0).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_that_come_before_a_look_begins_are_one() {
        let (following, app) = (Following::default(), AppId::generate());
        let queued: Vec<bool> = (0..50).map(|_| following.queue(app)).collect();
        assert_eq!(queued.iter().filter(|first| **first).count(), 1);
        assert!(following.queue(AppId::generate()), "another app has its own");
        following.begins(app);
        assert!(following.queue(app), "what is pushed during a look is looked at after it");
    }
}
