//! The log of an app, past or as it grows.

use std::io::{IsTerminal as _, Write as _};

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::StreamExt;
use mantyx_api_types::{LogLine, LogSource, LogStream, Page};

use super::Session;
use crate::arguments::LogsArgs;
use crate::failure::{Failure, Result};
use crate::follow::{Follower, News};
use crate::outage::{Lapse, Patience};
use crate::output::{Kept, Output, aside, line, printable};

/// The most lines that the API gives as JSON at once. Text goes further back.
const LARGEST_PAGE: usize = 10_000;

/// The most lines of the past that it gives as text, or before those that come.
const LONGEST_TAIL: usize = 100_000;

pub(super) async fn logs(what: LogsArgs, session: Session) -> Result<()> {
    let path = format!("/api/apps/{}/logs", what.app);
    if what.tail > LONGEST_TAIL {
        aside("At most the last 100,000 lines are given at once: --since and --until go further back")?;
    }
    match session.output {
        _ if what.follow => follow(&what, &session, &path).await,
        Output::People if what.tail > LARGEST_PAGE => read_text(&what, &session, &path).await,
        _ => read_page(&what, &session, &path).await,
    }
}

async fn follow(what: &LogsArgs, session: &Session, path: &str) -> Result<()> {
    let asking = |untold| query(what, untold);
    let mut lines = Follower::open(&session.client, path, asking, Patience::ENDLESS).await?;
    let mut text = Text::new(what);
    while let Some(news) = lines.next().await? {
        match news {
            News::Data(line) => {
                let line = serde_json::from_str(&line).map_err(|error| Failure::strange(path, error))?;
                session.output.stream(&line, |line| text.of(line))?;
            }
            News::Lapse(lapse) => text.interrupted(lapse)?,
        }
    }
    Ok(())
}

async fn read_page(what: &LogsArgs, session: &Session, path: &str) -> Result<()> {
    let page: Page<LogLine> = session.client.get(path, &query(what, None)).await?;
    let mut text = Text::new(what);
    page.items.iter().try_for_each(|line| session.output.stream(line, |line| text.of(line)))?;
    if what.tail > LARGEST_PAGE && page.items.len() >= LARGEST_PAGE {
        aside(
            "These are the last 10,000 lines: there are no more at once as JSON, but without --json there are",
        )?;
    }
    Ok(())
}

