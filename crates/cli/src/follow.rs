//! Following a log for longer than a connection lasts.
//!
//! Apps and their logs go on while the daemon is started again or replaced, so who follows one goes on too: each event
//! has an id, and a new connection is asked for what comes behind the last one that was told. Only the first connection
//! must succeed at once, because there the address may be wrong.

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use mantyx_api_types::{LogGap, Problem};
use mantyx_core::Code;

use crate::client::{Client, Events};
use crate::failure::{Failure, Result};
use crate::outage::{Lapse, Outage, Patience};
use crate::sse::Event;

/// What a follower is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The data of an event.
    Data(String),
    /// Something of the connection.
    Lapse(Lapse),
}

/// Parameters of the address. A stream that broke off before it told anything has no place to go on from: since the
/// instant that is given nothing was told.
type Asking<'a> = Box<dyn Fn(Option<DateTime<Utc>>) -> Vec<(&'static str, String)> + 'a>;

/// Follows a stream of events to its end.
pub(crate) struct Follower<'a> {
    client: &'a Client,
    path: &'a str,
    asking: Asking<'a>,
    /// The parameters of the stream that `last` is of: an id is good for the same ones only.
    query: Vec<(&'static str, String)>,
    /// When the first connection began.
    began: Option<DateTime<Utc>>,
    /// The id of the last event that was told.
    last: Option<String>,
    /// What comes, while there is a connection.
    events: Option<BoxStream<'a, Result<Event>>>,
    outage: Outage,
}

impl<'a> Follower<'a> {
    /// Begins to follow.
    pub(crate) async fn open(
        client: &'a Client,
        path: &'a str,
        asking: impl Fn(Option<DateTime<Utc>>) -> Vec<(&'static str, String)> + 'a,
        patience: Patience,
    ) -> Result<Self> {
        let query = asking(None);
        let Events { began, stream } = client.events(path, &query, None).await?;
        let (asking, events, outage) = (Box::new(asking), Some(stream), Outage::none(patience));
        Ok(Self { client, path, asking, query, began, last: None, events, outage })
    }

    /// What comes next; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<News>> {
        let Some(events) = &mut self.events else {
            return Ok(Some(News::Lapse(self.connect_again().await?)));
        };
        loop {
            let event = events.next().await.unwrap_or_else(|| Err(self.client.broke_off()));
            match event.and_then(unless_refused) {
                Ok(event) if event.name == "message" => {
                    self.last = event.id.or_else(|| self.last.take());
                    return Ok(Some(News::Data(event.data)));
                }
                Ok(event) if event.name == "gap" => {
                    // A newer daemon may have more reasons.
                    let gap = serde_json::from_str(&event.data).unwrap_or(LogGap::Unplaced);
                    return Ok(Some(News::Lapse(Lapse::Missing(gap))));
                }
                Ok(event) if event.name == "end" => return Ok(None),
                // Of a daemon that is newer: nothing that this program could tell.
                Ok(_) => {}
                Err(failure) => {
                    self.events = None;
                    self.outage.bear(failure)?;
                    return Ok(Some(News::Lapse(Lapse::BrokeOff)));
                }
            }
        }
    }

    async fn connect_again(&mut self) -> Result<Lapse> {
        let mut back = Lapse::Back;
        loop {
            self.outage.pause().await;
            if self.last.is_none() {
                self.query = (self.asking)(self.began);
            }
            match self.client.events(self.path, &self.query, self.last.as_deref()).await {
                Ok(events) => {
                    self.events = Some(events.stream);
                    self.outage.end();
                    return Ok(back);
                }
                // The query was understood before, so that it is the id which is not: it is of another version. Then
                // it begins as it did for the first time.
                Err(Failure::Refused(problem)) if problem.code == Code::Malformed && self.last.is_some() => {
                    (self.last, self.began) = (None, None);
                    back = Lapse::BackElsewhere;
                }
                Err(failure) => self.outage.bear(failure)?,
            }
        }
    }
}

/// An event of the type `error` is a refusal in the middle of a stream.
fn unless_refused(event: Event) -> Result<Event> {
    if event.name != "error" {
        return Ok(event);
    }
    match serde_json::from_str::<Problem>(&event.data) {
        Ok(problem) => Err(Failure::Refused(Box::new(problem))),
        Err(error) => Err(Failure::strange("a stream of events", error)),
    }
}

#[cfg(test)]
mod tests;
