//! What is new of a live process, until its instance takes note of it.
//!
//! An app may say something a thousand times a second while its instance waits for a database that is locked. So what
//! is said is no queue: the latest counts, and the instance is told once that there is something.

use std::sync::{Arc, Mutex, PoisonError};

use mantyx_core::{ExecutionId, HealthRecord};
use mantyx_monitor::Notified;
use tokio::sync::mpsc::WeakUnboundedSender;

use crate::checkup::Finding;
use crate::instance::Message;
use crate::watch::Said;

/// What is new of a live process.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// What it has said of itself.
    pub(crate) notified: Option<Notified>,
    /// What its monitor could not do; something only when the monitor has said how the process stands.
    pub(crate) warned: Option<Vec<String>>,
    /// What its monitor does not do, as sentences.
    pub(crate) refused: Vec<String>,
    /// How it fares.
    pub(crate) record: Option<HealthRecord>,
    /// What else a checkup has found, as sentences.
    pub(crate) found: Vec<String>,
}

/// Where the watch and the checkup of a process leave what they have to tell.
#[derive(Clone)]
pub(crate) struct Teller {
    execution: ExecutionId,
    news: Arc<Mutex<Option<News>>>,
    /// A strong one would keep the task of the instance alive by itself.
    outbox: WeakUnboundedSender<Message>,
}

impl Teller {
    pub(crate) fn new(execution: ExecutionId, outbox: WeakUnboundedSender<Message>) -> Self {
        Self { execution, news: Arc::default(), outbox }
    }

    /// Of which process.
    pub(crate) const fn execution(&self) -> ExecutionId {
        self.execution
    }

    /// Something that its monitor has said.
    pub(crate) fn say(&self, said: Said) {
        self.tell(|news| match said {
            Said::Notified(notified) => news.notified = Some(notified),
            Said::Status(notified, warnings) => {
                (news.notified, news.warned) = (Some(notified), Some(warnings));
            }
            Said::Refused(reason) => add(&mut news.refused, reason),
        });
    }

    /// Something that a checkup has found.
    pub(crate) fn find(&self, finding: Finding) {
        self.tell(|news| match finding {
            Finding::Health(record) => news.record = Some(record),
            Finding::Warning(warning) => add(&mut news.found, warning),
        });
    }

    /// Everything that is new.
    pub(crate) fn take(&self) -> News {
        self.news().take().unwrap_or_default()
    }

    /// What a checkup has found means nothing any more.
    pub(crate) fn forget_findings(&self) {
        if let Some(news) = &mut *self.news() {
            (news.record, news.found) = (None, Vec::new());
        }
    }

    fn tell(&self, change: impl FnOnce(&mut News)) {
        let mut news = self.news();
        let is_first = news.is_none();
        change(news.get_or_insert_default());
        if is_first && let Some(outbox) = self.outbox.upgrade() {
            // It fails when the supervisor goes down.
            let _ = outbox.send(Message::News(self.execution));
        }
    }

    fn news(&self) -> std::sync::MutexGuard<'_, Option<News>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a sentence that is not there yet.
pub(crate) fn add(sentences: &mut Vec<String>, sentence: String) {
    if !sentences.contains(&sentence) {
        sentences.push(sentence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[test]
    fn a_flood_is_one_message_and_the_latest_counts() {
        let (sender, mut inbox) = mpsc::unbounded_channel();
        let teller = Teller::new(ExecutionId::generate(), sender.downgrade());
        for n in 0..1000 {
            teller.say(Said::Notified(Notified { status: Some(n.to_string()), ..Notified::default() }));
            teller.say(Said::Refused("No".into()));
        }
        assert_eq!(inbox.len(), 1);
        let news = teller.take();
        assert_eq!(news.notified.unwrap().status.as_deref(), Some("999"));
        assert_eq!(news.refused, ["No"]);
        assert!(news.warned.is_none() && news.record.is_none());
        teller.find(Finding::Warning("Look".into()));
        teller.forget_findings();
        assert!(teller.take().found.is_empty());
        assert!(inbox.try_recv().is_ok() && inbox.try_recv().is_ok() && inbox.try_recv().is_err());
    }
}
