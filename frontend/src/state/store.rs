//! What the daemon last said about apps, operations, executions and the machine. The socket feeds it; each app has
//! a signal of its own, so that a change to one redraws one row.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use leptos::prelude::*;
use mantyx_api_types::core::{AppEvent, AppId, EventKind, OperationId, OperationKind, OperationStatus};
use mantyx_api_types::{AppView, EventView, ExecutionView, HostView, LiveMessage, OperationView};

use super::Usage;

/// How many executions of an app are kept for its screen.
const RUNS_KEPT: usize = 200;

/// How many operations that have ended are kept.
const OPERATIONS_KEPT: usize = 50;

/// How many events are kept of those that were told.
const EVENTS_KEPT: usize = 200;

/// What the daemon last said.
#[derive(Clone, Copy)]
pub(crate) struct Store {
    /// Every app; `None` until the daemon has said anything.
    apps: RwSignal<Option<BTreeMap<AppId, ArcRwSignal<AppView>>>>,
    operations: RwSignal<BTreeMap<OperationId, OperationView>>,
    /// By the name of the app, newest first; only of apps whose executions were asked for.
    runs: RwSignal<HashMap<String, Vec<ExecutionView>>>,
    host: RwSignal<Option<HostView>>,
    usage: Usage,
    version: RwSignal<String>,
    /// Requests that are on their way.
    pending: RwSignal<HashSet<(String, AppEvent)>>,
    /// The operation that ended last.
    ended: RwSignal<Option<OperationView>>,
    /// What was recorded since the page was opened, the newest first.
    events: RwSignal<VecDeque<EventView>>,
}

impl Store {
    /// Nothing was said yet.
    pub(crate) fn empty() -> Self {
        Self {
            apps: RwSignal::new(None),
            operations: RwSignal::new(BTreeMap::new()),
            runs: RwSignal::new(HashMap::new()),
            host: RwSignal::new(None),
            usage: Usage::none(),
            version: RwSignal::new(String::new()),
            pending: RwSignal::new(HashSet::new()),
            ended: RwSignal::new(None),
            events: RwSignal::new(VecDeque::new()),
        }
    }

    /// Forgets everything: somebody else may log in next.
    pub(crate) fn clear(self) {
        self.apps.set(None);
        self.operations.update(BTreeMap::clear);
        self.runs.update(HashMap::clear);
        self.events.update(VecDeque::clear);
        self.host.set(None);
        self.usage.clear();
    }

    /// Takes in what was said.
    pub(crate) fn apply(self, message: LiveMessage) {
        match message {
            LiveMessage::Hello { version, apps, operations, host } => {
                self.version.set(version);
                self.host.set(Some(host));
                self.replace_apps(apps);
                for operation in operations {
                    self.put_operation(operation);
                }
            }
            LiveMessage::App { app } => self.put_app(*app),
            LiveMessage::AppGone { id } => self.apps.update(|apps| {
                apps.as_mut().map(|apps| apps.remove(&id));
            }),
            LiveMessage::Execution { execution } => self.put_execution(*execution),
            LiveMessage::Operation { operation } => self.put_operation(*operation),
            LiveMessage::Host { host } => self.host.set(Some(host)),
            LiveMessage::Usage { at, apps } => self.usage.look(at, apps),
            // Lines go to their subscription.
            LiveMessage::Log { .. } | LiveMessage::LogGap { .. } | LiveMessage::LogEnd { .. } => {}
            LiveMessage::Event { event } => self.events.update(|events| {
                events.push_front(*event);
                events.truncate(EVENTS_KEPT);
            }),
        }
    }

    fn replace_apps(self, apps: Vec<AppView>) {
        let here: HashSet<AppId> = apps.iter().map(|app| app.id).collect();
        self.apps.update(|known| known.get_or_insert_default().retain(|id, _| here.contains(id)));
        for app in apps {
            self.put_app(app);
        }
    }

    /// An app as it was a moment ago. One that is known already is kept up to date by the live connection, and may be
    /// newer than any answer.
    pub(crate) fn put_unknown_app(self, app: AppView) {
        if self.apps.with_untracked(|apps| apps.as_ref().is_none_or(|apps| !apps.contains_key(&app.id))) {
            self.put_app(app);
        }
    }

