//! How an app stood before something was taken into use, and how it comes to stand so again.
//!
//! What a saga switches under a running app is stopped, switched and started; the state of the app stays what it was
//! all the while, because nobody stopped it. Runs of a scheduled app are left alone: they go on with what they began
//! with, and the next run begins with what is active then.

use std::time::Duration;

use mantyx_api_types::{AppView, LiveMessage};
use mantyx_core::{
    AppEvent, AppId, AppName, AppState, AppType, Code, Error, Exit, Health, HealthCheck, InstanceId,
    RestartHistory, Result, Timestamp, Trigger,
};
use mantyx_registry::tables::{apps, config_revisions, instances};
use mantyx_registry::{Change, Read, views};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use crate::actions::stopped_by;
use crate::saga::Task;

/// How long an app that nothing looks at has to be alive to count as well.
const ALIVE: Duration = Duration::from_secs(5);

/// What a look takes to be reported.
const REPORT: Duration = Duration::from_secs(2);

/// An app as it stood before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) app: AppId,
    pub(crate) name: AppName,
    pub(crate) instance: InstanceId,
    pub(crate) state: AppState,
    r#type: AppType,
    /// Why it had failed, and when it was to be tried again, when it had and was.
    reason: Option<String>,
    due: Option<Timestamp>,
    /// How often it had been given up before that: the more often, the longer it waits.
    give_ups: i32,
    /// What is being done to it, which every process that is stopped for it says of its end.
    event: AppEvent,
}

impl Standing {
    pub(crate) fn of(db: &mut Read<'_>, app: &apps::App, event: AppEvent) -> Result<Self> {
        let instance = instances::of_app(db, app.id.0)?;
        Ok(Self {
            app: app.id.0,
            name: app.name.0.clone(),
            instance: instance.id.0,
            state: instance.state.0,
            r#type: app.app_type.0,
            reason: instance.reason,
            due: instance.restarts_at.filter(|_| instance.state.0 == AppState::Failed),
            give_ups: instance.give_ups,
            event,
        })
    }

    /// Why it had failed.
    pub(crate) fn reason(&self) -> Option<String> {
        self.reason.clone()
    }

    /// What is being done to it.
    pub(crate) fn event(&self) -> AppEvent {
        self.event
    }

    /// Whether a service of it was to be kept running, or to be tried again by itself.
    fn ran(&self) -> bool {
        self.r#type == AppType::Perpetual && (self.state == AppState::Running || self.due.is_some())
    }

    /// Ends the service. It is started again by the saga and by nobody else.
    pub(crate) async fn stop(&self, task: &Task) -> Result<()> {
        if !self.ran() {
            return Ok(());
        }
        let _stopping = task.inner().stops.begin(self.instance, task.actor.clone());
        task.stop_processes(self.instance, stopped_by(&task.actor, self.event)).await
    }

    /// Starts the service from what is active now. One that had failed has its next try now. What an earlier daemon had
    /// started and lost is started as if for the first time.
    pub(crate) async fn start(&self, task: &Task) -> Result<()> {
        if !self.ran() {
            return Ok(());
        }
        let (app, alive) = (self.app, self.is_alive(task));
        let up = move |change: &mut Change<'_, '_>| {
            let row = instances::of_app(change, app)?;
            match row.state.0 {
                AppState::Running if alive => Ok(()),
                AppState::Running => {
                    let changes = instances::Changes {
                        restarts: Some(0),
                        restarts_at: Some(None),
                        ..Default::default()
                    };
                    instances::update(change, row.id.0, &changes)
                }
                _ => change.apply(app, AppEvent::Start, None).map(drop),
            }
        };
        task.registry().change(&task.actor, up).await?;
        let history = RestartHistory::default();
        task.spawn_service(self.app, self.instance, Trigger::Update, history).await
    }

    /// Whether a process of its service is there.
    fn is_alive(&self, task: &Task) -> bool {
        task.inner().supervisor.status(self.instance).is_some_and(|status| status.pid.is_some())
    }

