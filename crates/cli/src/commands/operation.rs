//! Waiting for long work, with its log as it happens.

use mantyx_api_types::{LogLine, LogStream, OperationView};
use mantyx_core::{Code, Error, OperationStatus};

use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::follow::{Follower, News};
use crate::outage::{Lapse, Outage, Patience};
use crate::output::{aside, aside_log};

/// How long one request waits for the end, in seconds; then another one does.
const WAIT: u32 = 3600;

/// Prints the log of an operation on standard error until it ends.
pub(super) async fn watch(client: &Client, operation: &OperationView) -> Result<()> {
    let path = format!("/api/operations/{}/log", operation.id);
    let asking = |_| vec![("follow", "true".to_owned())];
    let mut lines = Follower::open(client, &path, asking, Patience::BOUNDED).await?;
    let mut whole = Whole::default();
    while let Some(news) = lines.next().await? {
        match news {
            News::Data(line) => {
                let line = serde_json::from_str(&line).map_err(|error| Failure::strange(&path, error))?;
                whole.take(line).iter().try_for_each(|text| aside_log(text))?;
            }
            News::Lapse(lapse) => {
                if lapse.tears() {
                    std::mem::take(&mut whole).rest().iter().try_for_each(|text| aside_log(text))?;
                }
                aside(lapse.words())?;
            }
        }
    }
    whole.rest().iter().try_for_each(|text| aside_log(text))
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
        operation = read_when_it_can_be(client, &path).await?;
    }
    match (operation.status, operation.problem.take()) {
        (OperationStatus::Succeeded, _) => Ok(operation),
        (_, Some(problem)) => Err(Failure::Refused(Box::new(problem))),
        (status, None) => {
            let detail = format!("The operation on `{}` has {}", operation.app, status.as_str());
            Err(Failure::Local(Error::new(Code::Cancelled, detail)))
        }
    }
}

/// Reads an operation once it has ended. A daemon that goes in the meantime comes back to it: it goes by what it has
/// written down.
async fn read_when_it_can_be(client: &Client, path: &str) -> Result<OperationView> {
    let mut outage = Outage::none(Patience::BOUNDED);
    loop {
        let lasts = outage.lasts();
        match client.get(path, &[("wait", WAIT.to_string())]).await {
            Ok(operation) => {
                if lasts {
                    aside(Lapse::Back.words())?;
                }
                return Ok(operation);
            }
            Err(failure) => outage.bear(failure)?,
        }
        if !lasts {
            aside(Lapse::BrokeOff.words())?;
        }
        outage.pause().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use mantyx_api_types::LogSource;
    use mantyx_core::OperationId;

    #[test]
    fn a_line_in_pieces_is_told_once_as_it_is_seen_in_the_end() {
        use LogStream::{Stderr, Stdout};
        let source = LogSource::Operation(OperationId::generate());
        let long = "x".repeat(LONGEST);
        let mut whole = Whole::default();
        let pieces = [
            (Stdout, "\r1 %", true),
            (Stderr, "begun, ", true),
            (Stdout, "\r50 %\r", true),
            (Stderr, "done", false),
            (Stdout, "all\r", false),
            (Stdout, &long, true),
            (Stdout, "its end", false),
            (Stdout, "no end", true),
        ];
        let line = |(stream, text, partial): (LogStream, &str, bool)| {
            let (at, text) = (DateTime::UNIX_EPOCH, text.to_owned());
            LogLine { at, stream, source, text, partial }
        };
        let told: Vec<String> = pieces.into_iter().filter_map(|piece| whole.take(line(piece))).collect();
        assert_eq!(told, ["begun, done", "all", &long, "its end"]);
        assert_eq!(whole.rest(), ["no end"]);
    }
}
