//! The task that owns everything about one instance.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use mantyx_core::{
    Code, Error, ExecutionId, InstanceId, RestartDecision, RestartHistory, RestartRule, Result, Timestamp,
    Trigger,
};
use mantyx_monitor::StopTerms;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, WeakUnboundedSender};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::command::Start;
use crate::context::{Context, Reported, longer};
use crate::discover::{Discovered, Found};
use crate::ended::{Ended, Outcome};
use crate::launch::{Launched, launch};
use crate::observer::Report;
use crate::service::{Live, Service, ServiceStatus, Waiting};
use crate::watch::Watch;

/// What an adopted process is to its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The process of a perpetual app.
    Service {
        /// How it is started again.
        rule: RestartRule,
        /// The restarts that it has behind it.
        history: RestartHistory,
    },
    /// One run of a scheduled app.
    Run,
}

/// What can be known of an instance without asking its task.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) service: Option<ServiceStatus>,
    pub(crate) runs: u32,
}

/// What an instance is told. Each message but the last carries where the answer goes.
pub(crate) enum Message {
    StartService(Trigger, oneshot::Sender<Result<()>>),
    StartRun(Start, oneshot::Sender<Result<ExecutionId>>),
    Adopt(Box<Discovered>, Role, oneshot::Sender<Result<()>>),
    Stop(oneshot::Sender<()>),
    Ended(ExecutionId, Box<Ended>),
}

/// The task that owns everything about one instance.
pub(crate) struct Instance {
    id: InstanceId,
    context: Arc<Context>,
    inbox: UnboundedReceiver<Message>,
    /// For the watches. A strong one would keep the task alive by itself.
    outbox: WeakUnboundedSender<Message>,
    service: Service,
    runs: HashMap<ExecutionId, Live>,
    stoppers: Vec<oneshot::Sender<()>>,
    snapshot: Arc<Mutex<Snapshot>>,
}

/// What came of a start.
enum Begun {
    Alive(Live, RestartRule),
    Failed(Ended, RestartRule),
}

impl Instance {
    /// Begins the task.
    pub(crate) fn spawn(
        id: InstanceId,
        context: Arc<Context>,
        snapshot: Arc<Mutex<Snapshot>>,
    ) -> (UnboundedSender<Message>, tokio::task::JoinHandle<()>) {
        let (sender, inbox) = mpsc::unbounded_channel();
        let outbox = sender.downgrade();
        let (service, runs, stoppers) = (Service::Off, HashMap::new(), Vec::new());
        let instance = Self { id, context, inbox, outbox, service, runs, stoppers, snapshot };
        (sender, tokio::spawn(instance.run()))
    }

    async fn run(mut self) {
        let context = Arc::clone(&self.context);
        loop {
            // In this order: a stop that has come before a restart is due calls it off.
            tokio::select! {
                biased;
                () = context.down() => return,
                message = self.inbox.recv() => match message {
                    Some(message) => self.take(message).await,
                    None => return,
                },
                () = self.service.due() => self.restart().await,
            }
            self.publish();
        }
    }

    /// Answers are given when everything has been published, so that who gets one sees what it says.
    async fn take(&mut self, message: Message) {
        match message {
            Message::StartService(trigger, reply) => {
                let started = self.start_service(trigger).await;
                self.answer(reply, started);
            }
            Message::StartRun(start, reply) => {
                let started = self.start_run(start).await;
                self.answer(reply, started);
            }
            Message::Adopt(discovered, role, reply) => {
                let adopted = self.adopt(*discovered, role).await;
                self.answer(reply, adopted);
            }
            Message::Stop(reply) => self.stop(reply),
            Message::Ended(execution, ended) => self.ended(execution, *ended).await,
        }
    }

    /// Who asked may have gone meanwhile.
    fn answer<T>(&self, reply: oneshot::Sender<T>, answer: T) {
        self.publish();
        let _ = reply.send(answer);
    }

    async fn start_service(&mut self, trigger: Trigger) -> Result<()> {
        self.refuse_while_stopping()?;
        if matches!(self.service, Service::Running(..)) {
            return Ok(());
        }
        self.service = Service::Off;
        match self.begin(Start::by(trigger)).await? {
            Begun::Alive(live, rule) => {
                self.service = Service::Running(live, rule, RestartHistory::default());
                Ok(())
            }
            // An exit like any other: it may be started again. Who asked is told at once.
            Begun::Failed(ended, rule) => {
                let error = start_failed(&ended);
                self.decide(&rule, RestartHistory::default(), ended).await;
                Err(error)
            }
        }
    }