/// Reads the log as text, each line with its time before it.
async fn read_text(what: &LogsArgs, session: &Session, path: &str) -> Result<()> {
    let mut query = query(what, None);
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

/// Since the instant `untold` somebody has followed and was told nothing, so that there were no lines of the past: all
/// of that time is wanted, however much was written in it. A search may not have come so far as to tell any.
fn query(what: &LogsArgs, untold: Option<DateTime<Utc>>) -> Vec<(&'static str, String)> {
    let untold = untold.filter(|_| what.tail == 0 || what.grep.is_none());
    let instant = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let fields = [
        ("tail", untold.is_none().then(|| what.tail.to_string())),
        ("execution", what.execution.map(|id| id.to_string())),
        ("stream", what.stream.map(|stream| <&str>::from(stream).to_owned())),
        ("since", what.since.max(untold).as_ref().map(instant)),
        ("until", what.until.as_ref().map(instant)),
        ("grep", what.grep.clone()),
        ("regex", what.regex.then(|| "true".to_owned())),
        ("ignore_case", what.ignore_case.then(|| "true".to_owned())),
        ("follow", what.follow.then(|| "true".to_owned())),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Writes lines for people. Of one that was cut because it is long or stayed open the pieces follow each other, and what
/// another process or stream wrote in between begins a line of its own.
struct Text<'a> {
    what: &'a LogsArgs,
    /// Whose line has not ended.
    unfinished: Option<(LogSource, LogStream)>,
}

impl<'a> Text<'a> {
    fn new(what: &'a LogsArgs) -> Self {
        Self { what, unfinished: None }
    }

    fn of(&mut self, line: &LogLine) -> String {
        let whose = Some((line.source, line.stream));
        let mut text = match self.unfinished {
            None => said(self.what, line.at, &line.text),
            unfinished if unfinished == whose => shown(&line.text),
            Some(_) => format!("\n{}", said(self.what, line.at, &line.text)),
        };
        self.unfinished = whose.filter(|_| line.partial);
        if self.unfinished.is_none() {
            text.push('\n');
        }
        text
    }

    /// Says something beside the log, on a line of its own where both are seen.
    fn interrupted(&mut self, lapse: Lapse) -> Result<()> {
        if lapse.tears() && self.unfinished.take().is_some() {
            line("")?;
        }
        let in_sight = self.unfinished.is_some() && std::io::stdout().is_terminal();
        let words = lapse.words();
        aside(&if in_sight { format!("\n{words}") } else { words.to_owned() })
    }
}

/// A line with its time, when that is asked for.
fn said(what: &LogsArgs, at: DateTime<Utc>, text: &str) -> String {
    if what.timestamps {
        return format!("{} {}", at.to_rfc3339_opts(SecondsFormat::Millis, true), shown(text));
    }
    shown(text)
}

/// What is not read on a terminal is not touched.
fn shown(text: &str) -> String {
    if std::io::stdout().is_terminal() { printable(text, Kept::Colours) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{ClientCommand, Invocation};
    use clap::Parser;
    use mantyx_core::ExecutionId;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        invocation: Invocation,
    }

    fn arguments(line: &str) -> LogsArgs {
        let program = Program::parse_from(line.split_whitespace());
        let ClientCommand::Logs(what) = program.invocation.command else { unreachable!() };
        what
    }

    fn written(line: &str, pieces: &[(LogStream, &str, bool)]) -> String {
        let what = arguments(line);
        let (mut text, source) = (Text::new(&what), LogSource::Execution(ExecutionId::generate()));
        let line = |&(stream, text, partial): &(LogStream, &str, bool)| LogLine {
            at: DateTime::UNIX_EPOCH,
            stream,
            source,
            text: text.to_owned(),
            partial,
        };
        pieces.iter().map(|piece| text.of(&line(piece))).collect()
    }

    #[test]
    fn a_line_in_pieces_has_one_time_and_another_stream_keeps_apart() {
        use LogStream::{Stderr, Stdout};
        let pieces = [(Stdout, "a", true), (Stdout, "b", false), (Stdout, "c", true), (Stderr, "d", false)];
        let time = "1970-01-01T00:00:00.000Z";
        let timed = format!("{time} ab\n{time} c\n{time} d\n");
        assert_eq!(written("mantyx logs x -t", &pieces), timed);
        assert_eq!(written("mantyx logs x", &pieces), "ab\nc\nd\n");
    }

    #[test]
    fn who_was_told_nothing_yet_is_told_all_that_came_since() {
        let (began, later) = ("2026-11-20T14:37:15Z", "2026-11-20T15:00:00Z");
        let asked = |line: &str| {
            let query = query(&arguments(line), Some(began.parse().unwrap()));
            let asked =
                |parameter| query.iter().find(|(name, _)| *name == parameter).map(|(_, value)| value.clone());
            (asked("tail"), asked("since"))
        };
        assert_eq!(asked("mantyx logs x -f -n 0"), (None, Some(began.into())));
        assert_eq!(asked(&format!("mantyx logs x -f -n 0 --since {later}")), (None, Some(later.into())));
        assert_eq!(asked("mantyx logs x -f -n 5"), (None, Some(began.into())));
        assert_eq!(asked("mantyx logs x -f -n 5 --grep y"), (Some("5".into()), None));
        assert_eq!(asked("mantyx logs x -f -n 0 --grep y"), (None, Some(began.into())));
    }
}
