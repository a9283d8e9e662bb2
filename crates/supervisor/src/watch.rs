//! The task that watches one live process through the socket of its monitor.

use std::sync::Arc;
use std::time::Duration;

use mantyx_core::{Ending, ExecutionId};
use mantyx_monitor::{Message, Notified, Request, StopTerms, Terms, VERSION};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, sleep_until};

use crate::context::{Context, blocking};
use crate::ended::Ended;
use crate::link::{Link, is_gone};
use crate::tree;

/// A monitor kills everything when the grace is over. One that has not done so this long after does nothing more.
const OVERDUE: Duration = Duration::from_secs(15);
/// The version from which on a monitor takes other terms for a live process.
const ADJUSTS: u32 = 2;
/// How long between two attempts to reach a monitor that is there.
const RETRY: Duration = Duration::from_secs(1);

/// The watch over one live process.
pub(crate) struct Watch<F> {
    context: Arc<Context>,
    execution: ExecutionId,
    orders: UnboundedReceiver<Order>,
    tell: F,
    /// The orders that hold. Those that were given to a connection that broke may not have arrived.
    stop: Option<Request>,
    terms: Option<Box<Terms>>,
    /// Why it was first told to end. A monitor of version 1 does not keep it.
    why: Option<Ending>,
    /// The version of the monitor, once it has said so on this connection.
    version: Option<u32>,
    overdue: Option<Instant>,
    /// When a connection last broke.
    broken: Option<Instant>,
}

/// What is to be done with a live process.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// It is to end, because of this.
    Stop(StopTerms, Ending),
    /// Other terms hold for it from now on.
    Adjust(Box<Terms>),
}

/// What a monitor says of its process while that lives.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// What the app has said of itself.
    Notified(Notified),
    /// The same, and what of its launch could not be done as it was said, as sentences.
    Status(Notified, Vec<String>),
    /// What it does not do, as a sentence.
    Refused(String),
}

/// How a conversation with a monitor ended.
enum Parted {
    /// The process has ended.
    Ended(Ended),
    /// The connection broke.
    Broken,
    /// The monitor does not do what it was told.
    Overdue,
    /// Nobody is interested any more.
    Abandoned,
}

impl<F: Fn(Said) + Send + Sync> Watch<F> {
    /// A watch that carries out orders, and ends without a word when nobody can give any more. What the monitor says
    /// goes to `tell`.
    pub(crate) fn new(
        context: Arc<Context>,
        execution: ExecutionId,
        orders: UnboundedReceiver<Order>,
        tell: F,
    ) -> Self {
        let (stop, terms, why, version, overdue, broken) = (None, None, None, None, None, None);
        Self { context, execution, orders, tell, stop, terms, why, version, overdue, broken }
    }

