//! What an instance does about a process while that lives, or while its next one is due.

use std::sync::Arc;

use mantyx_core::{ExecutionId, RestartRule};
use mantyx_limits::Confinement;
use tokio::time::Instant;

use super::Instance;
use crate::care::Care;
use crate::checkup::FirstLook;
use crate::live::Noted;
use crate::observer::Report;
use crate::service::{Outlook, Service};

impl Instance {
    /// There is something new about a process. A service that is ill is stopped before anything is written down, and
    /// its rule starts another.
    pub(super) async fn note(&mut self, execution: ExecutionId) {
        // What a run says of itself is kept by nobody: its outcome is what counts.
        let Some(live) = self.service_of(execution) else { return };
        let noted = live.note();
        live.look_after(FirstLook::Spread);
        live.stop_if_ill();
        match noted {
            Noted::Health => self.report_condition().await,
            Noted::Words => self.pace.ask(Instant::now()),
            Noted::Nothing => {}
        }
    }

    /// Every process of the instance is cared for in another way from now on, and so is one that is due.
    pub(super) async fn adjust(&mut self, care: &Care) {
        self.rule = Some(care.rule);
        self.reconsider(&care.rule).await;
        let all: Vec<_> = self.live_mut().map(|live| (live.execution, live.process.confinement)).collect();
        for (execution, id) in all {
            let confinement = self.context.limiter.plan(&care.limits, id);
            if let Some(live) = self.live_mut().find(|live| live.execution == execution) {
                live.adjust(care.clone(), confinement.clone());
            }
            self.hold_scope_to(execution, &confinement).await;
        }
        if let Service::Running(live, _) = &mut self.service {
            live.look_after(FirstLook::AtOnce);
            live.stop_if_ill();
            self.report_condition().await;
        }
    }

    /// Lets systemd hold a process to its limits. That it does not is a warning.
    pub(super) async fn hold_scope_to(&mut self, execution: ExecutionId, confinement: &Confinement) {
        let context = Arc::clone(&self.context);
        let Err(error) = self.meanwhile(context.limiter.adjust(confinement)).await else { return };
        tracing::warn!(?error, %execution, "systemd did not change the limits");
        if let Some(live) = self.live_mut().find(|live| live.execution == execution) {
            live.was_refused(format!("Its limits are as before: {}", error.detail()));
        }
    }

    /// A start that is due and that another rule does not want is called off.
    async fn reconsider(&mut self, rule: &RestartRule) {
        let Service::Waiting(waiting) = &mut self.service else { return };
        if waiting.is_wanted_by(rule) {
            return;
        }
        let (outlook, last) = (waiting.outlook(), waiting.last.take());
        self.service = Service::Off;
        // One that was given up is at rest for everybody already.
        if let (Outlook::KeptRunning, Some(ended)) = (outlook, last) {
            self.report(Report::Rested { instance: self.id, ended: *ended }).await;
        }
    }

    /// Reports how the service is, once. What cannot be kept is tried again later, and what is then the latest: nothing
    /// else waits for it.
    pub(super) async fn report_condition(&mut self) {
        let (context, instance) = (Arc::clone(&self.context), self.id);
        let Service::Running(live, _) = &self.service else {
            return self.pace.kept(Instant::now());
        };
        let (execution, condition) = (live.execution, live.condition());
        let report = Report::Observed { instance, execution, condition };
        match self.meanwhile(context.observer.report(report)).await {
            Ok(()) => self.pace.kept(Instant::now()),
            Err(error) => {
                tracing::warn!(?error, %instance, "how a service is could not be kept");
                self.pace.failed(Instant::now());
            }
        }
    }
}