    async fn start_run(&mut self, start: Start) -> Result<ExecutionId> {
        self.refuse_while_stopping()?;
        match self.begin(start).await? {
            Begun::Alive(live, _) => {
                let execution = live.execution;
                self.runs.insert(execution, live);
                Ok(execution)
            }
            Begun::Failed(ended, _) => Err(start_failed(&ended)),
        }
    }

    fn refuse_while_stopping(&self) -> Result<()> {
        if self.stoppers.is_empty() {
            return Ok(());
        }
        Err(Error::new(Code::IllegalState, "Nothing can be started while the app is being stopped")
            .hint("Try again when it has stopped"))
    }

    /// Starts a process, and reports what came of it.
    async fn begin(&self, start: Start) -> Result<Begun> {
        let command = self.context.observer.prepare(self.id, start).await?;
        let (instance, execution) = (self.id, command.execution);
        match launch(&self.context, instance, &command).await {
            Launched::Alive(main) => {
                let (pid, at) = (main.id.pid, main.started_at);
                self.context.report(Report::Started { instance, execution, pid, at }).await;
                Ok(Begun::Alive(self.watch(execution, pid, at, command.stop()), command.rule))
            }
            Launched::Failed(ended) => {
                self.report_end(execution, ended.clone()).await;
                Ok(Begun::Failed(ended, command.rule))
            }
        }
    }

    /// Begins to watch a process that is alive.
    fn watch(&self, execution: ExecutionId, pid: u32, started_at: Timestamp, stop: StopTerms) -> Live {
        let (orders, received) = mpsc::unbounded_channel();
        let watch = Watch::new(Arc::clone(&self.context), execution, received);
        let outbox = self.outbox.clone();
        tokio::spawn(async move {
            if let Some(ended) = watch.run().await
                && let Some(outbox) = outbox.upgrade()
            {
                // It fails when the supervisor goes down; the run folder keeps the end.
                let _ = outbox.send(Message::Ended(execution, Box::new(ended)));
            }
        });
        Live { execution, pid, started_at, stop, orders }
    }

    /// A process that is alive is watched from now on; the end of one that is not is reported, and what follows
    /// from it is decided, as if it had been watched all along.
    async fn adopt(&mut self, discovered: Discovered, role: Role) -> Result<()> {
        let execution = discovered.execution;
        let (pid, started_at, stop) = match (discovered.found, discovered.stop) {
            (Found::Live { pid, started_at }, Some(stop)) => (pid, started_at, stop),
            (Found::Ended(ended), _) => return self.adopt_end(execution, ended, role).await,
            (Found::Lost | Found::Live { .. }, _) => {
                return self.adopt_end(execution, Ended::lost(None), role).await;
            }
        };
        if self.watches(execution) {
            return Ok(());
        }
        match role {
            Role::Service { .. } if matches!(self.service, Service::Running(..)) => {
                let detail = format!("Execution `{execution}` cannot be adopted: its instance has a service");
                Err(Error::new(Code::IllegalState, detail))
            }
            Role::Service { rule, history } => {
                let live = self.watch(execution, pid, started_at, stop);
                self.service = Service::Running(live, rule, history);
                Ok(())
            }
            Role::Run => {
                self.runs.insert(execution, self.watch(execution, pid, started_at, stop));
                Ok(())
            }
        }
    }

    async fn adopt_end(&mut self, execution: ExecutionId, ended: Ended, role: Role) -> Result<()> {
        self.report_end(execution, ended.clone()).await;
        match role {
            Role::Service { rule, history } if matches!(self.service, Service::Off) => {
                self.decide(&rule, history, ended).await;
            }
            Role::Service { .. } | Role::Run => {}
        }
        Ok(())
    }

    fn watches(&self, execution: ExecutionId) -> bool {
        self.live().any(|live| live.execution == execution)
    }

    fn live(&self) -> impl Iterator<Item = &Live> {
        let service = match &self.service {
            Service::Running(live, ..) => Some(live),
            Service::Off | Service::Waiting(_) => None,
        };
        service.into_iter().chain(self.runs.values())
    }