    /// An app as it is now.
    pub(crate) fn put_app(self, app: AppView) {
        let known =
            self.apps.with_untracked(|apps| apps.as_ref().and_then(|apps| apps.get(&app.id).cloned()));
        match known {
            Some(signal) if signal.with_untracked(|before| *before == app) => {}
            Some(signal) => signal.set(app),
            None => self.apps.update(|apps| {
                apps.get_or_insert_default().insert(app.id, ArcRwSignal::new(app));
            }),
        }
    }

    /// An operation as it is now.
    pub(crate) fn put_operation(self, operation: OperationView) {
        let was_running =
            self.operation_now(operation.id).is_some_and(|o| o.status == OperationStatus::Running);
        if was_running && operation.status != OperationStatus::Running {
            self.ended.set(Some(operation.clone()));
        }
        self.operations.update(|operations| {
            operations.insert(operation.id, operation);
            while operations.len() > OPERATIONS_KEPT {
                operations.pop_first();
            }
        });
    }

    fn put_execution(self, execution: ExecutionView) {
        let asked_for = self.runs.with_untracked(|runs| runs.contains_key(execution.app.as_str()));
        if asked_for {
            self.runs.update(|runs| {
                let runs = runs.entry(execution.app.to_string()).or_default();
                upsert(runs, execution);
            });
        }
    }

    /// The executions of an app, from now on kept up to date.
    pub(crate) fn put_runs(self, app: &str, mut executions: Vec<ExecutionView>) {
        executions.sort_unstable_by_key(|execution| std::cmp::Reverse(execution.id));
        self.runs.update(|runs| {
            runs.insert(app.to_owned(), executions);
        });
    }

    /// Every app, or nothing while the daemon has said nothing.
    pub(crate) fn apps(self) -> Option<Vec<ArcRwSignal<AppView>>> {
        self.apps.with(|apps| apps.as_ref().map(|apps| apps.values().cloned().collect()))
    }

    /// The app of that name.
    pub(crate) fn app(self, name: &str) -> Option<AppView> {
        self.apps()?.into_iter().find(|app| app.with(|app| app.name.as_str() == name)).map(|app| app.get())
    }

    /// An operation.
    pub(crate) fn operation(self, id: OperationId) -> Option<OperationView> {
        self.operations.with(|operations| operations.get(&id).cloned())
    }

    fn operation_now(self, id: OperationId) -> Option<OperationView> {
        self.operations.with_untracked(|operations| operations.get(&id).cloned())
    }

    /// The newest operation of an app that is known.
    pub(crate) fn last_operation(self, app: AppId) -> Option<OperationView> {
        let of_app = |operation: &&OperationView| operation.app_id == Some(app);
        self.operations.with(|all| all.values().rev().find(of_app).cloned())
    }

    /// The newest operation on all of Mantyx that is known.
    pub(crate) fn last_of(self, kind: OperationKind) -> Option<OperationView> {
        self.operations.with(|all| all.values().rev().find(|operation| operation.kind == kind).cloned())
    }

    /// What is under way, the oldest first.
    pub(crate) fn under_way(self) -> Vec<OperationView> {
        let running = |operation: &&OperationView| operation.status == OperationStatus::Running;
        self.operations.with(|all| all.values().filter(running).cloned().collect())
    }

    /// What was recorded since the page was opened, the newest first.
    pub(crate) fn events(self) -> Vec<EventView> {
        self.events.with(|events| events.iter().cloned().collect())
    }

    /// The number of the last event that may have been told since the page was opened and is kept no longer.
    pub(crate) fn events_forgotten(self) -> Option<i64> {
        self.events.with(forgotten)
    }

    /// The number of the last event of these kinds, about that thing if it is given: it grows with each.
    pub(crate) fn last_event(self, kinds: &[EventKind], subject: Option<&str>) -> Option<i64> {
        let wanted = |event: &&EventView| {
            kinds.contains(&event.kind) && subject.is_none_or(|subject| event.subject.id == subject)
        };
        self.events.with(|events| events.iter().find(wanted).map(|event| event.sequence))
    }

