//! Processes that an earlier daemon began.

use std::sync::Arc;
use std::time::Duration;

use mantyx_core::{Code, Error, ExecutionId, Result, Trigger};
use mantyx_monitor::Terms;

use super::{Instance, Role};
use crate::care::Care;
use crate::discover::{Discovered, Found, WebPort, Written};
use crate::ended::Ended;
use crate::live::Process;
use crate::service::Service;

impl Instance {
    /// A process that is alive is watched from now on; the end of one that is not is reported, and what follows
    /// from it is decided, as if it had been watched all along.
    pub(super) async fn adopt(&mut self, discovered: Discovered, role: Role, care: Care) -> Result<()> {
        self.rule = Some(care.rule);
        let Discovered { execution, found, written, .. } = discovered;
        let confined = written.as_ref().and_then(|written| written.terms.confinement.as_ref()?.id());
        let confinement = confined.unwrap_or_else(|| execution.into());
        let process = match found {
            Found::Live { pid, started_at } => Process { pid, started_at, confinement },
            Found::Ended(ended) => return self.adopt_end(execution, ended, role, &care).await,
            Found::Lost => return self.adopt_end(execution, Ended::lost(None), role, &care).await,
        };
        if self.live_mut().any(|live| live.execution == execution) {
            return Ok(());
        }
        let care = as_started(care, written.as_ref());
        match role {
            Role::Service { .. } if matches!(self.service, Service::Running(..)) => {
                let detail = format!("Execution `{execution}` cannot be adopted: its instance has a service");
                return Err(Error::new(Code::IllegalState, detail));
            }
            // It is looked at once its monitor has said what it has said of itself.
            Role::Service { history, health } => {
                let live = self.watch(execution, process, care).resumed(health);
                self.service = Service::Running(Box::new(live), history);
            }
            Role::Run => drop(self.runs.insert(execution, self.watch(execution, process, care))),
        }
        self.catch_up(execution, written.map(|written| written.terms).as_ref()).await;
        self.context.reserve.refill(&self.context);
        Ok(())
    }

    /// The daemon may have been killed between keeping how a process is cared for and telling its monitor.
    async fn catch_up(&mut self, execution: ExecutionId, written: Option<&Terms>) {
        let context = Arc::clone(&self.context);
        let found = self.live_mut().find(|live| live.execution == execution);
        let (Some(live), Some(written)) = (found, written) else { return };
        let confinement = context.limiter.plan(&live.care.limits, live.process.confinement);
        if !live.is_held_to(written, &confinement) {
            live.hold_to(confinement.clone());
            self.hold_scope_to(execution, &confinement).await;
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
            // The machine is up again.
            Role::Service { history, .. }
                if matches!(self.service, Service::Off) && ended.was_shut_down() =>
            {
                self.wait(Duration::ZERO, Trigger::Boot, history, ended).await;
            }
            Role::Service { history, .. } if matches!(self.service, Service::Off) => {
                // Nobody knows since when it was well; that it ran is what is left to judge by.
                let well_for = ended.duration();
                self.decide(&care.rule, history, well_for, ended).await;
            }
            Role::Service { .. } | Role::Run => {}
        }
        Ok(())
    }
}

/// It has the port that it was started with, whichever its app was given since.
fn as_started(care: Care, written: Option<&Written>) -> Care {
    match written.map(|written| written.web_port) {
        Some(WebPort::Known(web_port)) => Care { web_port, ..care },
        Some(WebPort::Unknown) | None => care,
    }
}
