//! One change: a transaction, who causes it, and what it touched.

use std::ops::{Deref, DerefMut};

use chrono::Utc;
use mantyx_api_types::LiveMessage;
use mantyx_core::{
    Actor, AppEvent, AppId, AppState, EventKind, ExecutionId, Next, OperationId, Result, Subject, Timestamp,
    transition,
};
use mantyx_store::tables::{apps, events, executions, instances, operations};
use mantyx_store::{Read, Word, Write};
use serde_json::{Value, json};

use crate::lifecycle::{instance_and_facts, refuse};
use crate::views;

/// A transaction that knows who causes it and remembers what it touched.
pub struct Change<'a, 'b> {
    tx: &'a mut Write<'b>,
    actor: &'a Actor,
    now: Timestamp,
    changed: Vec<Changed>,
}

/// Something that listeners are told about once the transaction is committed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Changed {
    App(AppId),
    Execution(ExecutionId),
    Operation(OperationId),
    Event(Box<mantyx_api_types::EventView>),
}

impl<'a, 'b> Change<'a, 'b> {
    pub(crate) fn new(tx: &'a mut Write<'b>, actor: &'a Actor) -> Self {
        Self { tx, actor, now: Utc::now(), changed: Vec::new() }
    }

    pub(crate) fn into_changed(self) -> Vec<Changed> {
        self.changed
    }

    /// The moment of the change: the same for everything in it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Who causes it.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        self.actor
    }

    /// The app is announced again as it is after the change.
    pub fn touch_app(&mut self, id: AppId) {
        self.touch(Changed::App(id));
    }

    /// The execution, and the app that it belongs to, are announced again.
    pub fn touch_execution(&mut self, id: ExecutionId) {
        self.touch(Changed::Execution(id));
    }

    /// The operation is announced again.
    pub fn touch_operation(&mut self, id: OperationId) {
        self.touch(Changed::Operation(id));
    }

    fn touch(&mut self, changed: Changed) {
        if !self.changed.contains(&changed) {
            self.changed.push(changed);
        }
    }

    /// Appends to the record of everything that changed.
    pub fn record(&mut self, kind: EventKind, subject: &Subject, payload: Value) -> Result<()> {
        let event = events::append(self.tx, self.now, self.actor, subject, kind, payload)?;
        self.changed.push(Changed::Event(Box::new(views::event(event))));
        Ok(())
    }

    /// Appends to the record, about an app, and announces the app.
    pub fn record_app(&mut self, kind: EventKind, app: &apps::App, payload: Value) -> Result<()> {
        self.touch_app(app.id.0);
        self.record(kind, &views::app_subject(app), payload)
    }

    /// Applies an event to an app: the only place that writes a state.
    ///
    /// `reason` says why, when the state alone does not; it stays until the next event. What the table wants done
    /// is returned for the layer above to do.
    pub fn apply(&mut self, id: AppId, event: AppEvent, reason: Option<String>) -> Result<Next> {
        let app = views::find_app(self, id)?;
        let (instance, facts) = instance_and_facts(self, &app)?;
        let from = instance.state.0;
        let next = transition(from, event, facts).map_err(|illegal| refuse(&app.name.0, illegal))?;
        if let Some(state) = next.state {
            self.store_state(&instance, event, state, reason.clone())?;
        }
        if worth_recording(event, from, next.state) {
            let payload = json!({ "event": event, "from": from, "to": next.state, "reason": reason });
            self.record_app(EventKind::AppChanged, &app, payload)?;
        }
        self.touch_app(id);
        Ok(next)
    }

    fn store_state(
        &mut self,
        instance: &instances::Instance,
        event: AppEvent,
        state: AppState,
        reason: Option<String>,
    ) -> Result<()> {
        let quiet = state != AppState::Running;
        let changes = instances::Changes {
            state: Some(Word(state)),
            reason: Some(reason),
            ever_enabled: (event == AppEvent::Enable).then_some(true),
            restarts_at: quiet.then_some(None),
            restarts: matches!(event, AppEvent::Start | AppEvent::Restart | AppEvent::Stop).then_some(0),
            ..Default::default()
        };
        instances::update(self, instance.id.0, &changes)
    }
}

/// A scheduled app goes through `run` and `finished` all day: its executions say that already.
fn worth_recording(event: AppEvent, from: AppState, to: Option<AppState>) -> bool {
    match event {
        AppEvent::Run | AppEvent::Finished | AppEvent::Configure | AppEvent::Rename => false,
        AppEvent::Boot => Some(from) != to,
        _ => true,
    }
}

impl<'b> Deref for Change<'_, 'b> {
    type Target = Write<'b>;

    fn deref(&self) -> &Self::Target {
        self.tx
    }
}

impl DerefMut for Change<'_, '_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.tx
    }
}

/// Reads back what changed, as listeners are told.
pub(crate) fn announcements(db: &mut Read<'_>, changed: Vec<Changed>) -> Result<Vec<LiveMessage>> {
    let mut messages = Vec::with_capacity(changed.len());
    for changed in changed {
        messages.extend(announce(db, changed)?);
    }
    Ok(messages)
}

fn announce(db: &mut Read<'_>, changed: Changed) -> Result<Option<LiveMessage>> {
    Ok(match changed {
        Changed::App(id) => Some(match apps::find(db, id)? {
            Some(app) if app.deleted_at.is_none() => {
                LiveMessage::App { app: Box::new(views::app(db, &app)?) }
            }
            _ => LiveMessage::AppGone { id },
        }),
        Changed::Execution(id) => executions::find(db, id)?
            .map(|row| LiveMessage::Execution { execution: Box::new(views::execution(row)) }),
        Changed::Operation(id) => match operations::find(db, id)? {
            Some(row) => Some(LiveMessage::Operation { operation: Box::new(views::operation(db, row)?) }),
            None => None,
        },
        Changed::Event(event) => Some(LiveMessage::Event { event }),
    })
}