    /// Ends whatever runs, and lets run what ran before. That it does not start is no reason to go on trying: it did not
    /// start before either, and the rule of the app says what becomes of that.
    pub(crate) async fn go_back(&self, task: &Task) -> Result<()> {
        if !self.ran() {
            return Ok(());
        }
        self.stop(task).await?;
        if let Some(due) = self.due {
            return self.fail_again(task, due).await;
        }
        if let Err(error) = self.start(task).await {
            tracing::error!(?error, app = %self.name, "what ran before could not be started again");
        }
        Ok(())
    }

    /// It had failed before, and is tried again when it was to be.
    async fn fail_again(&self, task: &Task, due: Timestamp) -> Result<()> {
        let it = self.clone();
        let fail = move |change: &mut Change<'_, '_>| {
            if instances::of_app(change, it.app)?.state.0 == AppState::Running {
                change.apply(it.app, AppEvent::Crashed, it.reason)?;
            }
            let changes = instances::Changes {
                restarts_at: Some(Some(due)),
                give_ups: Some(it.give_ups),
                ..Default::default()
            };
            change.touch_app(it.app);
            instances::update(change, it.instance, &changes)
        };
        task.registry().change(&task.actor, fail).await?;
        let history = RestartHistory::default().given_up(u32::try_from(self.give_ups).unwrap_or_default());
        task.inner().supervisor.retry_at(self.instance, due, history).await
    }

    /// Why it had failed is so again, where it had: a change that did not come about says nothing about that.
    pub(crate) fn excuse(&self, change: &mut Change<'_, '_>) -> Result<()> {
        if self.state != AppState::Failed {
            return Ok(());
        }
        let changes = instances::Changes {
            reason: Some(self.reason.clone()),
            give_ups: Some(self.give_ups),
            ..Default::default()
        };
        change.touch_app(self.app);
        instances::update(change, self.instance, &changes)
    }

    /// Waits until the service is well, by what its configuration asks to be looked at, or until that is called off.
    pub(crate) async fn watch(&self, task: &Task) -> Result<String> {
        if !self.ran() {
            return Ok("It was not running".to_owned());
        }
        // Listening comes before the first look, so that a change between the two is not missed.
        let mut live = task.subscribe();
        let check = self.check(task).await?;
        let patience = Duration::from_secs(u64::from(check.start_period)).max(ALIVE) + REPORT;
        let began = Instant::now();
        let mut seen = self.look(task).await?;
        loop {
            match judge(&seen, began) {
                Verdict::Well(said) => return Ok(said),
                Verdict::Ill(why) => return Err(why),
                Verdict::Wait(until) => {
                    let deadline = until.min(began + patience);
                    let change = task.wait_for(timeout_at(deadline, self.change_of(&mut live))).await?;
                    if change.is_err() && Instant::now() >= began + patience {
                        return Err(too_late(&seen.app, patience));
                    }
                }
            }
            seen = self.look(task).await?;
        }
    }

    async fn check(&self, task: &Task) -> Result<HealthCheck> {
        let instance = self.instance;
        let read = move |db: &mut Read<'_>| {
            let row = instances::find(db, instance)?.ok_or_else(|| Error::not_found("instance", instance))?;
            Ok(config_revisions::get(db, row.revision_id.0)?.configuration.0.health)
        };
        task.registry().read(read).await
    }

    async fn look(&self, task: &Task) -> Result<Seen> {
        let app = self.app;
        let read = move |db: &mut Read<'_>| {
            let row = views::find_app(db, app)?;
            views::app(db, &row)
        };
        Ok(Seen { app: task.registry().read(read).await?, alive: self.is_alive(task) })
    }

    /// Waits until something is told of the app.
    async fn change_of(&self, live: &mut broadcast::Receiver<LiveMessage>) {
        loop {
            match live.recv().await {
                Ok(LiveMessage::App { app }) if app.id == self.app => return,
                // What was missed may have been about it.
                Err(RecvError::Lagged(_)) => return,
                // Nobody will tell any more.
                Err(RecvError::Closed) => std::future::pending().await,
                Ok(_) => {}
            }
        }
    }
}