    /// Waits for the end of the process; `None` when the watch is called off.
    pub(crate) async fn run(mut self) -> Option<Ended> {
        loop {
            match Link::connect(&self.context.folder, self.execution).await {
                Ok(link) => match self.converse(link).await {
                    Parted::Ended(ended) => return Some(ended),
                    Parted::Abandoned => return None,
                    Parted::Overdue => return self.settle().await,
                    Parted::Broken => {
                        if let Some(ended) = self.written().await {
                            return Some(ended);
                        }
                        self.back_off().await;
                    }
                },
                Err(error) if is_gone(&error) => return self.settle().await,
                // Out of descriptors, perhaps. The process is well as long as its monitor is.
                Err(error) => {
                    tracing::warn!(%error, execution = %self.execution, "the monitor cannot be reached");
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// A monitor that was killed is seen at once by connecting again. One that takes connections and drops them is
    /// given time.
    async fn back_off(&mut self) {
        let before = self.broken.replace(Instant::now());
        if before.is_some_and(|before| before.elapsed() < 2 * RETRY) {
            sleep(RETRY).await;
        }
    }

    async fn converse(&mut self, mut link: Link) -> Parted {
        self.version = None;
        // A connection that is broken shows as such when it is read.
        let _ = link.ask(&Request::Hello { version: VERSION }).await;
        let _ = link.ask(&Request::Status).await;
        if let Some(stop) = &self.stop {
            let _ = link.ask(stop).await;
        }
        loop {
            tokio::select! {
                message = link.next() => match message {
                    Ok(Message::Exited { record }) => {
                        return Parted::Ended(Ended::of(*record, self.why.clone()));
                    }
                    Ok(message) => self.hear(&mut link, message).await,
                    Err(_) => return Parted::Broken,
                },
                order = self.orders.recv() => match order {
                    Some(order) => self.order(&mut link, order).await,
                    None => return Parted::Abandoned,
                },
                () = at(self.overdue) => return Parted::Overdue,
            }
        }
    }

    async fn order(&mut self, link: &mut Link, order: Order) {
        match order {
            Order::Stop(terms, why) => {
                self.overdue = Some(Instant::now() + terms.grace() + OVERDUE);
                self.why.get_or_insert_with(|| why.clone());
                let stop = self.stop.insert(Request::Stop { terms, why: Some(why) });
                let _ = link.ask(stop).await;
            }
            Order::Adjust(terms) => {
                self.terms = Some(terms);
                self.adjust(link).await;
            }
        }
    }

    /// Hands on the terms, once it is known who is there: a monitor that does not know them would take them for a
    /// broken request.
    async fn adjust(&self, link: &mut Link) {
        let (Some(terms), Some(version)) = (&self.terms, self.version) else { return };
        if version < ADJUSTS {
            let detail = "It was started by an earlier version of Mantyx, and is held to what it was started with \
                          until its next start";
            return self.refused(detail.to_owned());
        }
        let _ = link.ask(&Request::Adjust(terms.clone())).await;
        let _ = link.ask(&Request::Status).await;
    }

    async fn hear(&mut self, link: &mut Link, message: Message) {
        match message {
            Message::Hello { version, .. } => {
                self.version = Some(version);
                self.adjust(link).await;
            }
            Message::Notified(notified) => (self.tell)(Said::Notified(notified)),
            Message::Status { notified, warnings, .. } => (self.tell)(Said::Status(notified, warnings)),
            // A process that is being stopped may have ended a moment ago.
            Message::Refused { reason } if self.stop.is_none() => {
                self.refused(format!("Its monitor did not do as it was told: {reason}"));
            }
            _ => {}
        }
    }

    fn refused(&self, detail: String) {
        tracing::warn!(execution = %self.execution, "{detail}");
        (self.tell)(Said::Refused(detail));
    }

    /// There is no monitor: either it has left a record of the exit, or it was killed and takes its app along. What
    /// does not die has not ended.
    async fn settle(mut self) -> Option<Ended> {
        if let Some(ended) = self.written().await {
            return Some(ended);
        }
        let (folder, execution) = (Arc::clone(&self.context.folder), self.execution);
        tracing::warn!(%execution, "the monitor was killed, its app is killed too");
        let tell = |survivors: &tree::Survivors| (self.tell)(Said::Refused(survivors.to_string()));
        tokio::select! {
            () = tree::end_at_last(&folder, execution, tell) => {}
            () = abandoned(&mut self.orders) => return None,
        }
        let record = blocking(&folder, move |folder| folder.record(execution)).await.ok().flatten();
        Some(Ended::lost(record.and_then(|record| record.main).map(|main| main.started_at)))
    }

    /// How it ended, where its monitor has written that down.
    async fn written(&self) -> Option<Ended> {
        let execution = self.execution;
        let record = blocking(&self.context.folder, move |folder| folder.exit_record(execution)).await;
        Some(Ended::of(record.ok()??, self.why.clone()))
    }
}

/// Completes when nobody can give orders any more. There is nobody left who could carry one out.
async fn abandoned(orders: &mut UnboundedReceiver<Order>) {
    while orders.recv().await.is_some() {}
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
