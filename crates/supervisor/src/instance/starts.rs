//! Processes begin: because somebody asked, or because a start is due.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use mantyx_core::{
    Code, Ending, Error, ExecutionId, RestartHistory, RestartRule, Result, Timestamp, Trigger,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Instance, Message};
use crate::care::Care;
use crate::checkup::FirstLook;
use crate::command::Start;
use crate::ended::Ended;
use crate::launch::{Launched, Started, launch};
use crate::live::{Live, Process};
use crate::news::Teller;
use crate::observer::Report;
use crate::service::{Service, Waiting};
use crate::watch::Watch;

/// What a process that begins is to its instance.
enum Part {
    Service(RestartHistory),
    Run,
}

/// What came of a start.
enum Begun {
    Alive(ExecutionId),
    Failed(Ended, RestartRule),
}

impl Instance {
    pub(super) async fn start_service(&mut self, trigger: Trigger, history: RestartHistory) -> Result<()> {
        self.refuse_while_stopping()?;
        if matches!(self.service, Service::Running(..)) {
            return Ok(());
        }
        self.service = Service::Off;
        match self.begin(Start::by(trigger), Part::Service(history.clone())).await {
            Ok(Begun::Alive(_)) => Ok(()),
            // An exit like any other: it may be started again. Who asked is told at once.
            Ok(Begun::Failed(ended, rule)) => {
                let error = start_failed(&ended);
                self.decide(&rule, history, Duration::ZERO, ended).await;
                Err(error)
            }
            Err(error) => {
                self.not_prepared(trigger, history, &error).await;
                Err(error)
            }
        }
    }

    pub(super) async fn start_run(&mut self, start: Start) -> Result<ExecutionId> {
        self.refuse_while_stopping()?;
        match self.begin(start, Part::Run).await? {
            Begun::Alive(execution) => Ok(execution),
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

    /// A start that is due.
    pub(super) async fn restart(&mut self) {
        let Service::Waiting(waiting) = std::mem::replace(&mut self.service, Service::Off) else { return };
        let Waiting { trigger, history, .. } = waiting;
        match self.begin(Start::by(trigger), Part::Service(history.clone())).await {
            Ok(Begun::Alive(_)) => {}
            Ok(Begun::Failed(ended, rule)) => self.decide(&rule, history, Duration::ZERO, ended).await,
            Err(error) => {
                tracing::error!(?error, instance = %self.id, "a start that was due could not be prepared");
                self.not_prepared(trigger, history, &error).await;
            }
        }
    }

    /// A start of which nobody can say what is to run counts as one that failed. A service that was given up stays so,
    /// and what is not to run at all rests.
    async fn not_prepared(&mut self, trigger: Trigger, history: RestartHistory, error: &Error) {
        let ended = Ended::start_failed(error.detail());
        if matches!(error.code(), Code::IllegalState | Code::NotFound) {
            self.report(Report::Rested { instance: self.id, ended }).await;
            return;
        }
        let rule = self.known_rule().await;
        if trigger == Trigger::Retry {
            let reason = format!("It was tried again; the process {ended}");
            self.give_up(&rule, history, ended, reason).await;
        } else {
            self.decide(&rule, history, Duration::ZERO, ended).await;
        }
    }

    async fn known_rule(&mut self) -> RestartRule {
        if let Some(rule) = self.rule {
            return rule;
        }
        let (context, instance) = (Arc::clone(&self.context), self.id);
        self.meanwhile(context.observer.rule(instance)).await.unwrap_or_default()
    }

    /// Starts a process, and reports what came of it.
    async fn begin(&mut self, start: Start, part: Part) -> Result<Begun> {
        let (context, instance) = (Arc::clone(&self.context), self.id);
        context.foresee_start();
        let command = self.meanwhile(context.observer.prepare(instance, start)).await?;
        self.rule = Some(command.care.rule);
        let execution = command.execution;
        // Only while it happens; an instance that waits needs little memory.
        let launched = self.meanwhile(Box::pin(launch(&context, instance, &command))).await;
        let Started { main, confinement, warnings } = match launched {
            Launched::Alive(started) => started,
            Launched::Failed(ended) => {
                self.report_end(execution, ended.clone()).await;
                return Ok(Begun::Failed(ended, command.care.rule));
            }
        };
        let (pid, at) = (main.id.pid, main.started_at);
        let process = Process { pid, started_at: at, confinement };
        let live = self.watch(execution, process, command.care).begun(warnings);
        let condition = live.condition();
        self.take_in(live, part);
        self.report(Report::Started { instance, execution, pid, at, condition }).await;
        self.pace.kept(Instant::now());
        if let Some(live) = self.service_of(execution) {
            live.look_after(FirstLook::AtOnce);
        }
        Ok(Begun::Alive(execution))
    }

    /// A process has begun. A stop that came while it did is for it as well.
    fn take_in(&mut self, mut live: Live, part: Part) {
        if let Some(why) = self.stop_asked_for() {
            live.stop(why.clone());
        }
        match part {
            Part::Service(history) => self.service = Service::Running(Box::new(live), history),
            Part::Run => drop(self.runs.insert(live.execution, live)),
        }
    }

    /// Begins to watch a process that is alive.
    pub(super) fn watch(&self, execution: ExecutionId, process: Process, care: Care) -> Live {
        let (orders, received) = mpsc::unbounded_channel();
        let teller = Teller::new(execution, self.outbox.clone());
        let told = teller.clone();
        let watch = Watch::new(Arc::clone(&self.context), execution, received, move |said| told.say(said));
        let outbox = self.outbox.clone();
        tokio::spawn(async move {
            if let Some(ended) = watch.run().await
                && let Some(outbox) = outbox.upgrade()
            {
                // It fails when the supervisor goes down; the run folder keeps the end.
                let _ = outbox.send(Message::Ended(execution, Box::new(ended)));
            }
        });
        let confinement = self.context.limiter.plan(&care.limits, process.confinement);
        Live::new(process, care, confinement, orders, teller)
    }

    /// A service that has none is started at this moment, unless something is done about it before.
    pub(super) fn start_at(
        &mut self,
        at: Timestamp,
        trigger: Trigger,
        history: RestartHistory,
        last: Option<Box<Ended>>,
    ) {
        if matches!(self.service, Service::Off) {
            let due = Instant::now() + (at - Utc::now()).to_std().unwrap_or_default();
            self.service = Service::Waiting(Waiting { due, at, history, trigger, last });
        }
    }

    /// Lets a start be due. One without delay is due in the next turn of the loop.
    pub(super) async fn wait(
        &mut self,
        after: Duration,
        trigger: Trigger,
        history: RestartHistory,
        ended: Ended,
    ) {
        let at = Utc::now() + TimeDelta::from_std(after).unwrap_or_default();
        let (due, restarts, last) = (Instant::now() + after, history.count(), Some(Box::new(ended)));
        self.service = Service::Waiting(Waiting { due, at, history, trigger, last });
        if !after.is_zero() {
            self.publish();
            self.report(Report::Waiting { instance: self.id, until: at, restarts }).await;
        }
    }
}

fn start_failed(ended: &Ended) -> Error {
    let detail = match &ended.ending {
        Ending::NotStarted { reason } => reason.clone(),
        _ => format!("The app {ended}"),
    };
    Error::new(Code::StartFailed, detail)
}
