//! Handing out lines, the oldest first: of the files that are there, then as they come; from the beginning, from the
//! last lines, or from where an earlier answer broke off.

use std::collections::{BTreeMap, VecDeque};

use mantyx_api_types::{LogGap, LogLine, LogSource};
use mantyx_core::Result;
use mantyx_logs::Position;

use super::executions::Past;
use super::following::Following;
use super::place::{self, Place, Spot};
use super::rest::Rest;
use super::source::{After, Filter, Source};
use super::{LogQuery, Pace, RawLine};

/// Hands out lines, the oldest first.
pub struct LogStreamer {
    files: VecDeque<Source>,
    filter: Filter,
    /// Where how many of the last lines are still to be looked for.
    tail: Option<(Past, usize)>,
    follow: Option<Following>,
    /// Lines that an earlier answer has told already.
    told: BTreeMap<u128, usize>,
    /// Why lines behind that answer are missing.
    gap: Option<LogGap>,
    /// Where the portion began that was handed out last, and what was handed out of which log.
    place: Place,
    /// Of the newest log that anything was handed out of, in case that it is done.
    newest: Option<(LogSource, Spot)>,
    /// How many lines of that portion were told by an earlier answer.
    passed_over: usize,
}

/// The most lines of a tail.
const LONGEST_TAIL: usize = 100_000;

impl LogStreamer {
    /// A search from the end may go through all there is: it is done when the first lines are asked for, by
    /// somebody who may give up. Any other end is found at once, so that nothing that comes after is missed.
    pub(super) async fn open(past: Past, query: LogQuery, follow: Option<Following>) -> Result<Self> {
        let LogQuery { tail, since, until, stream, search, pace, after, .. } = query;
        let filter = Filter { since, until, stream, search };
        let (rest, tail) = match (tail, after) {
            (Some(lines), None) => (Rest::default(), Some((past, lines.min(LONGEST_TAIL)))),
            (None, None) => (Rest::of(past.all().await?), None),
            (tail, Some(after)) => {
                let mut rest = Rest::behind(after, past.all().await?).await?;
                if let (Pace::Newest, Some(lines)) = (pace, tail) {
                    rest.keep_newest(lines.min(LONGEST_TAIL), &filter).await?;
                }
                (rest, None)
            }
        };
        let Rest { files, told, gap } = rest;
        let (place, newest, passed_over) = (Place::default(), None, 0);
        let mut log = Self { files, filter, tail, follow, told, gap, place, newest, passed_over };
        if log.filter.search.is_none() {
            log.keep_tail().await?;
        }
        Ok(log)
    }

    async fn keep_tail(&mut self) -> Result<()> {
        if let Some((past, lines)) = &self.tail {
            self.files = past.last(*lines, &self.filter).await?;
            self.tail = None;
        }
        Ok(())
    }

    /// How many lines were passed over since the last call, because they came faster than they were taken.
    pub fn take_skipped(&mut self) -> u64 {
        self.follow.as_mut().map_or(0, Following::take_skipped)
    }

    /// Why lines are missing between the place that it goes on from and the first ones, told once.
    pub fn take_gap(&mut self) -> Option<LogGap> {
        self.gap.take()
    }

