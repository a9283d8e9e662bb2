//! The task that owns everything about one instance.
//!
//! - `starts`: processes begin;
//! - `adoption`: processes that an earlier daemon began;
//! - `care`: what is done about a process while that lives;
//! - `ends`: processes end, and what follows.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use mantyx_core::{
    Ending, ExecutionId, Health, InstanceId, RestartHistory, RestartRule, Result, Timestamp, Trigger,
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, WeakUnboundedSender};
use tokio::sync::oneshot;

use crate::care::Care;
use crate::command::Start;
use crate::context::{Context, Reported};
use crate::discover::Discovered;
use crate::ended::Ended;
use crate::live::Live;
use crate::observer::Report;
use crate::pace::Pace;
use crate::service::{Service, ServiceStatus};

mod adoption;
mod care;
mod ends;
mod starts;

/// What an adopted process is to its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The process of a perpetual app.
    Service {
        /// The restarts that it has behind it.
        history: RestartHistory,
        /// How it was when somebody last knew.
        health: Health,
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

/// What an instance is told. Each message but the last two carries where the answer goes.
pub(crate) enum Message {
    StartService(Trigger, RestartHistory, oneshot::Sender<Result<()>>),
    StartRun(Start, oneshot::Sender<Result<ExecutionId>>),
    Adopt(Box<Discovered>, Role, Box<Care>, oneshot::Sender<Result<()>>),
    StartAt(Timestamp, Trigger, RestartHistory, oneshot::Sender<()>),
    ForgetRetry(oneshot::Sender<()>),
    Adjust(Box<Care>, oneshot::Sender<()>),
    Stop(Ending, oneshot::Sender<()>),
    /// There is something new about a live process.
    News(ExecutionId),
    Ended(ExecutionId, Box<Ended>),
}

/// The task that owns everything about one instance.
pub(crate) struct Instance {
    id: InstanceId,
    context: Arc<Context>,
    inbox: UnboundedReceiver<Message>,
    /// What came while something was waited for.
    backlog: VecDeque<Message>,
    /// For the watches. A strong one would keep the task alive by itself.
    outbox: WeakUnboundedSender<Message>,
    service: Service,
    runs: HashMap<ExecutionId, Live>,
    /// The rule that last held, for a start that cannot be prepared.
    rule: Option<RestartRule>,
    /// When it is reported how the service is.
    pace: Pace,
    stoppers: Vec<oneshot::Sender<()>>,
    snapshot: Arc<Mutex<Snapshot>>,
}

impl Instance {
    /// Begins the task.
    pub(crate) fn spawn(
        id: InstanceId,
        context: Arc<Context>,
        snapshot: Arc<Mutex<Snapshot>>,
    ) -> (UnboundedSender<Message>, tokio::task::JoinHandle<()>) {
        let (sender, inbox) = mpsc::unbounded_channel();
        let instance = Self {
            id,
            context,
            inbox,
            backlog: VecDeque::new(),
            outbox: sender.downgrade(),
            service: Service::Off,
            runs: HashMap::new(),
            rule: None,
            pace: Pace::default(),
            stoppers: Vec::new(),
            snapshot,
        };
        (sender, tokio::spawn(instance.run()))
    }

    async fn run(mut self) {
        let context = Arc::clone(&self.context);
        loop {
            // In this order: a stop that has come before a restart is due calls it off.
            tokio::select! {
                biased;
                () = context.down() => return,
                message = next(&mut self.backlog, &mut self.inbox) => match message {
                    Some(message) => self.take(message).await,
                    None => return,
                },
                () = self.service.due() => self.restart().await,
                () = self.pace.due() => self.report_condition().await,
            }
            self.publish();
        }
    }

    /// Answers are given when everything has been published, so that who gets one sees what it says.
    async fn take(&mut self, message: Message) {
        match message {
            Message::StartService(trigger, history, reply) => {
                let started = self.start_service(trigger, history).await;
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
            Message::StartAt(at, trigger, history, reply) => {
                self.start_at(at, trigger, history, None);
                self.answer(reply, ());
            }
            Message::ForgetRetry(reply) => {
                self.call_off_start();
                self.answer(reply, ());
            }
            Message::Adjust(care, reply) => {
                self.adjust(&care).await;
                self.answer(reply, ());
            }
            Message::Stop(why, reply) => self.stop(&why, reply),
            Message::News(execution) => self.note(execution).await,
            Message::Ended(execution, ended) => self.ended(execution, *ended).await,
        }
    }

    /// Who asked may have gone meanwhile.
    fn answer<T>(&self, reply: oneshot::Sender<T>, answer: T) {
        self.publish();
        let _ = reply.send(answer);
    }

    /// Waits for something that may take long, as a database that is locked does. Meanwhile a stop reaches what is
    /// alive; everything else that comes is put off.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(message) = self.inbox.recv() => self.put_off(message),
            }
        }
    }

    fn put_off(&mut self, message: Message) {
        if let Message::Stop(why, _) = &message {
            self.live_mut().for_each(|live| live.stop(why.clone()));
        }
        self.backlog.push_back(message);
    }

    /// Reports until it is kept.
    async fn report(&mut self, report: Report) -> Reported {
        let context = Arc::clone(&self.context);
        self.meanwhile(context.report(report)).await
    }

    fn stop(&mut self, why: &Ending, reply: oneshot::Sender<()>) {
        self.call_off_start();
        self.live_mut().for_each(|live| live.stop(why.clone()));
        self.stoppers.push(reply);
        self.resolve_stop();
    }

    fn resolve_stop(&mut self) {
        if self.live_mut().next().is_none() {
            self.publish();
            for reply in self.stoppers.drain(..) {
                let _ = reply.send(());
            }
        }
    }

    /// Why everything is to stop, where that was asked for while something else was waited for.
    fn stop_asked_for(&self) -> Option<&Ending> {
        self.backlog.iter().find_map(|message| match message {
            Message::Stop(why, _) => Some(why),
            _ => None,
        })
    }

    fn is_to_stop(&self) -> bool {
        !self.stoppers.is_empty() || self.stop_asked_for().is_some()
    }

    fn call_off_start(&mut self) {
        if matches!(self.service, Service::Waiting(_)) {
            self.service = Service::Off;
        }
    }

    /// The process of the service, when it is this one.
    fn service_of(&mut self, execution: ExecutionId) -> Option<&mut Live> {
        match &mut self.service {
            Service::Running(live, _) if live.execution == execution => Some(live),
            _ => None,
        }
    }

    /// Everything that is alive.
    fn live_mut(&mut self) -> impl Iterator<Item = &mut Live> {
        let service = match &mut self.service {
            Service::Running(live, _) => Some(&mut **live),
            Service::Off | Service::Waiting(_) => None,
        };
        service.into_iter().chain(self.runs.values_mut())
    }

    /// Lets everybody see how it stands.
    fn publish(&self) {
        let runs = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
        let snapshot = Snapshot { service: self.service.status(), runs };
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }
}

/// What was put off, and then what comes.
async fn next(backlog: &mut VecDeque<Message>, inbox: &mut UnboundedReceiver<Message>) -> Option<Message> {
    match backlog.pop_front() {
        Some(message) => Some(message),
        None => inbox.recv().await,
    }
}
