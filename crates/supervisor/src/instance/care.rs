//! What an instance does about a process while that lives.

use std::sync::Arc;

use mantyx_core::{Changed, Ending, ExecutionId};

use super::{Instance, Message};
use crate::care::Care;
use crate::checkup::Finding;
use crate::live::{Live, Turn};
use crate::observer::Report;
use crate::service::Service;
use crate::watch::Said;

impl Instance {
    /// The monitor of a process has said something.
    pub(super) async fn hear(&mut self, execution: ExecutionId, said: Said) {
        // What a run says of itself is kept by nobody: its outcome is what counts.
        let Some(live) = self.service_of(execution) else { return };
        if live.hear(said) == Changed::Yes {
            self.report_condition().await;
        }
    }

    /// A checkup of the service has found something. One that is ill is stopped, and its rule starts another.
    pub(super) async fn found(&mut self, execution: ExecutionId, finding: Finding) {
        let Some(live) = self.service_of(execution) else { return };
        let turn = live.find(finding);
        self.report_condition().await;
        if let (Turn::ForTheWorse(detail), Service::Running(live, _)) = (turn, &self.service)
            && live.is_restarted_when_ill()
        {
            live.stop(Ending::Unhealthy { detail });
        }
    }

    /// Every process of the instance is cared for in another way from now on.
    pub(super) async fn adjust(&mut self, care: &Care) {
        let context = Arc::clone(&self.context);
        let confinement = |execution| context.limiter.plan(&care.limits, execution);
        for live in self.runs.values_mut() {
            let _ = live.adjust(care.clone(), confinement(live.execution));
        }
        let Service::Running(live, _) = &mut self.service else { return };
        let execution = live.execution;
        let confinement = confinement(execution);
        if let Err(error) = context.limiter.adjust(&confinement).await {
            tracing::warn!(?error, %execution, "systemd did not change the limits");
        }
        let changed = live.adjust(care.clone(), confinement);
        if changed == Changed::Yes {
            let tell = self.teller(move |finding| Message::Found(execution, finding));
            if let Service::Running(live, _) = &mut self.service {
                live.look_after(tell);
            }
        }
        self.report_condition().await;
    }

    fn service_of(&mut self, execution: ExecutionId) -> Option<&mut Live> {
        match &mut self.service {
            Service::Running(live, _) if live.execution == execution => Some(live),
            _ => None,
        }
    }

    async fn report_condition(&self) {
        let Service::Running(live, _) = &self.service else { return };
        let (instance, execution, condition) = (self.id, live.execution, live.condition());
        self.context.report(Report::Observed { instance, execution, condition }).await;
    }
}
