//! The log of an app, past or as it grows.

use std::io::{IsTerminal as _, Write as _};

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::StreamExt;
use mantyx_api_types::{LogLine, Page};

use super::Session;
use crate::arguments::LogsArgs;
use crate::failure::{Failure, Result};
use crate::output::{Kept, Output, aside, printable};

/// The most lines that the API gives as JSON at once. Text has no such limit.
const LARGEST_PAGE: usize = 10_000;

pub(super) async fn logs(what: LogsArgs, session: Session) -> Result<()> {
    let path = format!("/api/apps/{}/logs", what.app);
    match session.output {
        _ if what.follow => follow(&what, &session, &path).await,
        Output::People if what.tail > LARGEST_PAGE => read_text(&what, &session, &path).await,
        _ => read_page(&what, &session, &path).await,
    }
}

async fn follow(what: &LogsArgs, session: &Session, path: &str) -> Result<()> {
    let lines = session.client.follow(path, &query(what)).await?;
    let mut lines = std::pin::pin!(lines);
    while let Some(line) = lines.next().await {
        let line = serde_json::from_str(&line?).map_err(|error| Failure::strange(path, error))?;
        print(session, what, &line)?;
    }
    Ok(())
}

async fn read_page(what: &LogsArgs, session: &Session, path: &str) -> Result<()> {
    let page: Page<LogLine> = session.client.get(path, &query(what)).await?;
    page.items.iter().try_for_each(|line| print(session, what, line))?;
    if what.tail > LARGEST_PAGE && page.items.len() >= LARGEST_PAGE {
        aside(
            "These are the last 10,000 lines: there are no more at once as JSON, but without --json there are",
        )?;
    }
    Ok(())
}

/// Reads the log as text, each line with its time before it.
async fn read_text(what: &LogsArgs, session: &Session, path: &str) -> Result<()> {
    let mut query = query(what);
    query.push(("download", "true".to_owned()));
    let lines = session.client.lines(path, &query).await?;
    let mut lines = std::pin::pin!(lines);
    let mut out = std::io::BufWriter::new(std::io::stdout());
    while let Some(line) = lines.next().await {
        let line = line?;
        let (at, text) = line.split_once(' ').unwrap_or(("", &line));
        let at = at.parse().unwrap_or_default();
        out.write_all(said(what, at, text).as_bytes())?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

fn query(what: &LogsArgs) -> Vec<(&'static str, String)> {
    let instant = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let fields = [
        ("tail", Some(what.tail.to_string())),
        ("execution", what.execution.map(|id| id.to_string())),
        ("stream", what.stream.map(|stream| <&str>::from(stream).to_owned())),
        ("since", what.since.as_ref().map(instant)),
        ("until", what.until.as_ref().map(instant)),
        ("grep", what.grep.clone()),
        ("regex", what.regex.then(|| "true".to_owned())),
        ("ignore_case", what.ignore_case.then(|| "true".to_owned())),
        ("follow", what.follow.then(|| "true".to_owned())),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn print(session: &Session, what: &LogsArgs, line: &LogLine) -> Result<()> {
    session.output.stream(line, |line| text(what, line))
}

/// A line for people. One that goes on in the next has no end yet.
fn text(what: &LogsArgs, line: &LogLine) -> String {
    let end = if line.partial { "" } else { "\n" };
    said(what, line.at, &line.text) + end
}

/// A line with its time, when that is asked for. What is not read on a terminal is not touched.
fn said(what: &LogsArgs, at: DateTime<Utc>, text: &str) -> String {
    let text = if std::io::stdout().is_terminal() { printable(text, Kept::Colours) } else { text.to_owned() };
    if what.timestamps {
        return format!("{} {text}", at.to_rfc3339_opts(SecondsFormat::Millis, true));
    }
    text
}
