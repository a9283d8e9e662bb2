//! The task that owns everything about one instance.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use mantyx_core::{
    Code, Ending, Error, ExecutionId, Fared, InstanceId, RestartDecision, RestartHistory, RestartRule,
    Result, Timestamp, Trigger,
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, WeakUnboundedSender};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::care::Care;
use crate::checkup::Finding;
use crate::command::Start;
use crate::context::{Context, Reported, longer};
use crate::discover::{Discovered, Found};
use crate::ended::Ended;
use crate::launch::{Launched, launch};
use crate::live::Live;
use crate::observer::Report;
use crate::service::{Hope, Service, ServiceStatus, Waiting};
use crate::watch::{Said, Watch};

mod care;

/// What an adopted process is to its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The process of a perpetual app, with the restarts that it has behind it.
    Service(RestartHistory),
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
    Adopt(Box<Discovered>, Role, Box<Care>, oneshot::Sender<Result<()>>),
    RetryAt(Timestamp, RestartHistory, oneshot::Sender<()>),
    Adjust(Box<Care>, oneshot::Sender<()>),
    Stop(Ending, oneshot::Sender<()>),
    Said(ExecutionId, Said),
    Found(ExecutionId, Finding),
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
    Alive(Box<Live>),
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
            Message::Adopt(discovered, role, care, reply) => {
                let adopted = self.adopt(*discovered, role, *care).await;
                self.answer(reply, adopted);
            }
            Message::RetryAt(at, history, reply) => {
                self.retry_at(at, history);
                self.answer(reply, ());
            }
            Message::Adjust(care, reply) => {
                self.adjust(&care).await;
                self.answer(reply, ());
            }
            Message::Stop(why, reply) => self.stop(&why, reply),
            Message::Said(execution, said) => self.hear(execution, said).await,
            Message::Found(execution, finding) => self.found(execution, finding).await,
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
            Begun::Alive(live) => {
                self.serve(live, RestartHistory::default());
                Ok(())
            }
            // An exit like any other: it may be started again. Who asked is told at once.
            Begun::Failed(ended, rule) => {
                let error = start_failed(&ended);
                self.decide(&rule, RestartHistory::default(), Duration::ZERO, ended).await;
                Err(error)
            }
        }
    }

    async fn start_run(&mut self, start: Start) -> Result<ExecutionId> {
        self.refuse_while_stopping()?;
        match self.begin(start).await? {
            Begun::Alive(live) => {
                let execution = live.execution;
                self.runs.insert(execution, *live);
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
        self.context.limiter.foresee_start();
        let command = self.context.observer.prepare(self.id, start).await?;
        let (instance, execution) = (self.id, command.execution);
        match launch(&self.context, instance, &command).await {
            Launched::Alive(main, warnings) => {
                let (pid, at) = (main.id.pid, main.started_at);
                let live = self.watch(execution, pid, at, command.care).warned(warnings);
                let condition = live.condition();
                self.context.report(Report::Started { instance, execution, pid, at, condition }).await;
                Ok(Begun::Alive(Box::new(live)))
            }
            Launched::Failed(ended) => {
                self.report_end(execution, ended.clone()).await;
                Ok(Begun::Failed(ended, command.care.rule))
            }
        }
    }

    /// Begins to watch a process that is alive.
    fn watch(&self, execution: ExecutionId, pid: u32, started_at: Timestamp, care: Care) -> Live {
        let (orders, received) = mpsc::unbounded_channel();
        let tell = self.teller(move |said| Message::Said(execution, said));
        let watch = Watch::new(Arc::clone(&self.context), execution, received, tell);
        let outbox = self.outbox.clone();
        tokio::spawn(async move {
            if let Some(ended) = watch.run().await
                && let Some(outbox) = outbox.upgrade()
            {
                // It fails when the supervisor goes down; the run folder keeps the end.
                let _ = outbox.send(Message::Ended(execution, Box::new(ended)));
            }
        });
        let confinement = self.context.limiter.plan(&care.limits, execution);
        Live::new(execution, pid, started_at, care, &confinement, orders)
    }

    /// Puts what a task of this instance has to tell into its inbox, as long as there is one.
    fn teller<T, M: Fn(T) -> Message>(&self, message: M) -> impl Fn(T) + use<T, M> {
        let outbox = self.outbox.clone();
        move |told| {
            if let Some(outbox) = outbox.upgrade() {
                let _ = outbox.send(message(told));
            }
        }
    }

    /// From now on this process is the service.
    fn serve(&mut self, mut live: Box<Live>, history: RestartHistory) {
        let execution = live.execution;
        live.look_after(self.teller(move |finding| Message::Found(execution, finding)));
        self.service = Service::Running(live, history);
    }

    /// A process that is alive is watched from now on; the end of one that is not is reported, and what follows
    /// from it is decided, as if it had been watched all along.
    async fn adopt(&mut self, discovered: Discovered, role: Role, care: Care) -> Result<()> {
        let execution = discovered.execution;
        let (pid, started_at) = match discovered.found {
            Found::Live { pid, started_at } => (pid, started_at),
            Found::Ended(ended) => return self.adopt_end(execution, ended, role, &care).await,
            Found::Lost => return self.adopt_end(execution, Ended::lost(None), role, &care).await,
        };
        if self.watches(execution) {
            return Ok(());
        }
        match role {
            Role::Service(_) if matches!(self.service, Service::Running(..)) => {
                let detail = format!("Execution `{execution}` cannot be adopted: its instance has a service");
                Err(Error::new(Code::IllegalState, detail))
            }
            Role::Service(history) => {
                self.serve(Box::new(self.watch(execution, pid, started_at, care)), history);
                Ok(())
            }
            Role::Run => {
                self.runs.insert(execution, self.watch(execution, pid, started_at, care));
                Ok(())
            }
        }
    }

    async fn adopt_end(
        &mut self,
        execution: ExecutionId,
        ended: Ended,
        role: Role,
        care: &Care,
    ) -> Result<()> {
        self.report_end(execution, ended.clone()).await;
        match role {
            Role::Service(history) if matches!(self.service, Service::Off) => {
                // Nobody knows since when it was well; that it ran is what is left to judge by.
                let well_for = ended.duration();
                self.decide(&care.rule, history, well_for, ended).await;
            }
            Role::Service(_) | Role::Run => {}
        }
        Ok(())
    }

    fn is_service(&self, execution: ExecutionId) -> bool {
        matches!(&self.service, Service::Running(live, _) if live.execution == execution)
    }

    fn watches(&self, execution: ExecutionId) -> bool {
        self.live().any(|live| live.execution == execution)
    }

    fn live(&self) -> impl Iterator<Item = &Live> {
        let service = match &self.service {
            Service::Running(live, _) => Some(&**live),
            Service::Off | Service::Waiting(_) => None,
        };
        service.into_iter().chain(self.runs.values())
    }

    fn stop(&mut self, why: &Ending, reply: oneshot::Sender<()>) {
        if matches!(self.service, Service::Waiting(_)) {
            self.service = Service::Off;
        }
        self.live().for_each(|live| live.stop(why.clone()));
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
        if self.is_service(execution) && self.stoppers.is_empty() {
            self.context.limiter.foresee_start();
        }
        self.report_end(execution, ended.clone()).await;
        self.runs.remove(&execution);
        match std::mem::replace(&mut self.service, Service::Off) {
            Service::Running(live, history) if live.execution == execution => {
                if self.stoppers.is_empty() {
                    let well_for = live.well.duration(ended.finished);
                    self.decide(&live.care.rule, history, well_for, ended).await;
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
    async fn decide(
        &mut self,
        rule: &RestartRule,
        mut history: RestartHistory,
        well_for: Duration,
        ended: Ended,
    ) {
        let instance = self.id;
        // The stop of an earlier daemon, or of a person who signalled the monitor.
        if ended.was_asked_for() {
            self.context.report(Report::Rested { instance, ended }).await;
            return;
        }
        let fared = Fared { exit: ended.judged(), well_for, ended: ended.finished };
        match history.decide(rule, fared, random()) {
            RestartDecision::Restart { after } => self.wait(after, history, Duration::ZERO).await,
            RestartDecision::Rest => {
                self.context.report(Report::Rested { instance, ended }).await;
            }
            RestartDecision::GiveUp { restarts, retry } => {
                let reason = ended.reason_to_give_up(rule, restarts);
                let retry_at = retry.map(|after| Utc::now() + TimeDelta::from_std(after).unwrap_or_default());
                let give_ups = history.give_ups();
                let given_up = Report::GaveUp { instance, restarts, ended, reason, retry_at, give_ups };
                self.context.report(given_up).await;
                if let Some(at) = retry_at {
                    self.retry_at(at, history);
                }
            }
        }
    }

    /// A service that was given up is tried again at this moment, unless something is done about it before.
    fn retry_at(&mut self, at: Timestamp, history: RestartHistory) {
        if matches!(self.service, Service::Off) {
            let due = Instant::now() + (at - Utc::now()).to_std().unwrap_or_default();
            let (history, hope) = (history.tried_again(), Hope::GivenUp);
            self.service = Service::Waiting(Waiting { due, at, history, hope, retry: Duration::ZERO });
        }
    }

    /// Lets a restart be due. One without delay is due in the next turn of the loop.
    async fn wait(&mut self, after: Duration, history: RestartHistory, retry: Duration) {
        let at = Utc::now() + TimeDelta::from_std(after).unwrap_or_default();
        let restarts = history.count();
        let (due, hope) = (Instant::now() + after, Hope::Kept);
        self.service = Service::Waiting(Waiting { due, at, history, hope, retry });
        if !after.is_zero() {
            self.publish();
            self.context.report(Report::Waiting { instance: self.id, until: at, restarts }).await;
        }
    }

    async fn restart(&mut self) {
        let Service::Waiting(waiting) = std::mem::replace(&mut self.service, Service::Off) else { return };
        match self.begin(Start::by(waiting.trigger())).await {
            Ok(Begun::Alive(live)) => self.serve(live, waiting.history),
            Ok(Begun::Failed(ended, rule)) => {
                self.decide(&rule, waiting.history, Duration::ZERO, ended).await;
            }
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
    let detail = match &ended.ending {
        Ending::NotStarted { reason } => reason.clone(),
        _ => format!("The app {ended}"),
    };
    Error::new(Code::StartFailed, detail)
}

/// A number from 0 up to 1 that differs from call to call: enough to spread restarts, no use for secrets.
#[allow(clippy::cast_precision_loss, reason = "32 bits fit into the 52 of a double")]
fn random() -> f64 {
    (RandomState::new().hash_one(0) >> 32) as f64 / (1u64 << 32) as f64
}