    /// The next lines, at least one; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<LogLine>>> {
        let lines = self.next_raw().await?;
        Ok(lines.map(|lines| lines.into_iter().map(LogLine::from).collect()))
    }

    /// The same as they were written, for whoever puts the pieces of a line together.
    pub async fn next_raw(&mut self) -> Result<Option<Vec<RawLine>>> {
        loop {
            let Some((start, mut lines)) = self.portion().await? else { return Ok(None) };
            let Some(source) = lines.first().map(|line| line.source) else { continue };
            self.note_place(source, start, lines.len());
            lines.drain(..self.passed_over);
            if !lines.is_empty() {
                return Ok(Some(lines));
            }
        }
    }

    /// The place behind a line of those that were handed out last, by its index among them.
    #[must_use]
    pub fn place_behind(&self, source: LogSource, index: usize) -> Place {
        let mut place = self.place.clone();
        let from = place.spot(source).unwrap_or_default();
        place.set(source, Spot { told: self.passed_over + index + 1, ..from });
        place
    }

    /// A portion is told by where it began, since it is not known where each of its lines ends.
    fn note_place(&mut self, source: LogSource, position: Position, lines: usize) {
        self.place = self.spots();
        self.place.set(source, Spot { position, told: 0 });
        self.place.keep_newest(self.newest);
        if self.newest.is_none_or(|(newest, _)| place::key(newest) <= place::key(source)) {
            self.newest = Some((source, Spot { position, told: lines }));
        }
        let told = self.told.remove(&place::key(source)).unwrap_or_default();
        self.passed_over = told.min(lines);
        if told > lines {
            self.told.insert(place::key(source), told - lines);
        }
    }

    /// Where reading is in each log that is begun and not done.
    fn spots(&self) -> Place {
        let file = self.files.front().map(|file| (file.whose, file.start()));
        Place::of(self.follow.iter().flat_map(Following::positions).chain(file))
    }

    /// The next lines of one log, told before or not, and where they began.
    async fn portion(&mut self) -> Result<Option<(Position, Vec<RawLine>)>> {
        self.keep_tail().await?;
        while let Some(file) = self.files.front_mut() {
            let start = file.start();
            let lines = if file.is_done() { Vec::new() } else { file.read(&self.filter).await? };
            if file.is_done() {
                self.hand_over().await?;
            }
            if !lines.is_empty() {
                return Ok(Some((start, lines)));
            }
        }
        let Some(following) = &mut self.follow else { return Ok(None) };
        following.next(&self.filter).await
    }

    /// A file whose process lives is followed from where reading it has ended.
    async fn hand_over(&mut self) -> Result<()> {
        match (self.files.pop_front(), &mut self.follow) {
            (Some(file), Some(following)) if file.after == After::Following => {
                following.take_over(file).await
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_api_types::LogStream;
    use mantyx_core::ExecutionId;
    use mantyx_logs::{LogWriter, Segment, Stream};
    use std::time::{Duration, UNIX_EPOCH};
    use tempfile::TempDir;

    /// The logs of three executions, of two segments each. Every third line is an error.
    fn logs(folder: &TempDir) -> Vec<Source> {
        let mut number = 0;
        let mut write = |path: &std::path::Path, lines: u64| {
            let mut writer = LogWriter::open(path).unwrap();
            for _ in 0..lines {
                let from = if number % 3 == 0 { Stream::Stderr } else { Stream::Stdout };
                writer
                    .write(from, UNIX_EPOCH + Duration::from_secs(number), format!("{number}\n").as_bytes())
                    .unwrap();
                number += 1;
            }
            writer.close().unwrap();
        };
        let mut sources = Vec::new();
        for lines in [7, 0, 2500] {
            let id = ExecutionId::generate();
            let log = folder.path().join(format!("{id}.log"));
            for segment in 0..2 {
                write(&Segment::new(&log, segment).plain(), lines);
            }
            sources.extend(Source::all(LogSource::Execution(id), &log, vec![0, 1], After::Nothing));
        }
        sources
    }

    /// The lines of a query, each with the place behind it.
    async fn read(files: &[Source], query: &LogQuery) -> Vec<(String, Place)> {
        let (mut log, mut read) = (
            LogStreamer::open(Past::Segments(files.to_vec()), query.clone(), None).await.unwrap(),
            Vec::new(),
        );
        while let Some(lines) = log.next().await.unwrap() {
            let placed = |(index, line): (usize, LogLine)| (line.text, log.place_behind(line.source, index));
            read.extend(lines.into_iter().enumerate().map(placed));
        }
        read
    }

    #[tokio::test]
    async fn wherever_it_breaks_off_it_goes_on_with_the_next_line() {
        let folder = TempDir::new().unwrap();
        let files = logs(&folder);
        for query in [
            LogQuery::default(),
            LogQuery { stream: Some(LogStream::Stderr), ..LogQuery::default() },
            LogQuery { tail: Some(2505), ..LogQuery::default() },
        ] {
            let whole = read(&files, &query).await;
            assert!(whole.len() > 1500, "{}", whole.len());
            let spots = (0..whole.len()).filter(|n| *n < 30 || n % 487 == 0 || n + 3 > whole.len());
            for index in spots {
                let place = whole[index].1.to_string().parse().unwrap();
                let rest = read(&files, &LogQuery { after: Some(place), ..query.clone() }).await;
                let (got, wanted) =
                    (rest.iter().map(|line| &line.0), whole[index + 1..].iter().map(|line| &line.0));
                assert!(got.eq(wanted), "behind line {index} of {query:?}");
                // And once more from there.
                if let Some((_, place)) = rest.first() {
                    let after = Some(place.to_string().parse().unwrap());
                    let again = read(&files, &LogQuery { after, ..query.clone() }).await;
                    assert_eq!(again.len(), rest.len() - 1, "twice behind line {index}");
                }
            }
        }
    }

    #[tokio::test]
    async fn what_was_removed_meanwhile_is_told() {
        let folder = TempDir::new().unwrap();
        let files = logs(&folder);
        let whole = read(&files, &LogQuery::default()).await;
        let go_on = async |index: usize| {
            let query = LogQuery { after: Some(whole[index].1.clone()), ..LogQuery::default() };
            let there = files.iter().filter(|file| file.segment.exists()).cloned().collect();
            let mut log = LogStreamer::open(Past::Segments(there), query, None).await.unwrap();
            (log.take_gap(), log.next().await.unwrap().map(|lines| lines[0].text.clone()))
        };
        // Seven lines in each of the two segments of the first log.
        assert_eq!(go_on(3).await, (None, Some("4".into())));
        assert_eq!(go_on(9).await, (None, Some("10".into())));
        mantyx_logs::remove_oldest(files[0].segment.log(), 0, 0).unwrap();
        let (gap, first) = go_on(3).await;
        assert_eq!(gap, Some(LogGap::Removed));
        assert!(first.unwrap().contains("removed"), "what stands there now is read from its beginning");
        assert_eq!(go_on(9).await, (None, Some("10".into())), "nothing that it was not told is missing");
        mantyx_logs::remove_oldest(files[0].segment.log(), 1, 1).unwrap();
        assert_eq!(go_on(9).await, (Some(LogGap::Removed), Some("14".into())));
    }

    #[tokio::test]
    async fn who_wants_the_newest_is_not_told_all_that_was_missed() {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("0.log");
        let mut writer = LogWriter::open(Segment::new(&log, 0).plain()).unwrap();
        for number in 0..6000 {
            writer.write(Stream::Stdout, UNIX_EPOCH, format!("{number:02000}\n").as_bytes()).unwrap();
        }
        writer.close().unwrap();
        let source = LogSource::Execution(ExecutionId::generate());
        let files = Source::all(source, &log, vec![0], After::Nothing);
        let whole = read(&files, &LogQuery::default()).await;
        for (index, gap, first) in [(10, Some(LogGap::Skipped), 5900), (5000, None, 5001), (5950, None, 5951)]
        {
            let (after, tail, pace) = (Some(whole[index].1.clone()), Some(100), Pace::Newest);
            let query = LogQuery { tail, pace, after, ..LogQuery::default() };
            let mut log = LogStreamer::open(Past::Segments(files.clone()), query, None).await.unwrap();
            assert_eq!(log.take_gap(), gap, "behind {index}");
            assert_eq!(log.next().await.unwrap().unwrap()[0].text, format!("{first:02000}"));
        }
    }
}