    /// The app of that identity, whatever it is called.
    pub(crate) fn app_of(self, id: AppId) -> Option<AppView> {
        self.apps.with(|apps| apps.as_ref()?.get(&id).cloned()).map(|app| app.get())
    }

    /// The operation that ended last.
    pub(crate) fn ended(self) -> Option<OperationView> {
        self.ended.get()
    }

    /// The executions of an app, newest first; nothing until they were read.
    pub(crate) fn runs(self, app: &str) -> Option<Vec<ExecutionView>> {
        self.runs.with(|runs| runs.get(app).cloned())
    }

    /// What every app uses.
    pub(crate) const fn usage(self) -> Usage {
        self.usage
    }

    /// The machine.
    pub(crate) fn host(self) -> Option<HostView> {
        self.host.get()
    }

    /// The version of the daemon.
    pub(crate) fn version(self) -> String {
        self.version.get()
    }

    /// A request is on its way, or has arrived.
    pub(crate) fn set_pending(self, app: &str, event: AppEvent, on_its_way: Pending) {
        self.pending.update(|pending| {
            let key = (app.to_owned(), event);
            match on_its_way {
                Pending::Yes => pending.insert(key),
                Pending::No => pending.remove(&key),
            };
        });
    }

    /// Whether any request about an app is on its way.
    pub(crate) fn is_pending(self, app: &str) -> bool {
        self.pending.with(|pending| pending.iter().any(|(name, _)| name == app))
    }
}

/// Whether a request is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pending {
    /// It is.
    Yes,
    /// It has arrived.
    No,
}

/// The number before that of the oldest event, once there are as many as are kept.
fn forgotten(events: &VecDeque<EventView>) -> Option<i64> {
    let oldest = events.back().filter(|_| events.len() >= EVENTS_KEPT)?;
    Some(oldest.sequence - 1)
}

/// Puts an execution into a list that is sorted by id, newest first.
fn upsert(runs: &mut Vec<ExecutionView>, execution: ExecutionView) {
    match runs.binary_search_by(|known| execution.id.cmp(&known.id)) {
        Ok(at) => runs[at] = execution,
        Err(at) => runs.insert(at, execution),
    }
    runs.truncate(RUNS_KEPT);
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_api_types::core::ExecutionStatus;

    fn run(id: u8, status: &str) -> ExecutionView {
        serde_json::from_value(serde_json::json!({
            "id": format!("0190a6c0-0000-7000-8000-0000000000{id:02x}"), "app": "wiki", "release": 1,
            "revision": 1, "trigger": "manual", "schedule": null, "status": status, "pid": null, "exit": null,
            "ending": null, "cause": null, "last_lines": [], "dropped_lines": 0, "started_at": "2026-11-20T05:00:00Z", "finished_at": null, "cpu_seconds": null,
            "peak_memory": null
        }))
        .unwrap()
    }

    fn event(sequence: i64) -> EventView {
        serde_json::from_value(serde_json::json!({
            "sequence": sequence, "at": "2026-11-20T05:00:00Z", "kind": "file.written", "actor": { "kind": "mantyx" },
            "subject": { "kind": "app", "id": "a", "name": "wiki" }, "payload": {}, "hash": ""
        }))
        .unwrap()
    }

    #[test]
    fn what_is_forgotten_is_known_once_as_many_events_are_there_as_are_kept() {
        let kept = i64::try_from(EVENTS_KEPT).unwrap();
        let mut events: VecDeque<_> = (11..10 + kept).rev().map(event).collect();
        assert_eq!(forgotten(&events), None);
        events.push_front(event(10 + kept));
        assert_eq!(forgotten(&events), Some(10));
    }

    #[test]
    fn executions_stay_in_order_and_single() {
        let mut runs = Vec::new();
        for (id, status) in [(2, "running"), (5, "running"), (3, "running"), (2, "success")] {
            upsert(&mut runs, run(id, status));
        }
        let ids: Vec<String> = runs.iter().map(|run| run.id.to_string()[34..].to_owned()).collect();
        assert_eq!(ids, ["05", "03", "02"]);
        assert_eq!(runs[2].status, ExecutionStatus::Success);
    }
}
