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
    overdue: Option<Instant>,
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
    /// What of its launch could not be done as it was said, as sentences.
    Warnings(Vec<String>),
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

impl<F: Fn(Said) + Send> Watch<F> {
    /// A watch that carries out orders, and ends without a word when nobody can give any more. What the monitor says
    /// goes to `tell`.
    pub(crate) fn new(
        context: Arc<Context>,
        execution: ExecutionId,
        orders: UnboundedReceiver<Order>,
        tell: F,
    ) -> Self {
        Self { context, execution, orders, tell, stop: None, terms: None, overdue: None }
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
        // A connection that is broken shows as such when it is read.
        let _ = link.ask(&Request::Hello { version: VERSION }).await;
        let _ = link.ask(&Request::Status).await;
        for request in self.terms.iter().map(|terms| adjust(terms)).chain(self.stop.clone()) {
            let _ = link.ask(&request).await;
        }
        loop {
            tokio::select! {
                message = link.next() => match message {
                    Ok(Message::Exited { record }) => return Parted::Ended(Ended::from(*record)),
                    Ok(message) => self.pass_on(message),
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
        let request = match order {
            Order::Stop(terms, why) => {
                self.overdue = Some(Instant::now() + terms.grace() + OVERDUE);
                self.stop.insert(Request::Stop { terms, why: Some(why) }).clone()
            }
            Order::Adjust(terms) => adjust(self.terms.insert(terms)),
        };
        let _ = link.ask(&request).await;
        if matches!(request, Request::Adjust(_)) {
            let _ = link.ask(&Request::Status).await;
        }
    }

    fn pass_on(&self, message: Message) {
        match message {
            Message::Notified(notified) => (self.tell)(Said::Notified(notified)),
            Message::Status { notified, warnings, .. } => {
                (self.tell)(Said::Notified(notified));
                (self.tell)(Said::Warnings(warnings));
            }
            _ => {}
        }
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

fn adjust(terms: &Terms) -> Request {
    Request::Adjust(Box::new(terms.clone()))
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
