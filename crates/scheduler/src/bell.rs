//! Wakes the worker of the queue in the moment that a job is there, so that it need not poll.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::stream;
use futures_util::task::AtomicWaker;

/// A bell that one task hears. Several rings before it listens count as one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rung: AtomicBool,
    listener: AtomicWaker,
}

impl Bell {
    pub(crate) fn ring(&self) {
        self.0.rung.store(true, Ordering::Release);
        self.0.listener.wake();
    }

    /// An item for each ring that was heard.
    pub(crate) fn rings(&self) -> impl Stream<Item = ()> + Unpin + Send + 'static {
        let bell = self.clone();
        stream::poll_fn(move |context| bell.poll(context))
    }

    /// A ring wakes the listener once more by itself: apalis may be reading the end of a query that began before
    /// the job was there, and would otherwise find nothing and go to sleep.
    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<()>> {
        self.0.listener.register(context.waker());
        if !self.0.rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        context.waker().wake_by_ref();
        Poll::Ready(Some(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    #[tokio::test]
    async fn rings_are_heard_before_and_after_listening() {
        let bell = Bell::default();
        let mut rings = bell.rings();
        bell.ring();
        bell.ring();
        assert_eq!(rings.next().await, Some(()));
        let listening = tokio::spawn(async move { rings.next().await });
        tokio::task::yield_now().await;
        bell.ring();
        assert_eq!(listening.await.unwrap(), Some(()));
    }
}
