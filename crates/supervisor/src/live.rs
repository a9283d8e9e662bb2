//! A process that is alive: who watches it, how it is cared for, and how it is.

use mantyx_core::{Changed, Ending, ExecutionId, Health, HealthRecord, RestartPolicy, Timestamp};
use mantyx_limits::Confinement;
use mantyx_monitor::{Phase, Terms};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use crate::care::Care;
use crate::checkup::{Checkup, Finding, Going};
use crate::condition::{Condition, WellSince};
use crate::watch::{Order, Said};

/// A process that is alive. Dropping it ends the watch, and nothing else.
pub(crate) struct Live {
    pub(crate) execution: ExecutionId,
    pub(crate) pid: u32,
    pub(crate) started_at: Timestamp,
    pub(crate) care: Care,
    pub(crate) well: WellSince,
    orders: UnboundedSender<Order>,
    record: HealthRecord,
    phase: watch::Sender<Phase>,
    status_text: Option<String>,
    /// What this machine does not offer, what its monitor could not do, and what a checkup found.
    planned: Vec<String>,
    warned: Vec<String>,
    found: Vec<String>,
    checkup: Option<Going>,
}

/// What a finding means for a process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Turn {
    /// It is ill from now on: what the last look said.
    ForTheWorse(String),
    /// Nothing that calls for action.
    None,
}

impl Live {
    pub(crate) fn new(
        execution: ExecutionId,
        pid: u32,
        started_at: Timestamp,
        care: Care,
        confinement: &Confinement,
        orders: UnboundedSender<Order>,
    ) -> Self {
        let record = HealthRecord::begun(care.is_looked_at());
        let well = WellSince::begun(record.health(), started_at);
        let (phase, _) = watch::channel(Phase::Silent);
        let (planned, warned, found) = (confinement.warnings.clone(), Vec::new(), Vec::new());
        Self {
            execution,
            pid,
            started_at,
            care,
            well,
            orders,
            record,
            phase,
            status_text: None,
            planned,
            warned,
            found,
            checkup: None,
        }
    }

    /// The same, with what its monitor could not do.
    pub(crate) fn warned(mut self, warnings: Vec<String>) -> Self {
        self.warned = warnings;
        self
    }

    /// Begins to look at it, or begins anew after its care has changed.
    pub(crate) fn look_after(&mut self, tell: impl Fn(Finding) + Send + Sync + 'static) {
        let phase = self.phase.subscribe();
        self.checkup = Some(Checkup::spawn(&self.care, self.started_at, self.record.clone(), phase, tell));
    }

    /// It is to end. The order fails for one whose end is on its way.
    pub(crate) fn stop(&self, why: Ending) {
        let _ = self.orders.send(Order::Stop(self.care.stop(), why));
    }

    /// It is cared for in another way from now on. What changed so that it has to be looked at anew is told.
    pub(crate) fn adjust(&mut self, care: Care, confinement: Confinement) -> Changed {
        let (health, looked_at) = (self.care.health.clone(), self.care.is_looked_at());
        self.planned.clone_from(&confinement.warnings);
        let (stop, deadlines, confinement) = (care.stop(), care.deadlines(), Some(confinement));
        let _ = self.orders.send(Order::Adjust(Box::new(Terms { stop, deadlines, confinement })));
        let surroundings = std::mem::replace(&mut self.care, care).surroundings;
        // It keeps what it was started with; only a start changes that.
        self.care.surroundings = surroundings;
        if health == self.care.health && looked_at == self.care.is_looked_at() {
            return Changed::No;
        }
        (self.checkup, self.found) = (None, Vec::new());
        if self.record.health() != Health::Healthy || looked_at != self.care.is_looked_at() {
            self.record = HealthRecord::begun(self.care.is_looked_at());
        }
        Changed::Yes
    }

    /// Its monitor has said something. Whether a reader is told something new is the answer.
    pub(crate) fn hear(&mut self, said: Said) -> Changed {
        let before = self.condition();
        match said {
            Said::Warnings(warnings) => self.warned = warnings,
            Said::Notified(notified) => {
                self.status_text = notified.status;
                self.phase
                    .send_if_modified(|phase| std::mem::replace(phase, notified.phase) != notified.phase);
            }
        }
        if before == self.condition() { Changed::No } else { Changed::Yes }
    }

    /// A checkup has found something.
    pub(crate) fn find(&mut self, finding: Finding) -> Turn {
        let record = match finding {
            Finding::Health(record) => record,
            Finding::Warning(warning) => {
                self.found.push(warning);
                return Turn::None;
            }
        };
        self.well.turn(record.health());
        let before = std::mem::replace(&mut self.record, record).health();
        match self.record.health() {
            Health::Unhealthy if before != Health::Unhealthy => {
                Turn::ForTheWorse(self.record.detail().unwrap_or_default().to_owned())
            }
            _ => Turn::None,
        }
    }

    /// Whether its rule starts another when it is stopped because it is ill.
    pub(crate) fn is_restarted_when_ill(&self) -> bool {
        self.care.rule.policy != RestartPolicy::Never
    }

    /// How it is.
    pub(crate) fn condition(&self) -> Condition {
        Condition {
            health: self.record.health(),
            detail: self.record.detail().map(str::to_owned),
            status_text: self.status_text.clone(),
            warnings: [&*self.care.warnings, &*self.planned, &*self.warned, &*self.found].concat(),
        }
    }
}
