//! The task that watches one live process through the socket of its monitor.

use std::sync::Arc;
use std::time::Duration;

use mantyx_core::ExecutionId;
use mantyx_monitor::{Message, Request, StopTerms};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, sleep_until};

use crate::context::{Context, blocking};
use crate::ended::Ended;
use crate::link::{Link, is_gone};
use crate::tree;

/// A monitor kills everything when the grace is over. One that has not done so this long after does nothing more.
const OVERDUE: Duration = Duration::from_secs(15);
/// How long between two attempts to reach a monitor that is there.
const RETRY: Duration = Duration::from_secs(1);

/// The watch over one live process.
pub(crate) struct Watch {
    context: Arc<Context>,
    execution: ExecutionId,
    orders: UnboundedReceiver<StopTerms>,
    stop: Option<StopTerms>,
    overdue: Option<Instant>,
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

impl Watch {
    /// A watch that stops its process when it is ordered to, and ends without a word when nobody can order any
    /// more.
    pub(crate) fn new(
        context: Arc<Context>,
        execution: ExecutionId,
        orders: UnboundedReceiver<StopTerms>,
    ) -> Self {
        Self { context, execution, orders, stop: None, overdue: None }
    }

    /// Waits for the end of the process; `None` when the watch is called off.
    pub(crate) async fn run(mut self) -> Option<Ended> {
        loop {
            match Link::connect(&self.context.folder, self.execution).await {
                Ok(link) => match self.converse(link).await {
                    Parted::Ended(ended) => return Some(ended),
                    Parted::Abandoned => return None,
                    Parted::Overdue => return Some(self.settle().await),
                    Parted::Broken => {}
                },
                Err(error) if is_gone(&error) => return Some(self.settle().await),
                // Out of descriptors, perhaps. The process is well as long as its monitor is.
                Err(error) => {
                    tracing::warn!(%error, execution = %self.execution, "the monitor cannot be reached");
                    sleep(RETRY).await;
                }
            }
        }
    }

    async fn converse(&mut self, mut link: Link) -> Parted {
        // An order that was given to a connection that broke may not have arrived.
        if let Some(terms) = self.stop {
            let _ = link.ask(&Request::Stop(terms)).await;
        }
        loop {
            tokio::select! {
                message = link.next() => match message {
                    Ok(Message::Exited { record }) => return Parted::Ended(Ended::from(*record)),
                    Ok(_) => {}
                    Err(_) => return Parted::Broken,
                },
                order = self.orders.recv() => match order {
                    Some(terms) => self.order(&mut link, terms).await,
                    None => return Parted::Abandoned,
                },
                () = at(self.overdue) => return Parted::Overdue,
            }
        }
    }

    async fn order(&mut self, link: &mut Link, terms: StopTerms) {
        self.stop = Some(terms);
        self.overdue = Some(Instant::now() + terms.grace() + OVERDUE);
        // A connection that is broken shows as such when it is read.
        let _ = link.ask(&Request::Stop(terms)).await;
    }

    /// There is no monitor: either it has left a record of the exit, or it was killed and takes its app along.
    async fn settle(&self) -> Ended {
        let execution = self.execution;
        let read = move |folder: &mantyx_monitor::RunFolder| folder.exit_record(execution);
        if let Ok(Some(record)) = blocking(&self.context.folder, read).await {
            return Ended::from(record);
        }
        tracing::warn!(%execution, "the monitor was killed, its app is killed too");
        tree::end(&self.context.folder, execution).await;
        let record = self.context.folder.record(execution).ok().flatten();
        Ended::lost(record.and_then(|record| record.main).map(|main| main.started_at))
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
