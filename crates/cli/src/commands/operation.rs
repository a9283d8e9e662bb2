//! Waiting for long work: for its end alone, or with its steps and its log as they happen.

use std::time::Duration;

use futures_util::future::try_join;
use mantyx_api_types::{LogLine, LogStream, OperationView};
use mantyx_core::{OperationId, OperationStatus};

use super::Session;
use super::steps::{Screen, Told};
use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::follow::{Follower, News};
use crate::outage::{Lapse, Outage, Patience};
use crate::output::{Output, aside};

/// How long one request waits for the end; then another one does.
const WAIT: Duration = Duration::from_secs(3600);

/// How long one does where the steps in between are told too: an answer is held until the end, not until the next step.
const LOOK: Duration = Duration::from_secs(1);

/// Sees an operation through with its steps and its log on standard error. However it ends it is given to programs,
/// and one that did not succeed is a failure.
pub(super) async fn see_through(session: &Session, operation: OperationView) -> Result<OperationView> {
    let ended = tell(&session.client, operation).await?;
    if session.output == Output::Programs && ended.status != OperationStatus::Succeeded {
        session.output.show(&ended, |_| String::new())?;
    }
    succeeded(ended)
}

/// The same for what is part of a longer command, which has a result of its own.
pub(super) async fn follow(client: &Client, operation: OperationView) -> Result<OperationView> {
    succeeded(tell(client, operation).await?)
}

/// Tells of an operation as it happens, until it ends.
async fn tell(client: &Client, operation: OperationView) -> Result<OperationView> {
    let (screen, id) = (Screen::open(), operation.id);
    // Only what is done to an app writes a log.
    if operation.app_id.is_none() {
        return tell_steps(client, operation, &screen).await;
    }
    let ((), ended) = try_join(tell_log(client, id, &screen), tell_steps(client, operation, &screen)).await?;
    Ok(ended)
}

async fn tell_steps(client: &Client, mut operation: OperationView, screen: &Screen) -> Result<OperationView> {
    let path = format!("/api/operations/{}", operation.id);
    let mut told = Told::default();
    loop {
        told.news(&operation).iter().try_for_each(|line| screen.line(line))?;
        screen.doing(&operation);
        if operation.status != OperationStatus::Running {
            return Ok(operation);
        }
        // The log says when nobody answers.
        operation = read_when_it_can_be(client, &path, LOOK, |_| Ok(())).await?;
    }
}

async fn tell_log(client: &Client, operation: OperationId, screen: &Screen) -> Result<()> {
    let path = format!("/api/operations/{operation}/log");
    let asking = |_| vec![("follow", "true".to_owned())];
    let mut lines = Follower::open(client, &path, asking, Patience::BOUNDED).await?;
    let mut whole = Whole::default();
    while let Some(news) = lines.next().await? {
        match news {
            News::Data(line) => {
                let line = serde_json::from_str(&line).map_err(|error| Failure::strange(&path, error))?;
                whole.take(line).iter().try_for_each(|text| screen.log(text))?;
            }
            News::Lapse(lapse) => {
                if lapse.tears() {
                    std::mem::take(&mut whole).rest().iter().try_for_each(|text| screen.log(text))?;
                }
                screen.line(lapse.words())?;
            }
        }
    }
    whole.rest().iter().try_for_each(|text| screen.log(text))
}

/// The most bytes of a line that wait for its end. A longer one is told in pieces.
const LONGEST: usize = 64 << 10;

/// Lines that come in pieces. On standard error they stand among others, so that only whole ones are told.
#[derive(Default)]
struct Whole {
    /// What has not ended, of each stream.
    open: Vec<(LogStream, String)>,
}

impl Whole {
    /// The line that ends with this piece, or is too long to wait for its end.
    fn take(&mut self, line: LogLine) -> Option<String> {
        let begun = self.open.iter().position(|(stream, _)| *stream == line.stream);
        let mut text = begun.map(|index| self.open.swap_remove(index).1).unwrap_or_default();
        text.push_str(&line.text);
        text.drain(..drawn_from(&text));
        if line.partial && text.len() < LONGEST {
            self.open.push((line.stream, text));
            return None;
        }
        Some(seen(text))
    }

    /// Those that never ended.
    fn rest(self) -> Vec<String> {
        self.open.into_iter().map(|(_, text)| seen(text)).collect()
    }
}

/// Where the last drawing begins of a line that is drawn over itself.
fn drawn_from(line: &str) -> usize {
    line.trim_end_matches('\r').rfind('\r').map_or(0, |at| at + 1)
}

fn seen(text: String) -> String {
    text.trim_end_matches('\r').to_owned()
}

/// Waits until an operation has ended. One that did not succeed is a failure.
pub(super) async fn finish(client: &Client, mut operation: OperationView) -> Result<OperationView> {
    let path = format!("/api/operations/{}", operation.id);
    while operation.status == OperationStatus::Running {
        operation = read_when_it_can_be(client, &path, WAIT, |lapse| aside(lapse.words())).await?;
    }
    succeeded(operation)
}

fn succeeded(operation: OperationView) -> Result<OperationView> {
    match operation.status {
        OperationStatus::Succeeded => Ok(operation),
        OperationStatus::Running | OperationStatus::Failed | OperationStatus::Cancelled => {
            Err(Failure::Operation(Box::new(operation)))
        }
    }
}

/// Reads an operation once it has ended, or this long has passed. A daemon that goes in the meantime comes back to it:
/// it goes by what it has written down.
async fn read_when_it_can_be(
    client: &Client,
    path: &str,
    wait: Duration,
    say: impl Fn(Lapse) -> Result<()>,
) -> Result<OperationView> {
    let mut outage = Outage::none(Patience::BOUNDED);
    loop {
        let lasts = outage.lasts();
        match client.get(path, &[("wait", wait.as_secs().to_string())]).await {
            Ok(operation) => {
                if lasts {
                    say(Lapse::Back)?;
                }
                return Ok(operation);
            }
            Err(failure) => outage.bear(failure)?,
        }
        if !lasts {
            say(Lapse::BrokeOff)?;
        }
        outage.pause().await;
    }
}

#[cfg(test)]
mod tests;
