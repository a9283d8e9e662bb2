//! Waiting for lines that are not written yet, from one segment into the next.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;

use crate::archive::inflate;
use crate::lines::{count_lines, length as offset, read_at, whole_end};
use crate::read::start_of_line;
use crate::record::{Completeness, Record, Stream};
use crate::removal::{removed_before, removed_in};
use crate::segment::{Position, Segment, folder_of, segments};
use crate::watch::Watch;

/// How much one batch reads at most. The longest record fits many times, so a block without any line break holds
/// nothing of ours.
const BATCH: usize = 256 * 1024;

/// Hands out the records of a log as they are written, from a position on.
///
/// It sleeps in inotify(7) and costs nothing while nothing is written. The log need not be there yet, only its
/// folder. All followers of a process share one inotify instance. It must be used within a Tokio runtime, whose
/// threads for blocking work do the reading.
///
/// However many segments were begun while it did not look, it reads all of them. When some were removed before it
/// came to them, a record of Mantyx says so where they would have been.
pub struct Follower {
    log: PathBuf,
    position: Position,
    /// How long the segment was when it was last looked at. An unfinished line lies between the position and this.
    looked: u64,
    file: Option<Arc<File>>,
    watch: Watch,
}

impl Follower {
    /// Follows a log from a position, which is the start of a line.
    pub fn new(log: impl Into<PathBuf>, position: Position) -> io::Result<Self> {
        let log = log.into();
        let mut watch = Watch::new()?;
        watch.folder(folder_of(log.parent().unwrap_or(Path::new(""))))?;
        Ok(Self { log, position, looked: position.offset, file: None, watch })
    }

    /// Where the next record begins.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next records, at least one and at most a bounded number, as soon as they are there.
    ///
    /// A call that is dropped before it is done has lost nothing: the next one goes on where it was.
    pub async fn next(&mut self) -> io::Result<Vec<Record>> {
        loop {
            self.ready().await?;
            let records = self.read().await?;
            if !records.is_empty() {
                return Ok(records);
            }
        }
    }

    /// Waits until the log is other than it was when it was last read. It may be dropped and called again.
    pub async fn ready(&mut self) -> io::Result<()> {
        loop {
            self.open()?;
            let news = match &self.file {
                Some(file) => file.metadata()?.len() != self.looked,
                None => self.segment().compressed().exists(),
            };
            if news || next_number(&self.log, self.position.segment)?.is_some() {
                return Ok(());
            }
            self.watch.changed().await;
        }
    }

    /// What is there now, a bounded number, without waiting for more: empty when nothing is.
    ///
    /// A call that is dropped before it is done has lost nothing.
    pub async fn read(&mut self) -> io::Result<Vec<Record>> {
        loop {
            self.open()?;
            let (log, position, file) = (self.log.clone(), self.position, self.file.clone());
            let step = blocking(move || Step::take(&log, position, file)).await?;
            let moved = step.position.segment != self.position.segment;
            (self.position, self.looked, self.file) = (step.position, step.looked, step.file);
            if !step.records.is_empty() || !moved {
                return Ok(step.records);
            }
        }
    }

    /// How many bytes are written that it has not read.
    pub fn behind(&self) -> u64 {
        let now = self.segment();
        let unread = now.disk_size().saturating_sub(self.position.offset);
        let later = (now.number() + 1..).map(|number| Segment::new(&self.log, number).disk_size());
        unread + later.take_while(|size| *size > 0).sum::<u64>()
    }

    /// Passes over all but about the last `kept` bytes, and tells how many lines these were.
    ///
    /// For somebody who looks at what is new and cannot keep up with all of it.
    pub async fn skip(&mut self, kept: u64) -> io::Result<u64> {
        let (log, position) = (self.log.clone(), self.position);
        let (position, lines) = blocking(move || skip(&log, position, kept)).await?;
        (self.position, self.looked, self.file) = (position, position.offset, None);
        Ok(lines)
    }

    fn segment(&self) -> Segment {
        Segment::new(&self.log, self.position.segment)
    }

