//! Processes end, and what follows from it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use mantyx_core::{ExecutionId, Fared, RestartDecision, RestartHistory, RestartRule, Trigger};

use super::Instance;
use crate::context::{Reported, random};
use crate::ended::Ended;
use crate::observer::Report;
use crate::service::Service;

/// How long after the end of a monitor by SIGTERM its app is started again. When the machine goes down, the daemon is
/// gone by then.
const AFTER_SHUT_DOWN: Duration = Duration::from_secs(5);

impl Instance {
    /// A process has ended.
    pub(super) async fn ended(&mut self, execution: ExecutionId, ended: Ended) {
        if self.service_of(execution).is_some() && !self.is_to_stop() {
            self.context.foresee_start();
        }
        self.report_end(execution, ended.clone()).await;
        self.runs.remove(&execution);
        match std::mem::replace(&mut self.service, Service::Off) {
            Service::Running(live, history) if live.execution == execution => {
                if !self.is_to_stop() {
                    let well_for = live.well.duration();
                    self.decide(&live.care.rule, history, well_for, ended).await;
                }
            }
            other => self.service = other,
        }
        self.resolve_stop();
    }

    /// The run folder keeps the end until the layer above has it.
    pub(super) async fn report_end(&mut self, execution: ExecutionId, ended: Ended) {
        let report = Report::Exited { instance: self.id, execution, ended };
        if self.report(report).await == Reported::Kept {
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
    pub(super) async fn decide(
        &mut self,
        rule: &RestartRule,
        mut history: RestartHistory,
        well_for: Duration,
        ended: Ended,
    ) {
        let instance = self.id;
        // No rule is asked and no restart counted: it says nothing of the app.
        if ended.was_shut_down() {
            return self.wait(AFTER_SHUT_DOWN, Trigger::Boot, history, ended).await;
        }
        // The stop of an earlier daemon, or of a person who signalled the monitor.
        if ended.was_asked_for() {
            self.report(Report::Rested { instance, ended }).await;
            return;
        }
        let fared = Fared { exit: ended.judged(), well_for, ended: ended.finished };
        match history.decide(rule, fared, random()) {
            RestartDecision::Restart { after } => self.wait(after, Trigger::Restart, history, ended).await,
            RestartDecision::Rest => {
                self.report(Report::Rested { instance, ended }).await;
            }
            RestartDecision::GiveUp { restarts, retry } => {
                let reason = ended.reason_to_give_up(rule, restarts);
                self.gave_up(history, ended, restarts, reason, retry).await;
            }
        }
    }

    /// A service is given up without another quick restart.
    pub(super) async fn give_up(
        &mut self,
        rule: &RestartRule,
        mut history: RestartHistory,
        ended: Ended,
        reason: String,
    ) {
        let retry = history.give_up(rule);
        self.gave_up(history, ended, 0, reason, retry).await;
    }

    async fn gave_up(
        &mut self,
        history: RestartHistory,
        ended: Ended,
        restarts: u32,
        reason: String,
        retry: Option<Duration>,
    ) {
        let (instance, give_ups) = (self.id, history.give_ups());
        let retry_at = retry.map(|after| Utc::now() + TimeDelta::from_std(after).unwrap_or_default());
        let last = Some(Box::new(ended.clone()));
        self.report(Report::GaveUp { instance, restarts, ended, reason, retry_at, give_ups }).await;
        if let Some(at) = retry_at {
            self.start_at(at, Trigger::Retry, history.tried_again(), last);
        }
    }
}