    fn stop(&mut self, reply: oneshot::Sender<()>) {
        if matches!(self.service, Service::Waiting(_)) {
            self.service = Service::Off;
        }
        for live in self.live() {
            // It fails for one whose end is on its way.
            let _ = live.orders.send(live.stop);
        }
        self.stoppers.push(reply);
        self.resolve_stop();
    }

    fn resolve_stop(&mut self) {
        if self.live().next().is_none() {
            self.publish();
            for reply in self.stoppers.drain(..) {
                let _ = reply.send(());
            }
        }
    }

    /// A process has ended.
    async fn ended(&mut self, execution: ExecutionId, ended: Ended) {
        self.report_end(execution, ended.clone()).await;
        self.runs.remove(&execution);
        match std::mem::replace(&mut self.service, Service::Off) {
            Service::Running(live, rule, history) if live.execution == execution => {
                if self.stoppers.is_empty() {
                    self.decide(&rule, history, ended).await;
                }
            }
            other => self.service = other,
        }
        self.resolve_stop();
    }

    /// The run folder keeps the end until the layer above has it.
    async fn report_end(&self, execution: ExecutionId, ended: Ended) {
        let report = Report::Exited { instance: self.id, execution, ended };
        if self.context.report(report).await == Reported::Kept {
            let context = Arc::clone(&self.context);
            // Nothing waits for this; a restart least of all.
            tokio::spawn(async move {
                if let Err(error) = context.forget(execution).await {
                    tracing::warn!(?error, "records stay in the run folder");
                }
            });
        }
    }

    /// What follows the end of a service that nobody here asked for.
    async fn decide(&mut self, rule: &RestartRule, mut history: RestartHistory, ended: Ended) {
        let instance = self.id;
        // The stop of an earlier daemon, or of a person who signalled the monitor.
        if ended.outcome == Outcome::StoppedOnRequest {
            self.context.report(Report::Rested { instance, ended }).await;
            return;
        }
        let started = ended.started.unwrap_or(ended.finished);
        match history.decide(rule, ended.judged(), started, ended.finished, random()) {
            RestartDecision::Restart { after } => self.wait(after, history, Duration::ZERO).await,
            RestartDecision::Rest => {
                self.context.report(Report::Rested { instance, ended }).await;
            }
            RestartDecision::GiveUp { restarts } => {
                let reason = ended.reason_to_give_up(rule, restarts);
                self.context.report(Report::GaveUp { instance, restarts, ended, reason }).await;
            }
        }
    }

    /// Lets a restart be due. One without delay is due in the next turn of the loop.
    async fn wait(&mut self, after: Duration, history: RestartHistory, retry: Duration) {
        let at = Utc::now() + TimeDelta::from_std(after).unwrap_or_default();
        let restarts = history.count();
        self.service = Service::Waiting(Waiting { due: Instant::now() + after, at, history, retry });
        if !after.is_zero() {
            self.publish();
            self.context.report(Report::Waiting { instance: self.id, until: at, restarts }).await;
        }
    }

    async fn restart(&mut self) {
        let Service::Waiting(waiting) = std::mem::replace(&mut self.service, Service::Off) else { return };
        match self.begin(Start::by(Trigger::Restart)).await {
            Ok(Begun::Alive(live, rule)) => self.service = Service::Running(live, rule, waiting.history),
            Ok(Begun::Failed(ended, rule)) => self.decide(&rule, waiting.history, ended).await,
            Err(error) => {
                let retry = longer(waiting.retry);
                tracing::error!(?error, instance = %self.id, retry_in = ?retry, "a restart could not be prepared");
                self.wait(retry, waiting.history, retry).await;
            }
        }
    }

    /// Lets everybody see how it stands.
    fn publish(&self) {
        let runs = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
        let snapshot = Snapshot { service: self.service.status(), runs };
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }
}

fn start_failed(ended: &Ended) -> Error {
    let detail = match &ended.outcome {
        Outcome::StartFailed(reason) => reason.clone(),
        _ => format!("The app {ended}"),
    };
    Error::new(Code::StartFailed, detail)
}

/// A number from 0 up to 1 that differs from call to call: enough to spread restarts, no use for secrets.
#[allow(clippy::cast_precision_loss, reason = "32 bits fit into the 52 of a double")]
fn random() -> f64 {
    (RandomState::new().hash_one(0) >> 32) as f64 / (1u64 << 32) as f64
}