    /// Opens the segment when it is there and plain. The watch comes before the first read, so that no write falls
    /// between them. A compressed one needs none.
    fn open(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            let path = self.segment().plain();
            match self.watch.file(&path).and_then(|()| File::open(&path)) {
                Ok(file) => self.file = Some(Arc::new(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// The segment that comes behind this one, when there is one.
fn next_number(log: &Path, number: u32) -> io::Result<Option<u32>> {
    if Segment::new(log, number + 1).exists() {
        return Ok(Some(number + 1));
    }
    // The oldest go first: where there is a gap behind this one, it is gone itself, or says what is gone.
    let gap = match number {
        0 => removed_before(log).is_some(),
        _ => !Segment::new(log, number).exists(),
    };
    let there = if gap { segments(log)? } else { Vec::new() };
    Ok(there.iter().map(Segment::number).find(|other| *other > number))
}

/// What reading once has found, and where it goes on.
struct Step {
    records: Vec<Record>,
    position: Position,
    looked: u64,
    file: Option<Arc<File>>,
}

impl Step {
    fn take(log: &Path, position: Position, file: Option<Arc<File>>) -> io::Result<Self> {
        // Whether there is a next one is asked first: once it is there, nothing is written to this one.
        let next = next_number(log, position.segment)?;
        let file = match file {
            None => existing(inflate(&Segment::new(log, position.segment).compressed()))?.map(Arc::new),
            file => file,
        };
        let block = file.as_ref().map(|file| Block::read(file, position.offset)).transpose()?;
        match (block, next) {
            (Some(block), next) if next.is_none() || !block.records.is_empty() => {
                let position = Position { offset: block.position, ..position };
                Ok(Self { records: block.records, position, looked: block.looked, file })
            }
            (_, Some(next)) => Ok(Self::beyond(position.segment, next, file.as_deref())),
            (_, None) => Ok(Self { records: Vec::new(), position, looked: position.offset, file }),
        }
    }

    /// Goes on in a later segment. A first segment that is a remark itself has said what is missing behind it.
    fn beyond(number: u32, next: u32, file: Option<&File>) -> Self {
        let missing = next - number - u32::from(file.is_some());
        let said = missing == 0 || (number == 0 && file.is_some_and(|file| removed_in(file).is_some()));
        let records = if said { Vec::new() } else { vec![remark(missing)] };
        Self { records, position: Position { segment: next, offset: 0 }, looked: 0, file: None }
    }
}

fn remark(missing: u32) -> Record {
    let segments = if missing == 1 { "1 segment was" } else { &format!("{missing} segments were") };
    let text = format!("[mantyx] Lines are missing here: {segments} removed before it was read");
    let (stream, completeness) = (Stream::Stderr, Completeness::Full);
    Record { at: Utc::now(), stream, completeness, text: text.into_bytes() }
}

fn existing<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some),
    }
}

fn skip(log: &Path, mut position: Position, kept: u64) -> io::Result<(Position, u64)> {
    let mut lines = 0;
    loop {
        let next = next_number(log, position.segment)?;
        if let Some(file) = existing(Segment::new(log, position.segment).open())? {
            let end = whole_end(&file)?;
            let floor = position.offset.min(end);
            let last = if next.is_some() { 0 } else { kept };
            let target = start_of_line(&file, end.saturating_sub(last).max(floor), end)?;
            lines += count_lines(&file, floor, target)?;
            position.offset = target;
        }
        match next {
            Some(next) => position = Position { segment: next, offset: 0 },
            None => return Ok((position, lines)),
        }
    }
}

/// What reading a segment once has found.
struct Block {
    records: Vec<Record>,
    /// Behind the last whole line.
    position: u64,
    /// Behind the last byte.
    looked: u64,
}

impl Block {
    fn read(file: &File, mut position: u64) -> io::Result<Self> {
        let length = file.metadata()?.len();
        if length < position {
            // Somebody emptied it.
            position = 0;
        }
        let new = usize::try_from(length - position).unwrap_or(BATCH);
        let mut block = vec![0; new.min(BATCH)];
        loop {
            let filled = read_at(file, &mut block, position)?;
            let looked = position + offset(filled);
            let whole = match memchr::memrchr(b'\n', &block[..filled]) {
                Some(newline) => newline + 1,
                None if filled == BATCH => filled,
                None => return Ok(Self { records: Vec::new(), position, looked }),
            };
            position += offset(whole);
            let lines = block[..whole].split_inclusive(|byte| *byte == b'\n');
            let records: Vec<Record> = lines.filter_map(Record::parse).collect();
            if !records.is_empty() {
                return Ok(Self { records, position, looked });
            }
        }
    }
}
