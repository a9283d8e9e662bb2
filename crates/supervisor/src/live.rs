//! A process that is alive: who watches it, how it is cared for, and how it is.

use std::sync::Arc;

use mantyx_core::{
    ConfinementId, Ending, ExecutionId, Health, HealthRecord, Limits, RestartPolicy, Timestamp,
};
use mantyx_limits::Confinement;
use mantyx_monitor::{Phase, Terms};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use crate::care::Care;
use crate::checkup::{Checkup, FirstLook, Going};
use crate::condition::{Condition, WellSince};
use crate::news::{Teller, add};
use crate::watch::Order;

/// A process that is alive. Dropping it ends the watch, and nothing else.
pub(crate) struct Live {
    pub(crate) execution: ExecutionId,
    pub(crate) process: Process,
    pub(crate) care: Care,
    pub(crate) well: WellSince,
    orders: UnboundedSender<Order>,
    /// Why it was told to end, once it was.
    stopping: Option<Ending>,
    teller: Teller,
    record: HealthRecord,
    phase: watch::Sender<Phase>,
    /// Whether its monitor has said how it stands. Before that nothing follows from its silence.
    is_known: bool,
    status_text: Option<String>,
    /// What it is held to, and so are looks at it.
    confinement: Arc<Confinement>,
    /// What its monitor could not do, what it was not changed to, and what a checkup found.
    warned: Vec<String>,
    refused: Vec<String>,
    found: Vec<String>,
    checkup: Option<Going>,
}

/// The process itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) started_at: Timestamp,
    /// With which id its confinement is planned.
    pub(crate) confinement: ConfinementId,
}

/// What taking note of news has changed for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Noted {
    /// How it is.
    Health,
    /// Only what is said of it.
    Words,
    /// Nothing.
    Nothing,
}

impl Live {
    pub(crate) fn new(
        process: Process,
        care: Care,
        confinement: Confinement,
        orders: UnboundedSender<Order>,
        teller: Teller,
    ) -> Self {
        let record = HealthRecord::begun(care.is_looked_at());
        let well = WellSince::begun(record.health(), process.started_at);
        let (phase, _) = watch::channel(Phase::Silent);
        Self {
            execution: teller.execution(),
            process,
            care,
            well,
            orders,
            stopping: None,
            teller,
            record,
            phase,
            is_known: false,
            status_text: None,
            confinement: Arc::new(confinement),
            warned: Vec::new(),
            refused: Vec::new(),
            found: Vec::new(),
            checkup: None,
        }
    }

    /// The same, that has just begun, with what its monitor could not do.
    pub(crate) fn begun(mut self, warnings: Vec<String>) -> Self {
        (self.warned, self.is_known) = (warnings, true);
        self
    }

    /// The same, that was last known like this.
    pub(crate) fn resumed(mut self, known: Health) -> Self {
        self.record = HealthRecord::resumed(self.care.is_looked_at(), known);
        self.well = WellSince::resumed(self.record.health(), self.process.started_at);
        self
    }

    /// Begins to look at it, where that has not begun.
    pub(crate) fn look_after(&mut self, first: FirstLook) {
        if self.is_known && self.checkup.is_none() {
            let (phase, teller) = (self.phase.subscribe(), self.teller.clone());
            let tell = move |finding| teller.find(finding);
            let (record, started_at) = (self.record.clone(), self.process.started_at);
            let confinement = Arc::clone(&self.confinement);
            let checkup = Checkup::spawn(&self.care, confinement, started_at, record, phase, first, tell);
            self.checkup = Some(checkup);
        }
    }

    /// It is to end. One whose end is on its way is hurried by whoever else wants it, and not by its own illness.
    pub(crate) fn stop(&mut self, why: Ending) {
        let is_told = self.stopping.as_ref() == Some(&why)
            || self.stopping.is_some() && matches!(why, Ending::Unhealthy { .. });
        if !is_told {
            // It fails for one that has ended.
            let _ = self.orders.send(Order::Stop(self.care.stop(), why.clone()));
            self.stopping = Some(why);
        }
    }