/// How an app is.
struct Seen {
    app: AppView,
    /// Whether a process of its service is there, whatever its state promises.
    alive: bool,
}

/// What is to be made of that.
enum Verdict {
    Well(String),
    Ill(Error),
    Wait(Instant),
}

fn judge(Seen { app: seen, alive }: &Seen, began: Instant) -> Verdict {
    let quiet = began + ALIVE;
    match (seen.state, seen.health) {
        (AppState::Running, Health::Healthy) => Verdict::Well("It is healthy".to_owned()),
        (AppState::Running, Health::Unknown) if seen.restarts > 0 || seen.restarts_at.is_some() => {
            Verdict::Ill(ended(seen))
        }
        (AppState::Running, Health::Unknown) if Instant::now() < quiet => Verdict::Wait(quiet),
        (AppState::Running, Health::Unknown) if *alive => {
            Verdict::Well(format!("It has been alive for {} s", ALIVE.as_secs()))
        }
        // The end of the start period is awaited by whoever asks.
        (AppState::Running, _) => Verdict::Wait(began + Duration::from_secs(86_400)),
        // It has done what it is there for.
        (AppState::Stopped, _) => Verdict::Well("It has ended well".to_owned()),
        _ => Verdict::Ill(ended(seen)),
    }
}

fn ended(seen: &AppView) -> Error {
    let last = seen.last_execution.as_ref();
    let exit = || {
        Some(match last?.exit? {
            Exit::Code(code) => format!("It exited with code {code}"),
            Exit::Signal(number) => format!("It was ended by signal {number}"),
        })
    };
    let why = seen.reason.clone().or_else(|| last?.cause.clone()).or_else(exit);
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Error::new(Code::Unhealthy, format!("`{}` did not stay alive{why}", seen.name))
        .hint("The log of its last execution says more; mend the source or the configuration and try again")
}

fn too_late(seen: &AppView, patience: Duration) -> Error {
    let why = seen.health_detail.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let seconds = patience.saturating_sub(REPORT).as_secs();
    Error::new(Code::Unhealthy, format!("`{}` was not healthy within {seconds} s{why}", seen.name)).hint(
        "The log of its last execution says more; give it a longer `start_period` if it only needs more time",
    )
}

/// Whether a process was stopped to be started from something else: that is for the operation to do.
pub(crate) fn is_for_a_switch(ending: &mantyx_core::Ending) -> bool {
    const SWITCHES: [AppEvent; 4] =
        [AppEvent::Update, AppEvent::Rollback, AppEvent::Configure, AppEvent::Rename];
    SWITCHES.into_iter().any(|event| crate::actions::is_for(ending, event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn seen(alive: bool, more: &Value) -> Seen {
        let mut app = json!({
            "id": AppId::generate(), "name": "clock", "display_name": "", "description": "", "tags": [],
            "type": "perpetual", "state": "running", "reason": null, "health": "unknown", "health_detail": null,
            "status_text": null, "warnings": [], "legal_events": [], "operation": null, "pid": null,
            "execution": null, "started_at": null, "restarts_at": null, "restarts": 0, "release": 1,
            "origin": { "kind": "script", "file": "clock.py" }, "last_execution": null, "next_run": null,
            "web_port": null, "web_url": null, "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z"
        });
        app.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Seen { app: serde_json::from_value(app).unwrap(), alive }
    }

    #[test]
    fn what_nothing_looks_at_is_well_once_it_has_been_alive_for_a_while() {
        let (now, nothing) = (Instant::now(), json!({}));
        let before = now.checked_sub(ALIVE).unwrap();
        assert!(matches!(judge(&seen(true, &nothing), now), Verdict::Wait(_)));
        assert!(matches!(judge(&seen(true, &nothing), before), Verdict::Well(_)));
        assert!(matches!(judge(&seen(false, &nothing), before), Verdict::Wait(_)), "nobody is there");
        assert!(matches!(judge(&seen(true, &json!({ "restarts": 1 })), before), Verdict::Ill(_)));
    }
}