    /// It is cared for in another way from now on. A checkup that means nothing any more ends with it.
    pub(crate) fn adjust(&mut self, care: Care, confinement: Confinement) {
        let looked_at = self.care.is_looked_at();
        let before = std::mem::replace(&mut self.care, care);
        // It keeps what it was started with; only a start changes that.
        (self.care.surroundings, self.care.web_port) = (before.surroundings, before.web_port);
        self.hold_to(confinement);
        if before.health == self.care.health && looked_at == self.care.is_looked_at() {
            return;
        }
        (self.checkup, self.found) = (None, Vec::new());
        self.teller.forget_findings();
        if self.record.health() != Health::Healthy || looked_at != self.care.is_looked_at() {
            self.record = HealthRecord::begun(self.care.is_looked_at());
        }
    }

    /// Lets its monitor hold it to what its care says.
    pub(crate) fn hold_to(&mut self, confinement: Confinement) {
        self.refused = Vec::new();
        let _ = self.orders.send(Order::Adjust(Box::new(self.terms(confinement.clone()))));
        if *self.confinement != confinement {
            // A look is held to what its app is held to.
            (self.confinement, self.checkup) = (Arc::new(confinement), None);
        }
    }

    /// Whether its monitor holds it to what its care says, by the terms that it has written down.
    pub(crate) fn is_held_to(&self, written: &Terms, confinement: &Confinement) -> bool {
        let now = self.terms(confinement.clone());
        let is_free = written.confinement.is_none() && self.care.limits == Limits::NONE;
        written.stop == now.stop
            && written.deadlines == now.deadlines
            && (is_free || written.confinement == now.confinement)
    }

    fn terms(&self, confinement: Confinement) -> Terms {
        let (stop, deadlines) = (self.care.stop(), self.care.deadlines());
        Terms { stop, deadlines, confinement: Some(confinement) }
    }

    /// What of its care it was not changed to, as a sentence.
    pub(crate) fn was_refused(&mut self, reason: String) {
        add(&mut self.refused, reason);
    }

    /// Takes note of everything that is new.
    pub(crate) fn note(&mut self) -> Noted {
        let (before, news) = (self.condition(), self.teller.take());
        if let Some(warnings) = news.warned {
            (self.warned, self.is_known) = (warnings, true);
        }
        if let Some(notified) = news.notified {
            self.status_text = notified.status;
            self.phase.send_if_modified(|phase| std::mem::replace(phase, notified.phase) != notified.phase);
        }
        if let Some(record) = news.record {
            self.well.turn(record.health());
            self.record = record;
        }
        news.refused.into_iter().for_each(|reason| add(&mut self.refused, reason));
        news.found.into_iter().for_each(|warning| add(&mut self.found, warning));
        let now = self.condition();
        if (before.health, &before.detail) != (now.health, &now.detail) {
            Noted::Health
        } else if before == now {
            Noted::Nothing
        } else {
            Noted::Words
        }
    }

    /// It is stopped where it is ill and its rule starts another. That it was ill before it was taken over does not
    /// suffice: then there is no detail yet.
    pub(crate) fn stop_if_ill(&mut self) {
        let is_restarted = self.care.rule.policy != RestartPolicy::Never;
        if self.record.health() == Health::Unhealthy
            && is_restarted
            && let Some(detail) = self.record.detail()
        {
            self.stop(Ending::Unhealthy { detail: detail.to_owned() });
        }
    }

    /// How it is.
    pub(crate) fn condition(&self) -> Condition {
        let said =
            [&self.care.warnings, &self.confinement.warnings, &self.warned, &self.refused, &self.found];
        let mut warnings = Vec::new();
        said.into_iter().flatten().for_each(|warning| add(&mut warnings, warning.clone()));
        Condition {
            health: self.record.health(),
            detail: self.record.detail().map(str::to_owned),
            status_text: self.status_text.clone(),
            warnings,
        }
    }
}

#[cfg(test)]
mod tests;
