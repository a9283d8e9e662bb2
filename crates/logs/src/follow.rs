//! Waiting for lines that are not written yet, from one segment into the next.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::Utc;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::lines::{ReadAt, count_lines, length as offset, whole_end};
use crate::read::start_of_line;
use crate::record::{Completeness, Record, Stream};
use crate::removal::removed_in;
use crate::segment::{Position, Segment, folder_of, segments};
use crate::text::Text;
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
    text: Option<Text>,
    /// Changed only by those threads that may wait for a disk.
    watch: Arc<Mutex<Watch>>,
    wake: Arc<Notify>,
    news: News,
    /// A look that is under way. It outlives who waits for it, so that one who waits for many is not too late for the
    /// slow ones each time.
    looking: Option<JoinHandle<io::Result<Looked>>>,
}

/// What a look has found, and the segment if it is open.
type Looked = (News, Option<Text>);

/// What is known of what was not read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// Nothing is known.
    Unknown,
    /// There was nothing when it was last looked at, and it is watched since before that.
    NoneSoFar,
}

impl Follower {
    /// Follows a log from a position, which is the start of a line. It looks at the folder, so this is no work for an
    /// async thread.
    pub fn new(log: impl Into<PathBuf>, position: Position) -> io::Result<Self> {
        let log = log.into();
        let mut watch = Watch::new()?;
        watch.folder(folder_of(log.parent().unwrap_or(Path::new(""))))?;
        let (wake, watch) = (watch.waker(), Arc::new(Mutex::new(watch)));
        let (looked, text, news, looking) = (position.offset, None, News::Unknown, None);
        Ok(Self { log, position, looked, text, watch, wake, news, looking })
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
            if self.news == News::NoneSoFar {
                self.wake.notified().await;
                self.news = News::Unknown;
            }
            let place = self.place();
            let looking = self.looking.get_or_insert_with(|| spawn_blocking(move || place.look()));
            let looked = looking.await.map_err(io::Error::other);
            self.looking = None;
            (self.news, self.text) = looked??;
            if self.news == News::Unknown {
                return Ok(());
            }
        }
    }

    /// What is there now, a bounded number, without waiting for more: empty when nothing is.
    ///
    /// A call that is dropped before it is done has lost nothing.
    pub async fn read(&mut self) -> io::Result<Vec<Record>> {
        self.forget();
        loop {
            let place = self.place();
            let step = blocking(move || Step::take(&place.log, place.position, place.open()?)).await?;
            let moved = step.position.segment != self.position.segment;
            (self.position, self.looked, self.text) = (step.position, step.looked, step.text);
            if !step.records.is_empty() || !moved {
                return Ok(step.records);
            }
        }
    }

    /// How many bytes are written that it has not read.
    pub async fn behind(&self) -> u64 {
        let (log, position) = (self.log.clone(), self.position);
        blocking(move || Ok(behind(&log, position))).await.unwrap_or_default()
    }

    /// Passes over all but about the last `kept` bytes, and tells how many lines these were.
    ///
    /// For somebody who looks at what is new and cannot keep up with all of it.
    pub async fn skip(&mut self, kept: u64) -> io::Result<u64> {
        let (log, position) = (self.log.clone(), self.position);
        let (position, lines) = blocking(move || skip(&log, position, kept)).await?;
        (self.position, self.looked, self.text) = (position, position.offset, None);
        self.forget();
        Ok(lines)
    }

    /// What was known holds no more.
    fn forget(&mut self) {
        (self.news, self.looking) = (News::Unknown, None);
    }

    fn place(&self) -> Place {
        let (log, text, watch) = (self.log.clone(), self.text.clone(), Arc::clone(&self.watch));
        Place { log, position: self.position, looked: self.looked, text, watch }
    }
}

/// What a follower has, for a thread that may wait for a disk. What comes of it the follower takes only when it is
/// done: who loses patience in the middle has lost nothing.
struct Place {
    log: PathBuf,
    position: Position,
    looked: u64,
    text: Option<Text>,
    watch: Arc<Mutex<Watch>>,
}

impl Place {
    /// Whether there is anything new.
    fn look(self) -> io::Result<Looked> {
        let text = self.open()?;
        let news = match &text {
            Some(text) => text.known_length()? != Some(self.looked),
            None => self.segment().compressed().exists(),
        };
        let news = news || next_number(&self.log, self.position.segment)?.is_some();
        Ok((if news { News::Unknown } else { News::NoneSoFar }, text))
    }

    /// The segment when it is open, or there and plain. The watch comes before the first read, so that no write falls
    /// between them. A compressed one needs none.
    fn open(&self) -> io::Result<Option<Text>> {
        if self.text.is_some() {
            return Ok(self.text.clone());
        }
        let path = self.segment().plain();
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let watched = watch.file(&path, self.position.segment);
        existing(watched.and_then(|()| File::open(&path)).map(|file| Arc::new(file).into()))
    }

    fn segment(&self) -> Segment {
        Segment::new(&self.log, self.position.segment)
    }
}

fn behind(log: &Path, position: Position) -> u64 {
    let size = |number| Segment::new(log, number).disk_size();
    let unread = size(position.segment).saturating_sub(position.offset);
    unread + (position.segment + 1..=u32::MAX).map(size).take_while(|size| *size > 0).sum::<u64>()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// The segment that comes behind this one, when there is one.
fn next_number(log: &Path, number: u32) -> io::Result<Option<u32>> {
    if Segment::new(log, number + 1).exists() {
        return Ok(Some(number + 1));
    }
    let there = if Segment::new(log, number).gap_may_follow() { segments(log)? } else { Vec::new() };
    Ok(there.iter().map(Segment::number).find(|other| *other > number))
}

/// What reading once has found, and where it goes on.
struct Step {
    records: Vec<Record>,
    position: Position,
    looked: u64,
    text: Option<Text>,
}

impl Step {
    fn take(log: &Path, position: Position, text: Option<Text>) -> io::Result<Self> {
        // Whether there is a next one is asked first: once it is there, nothing is written to this one.
        let next = next_number(log, position.segment)?;
        let text = match text {
            None => existing(Text::inflating(&Segment::new(log, position.segment).compressed()))?,
            text => text,
        };
        let block = text.as_ref().map(|text| Block::read(text, position.offset)).transpose()?;
        match (block, next) {
            (Some(block), next) if next.is_none() || !block.records.is_empty() => {
                let position = Position { offset: block.position, ..position };
                Ok(Self { records: block.records, position, looked: block.looked, text })
            }
            (_, Some(next)) => Ok(Self::beyond(position.segment, next, text.as_ref())),
            (_, None) => Ok(Self { records: Vec::new(), position, looked: position.offset, text }),
        }
    }

    /// Goes on in a later segment. A first segment that is a remark itself has said what is missing behind it.
    fn beyond(number: u32, next: u32, text: Option<&Text>) -> Self {
        let missing = next - number - u32::from(text.is_some());
        let said = missing == 0 || (number == 0 && text.is_some_and(|text| removed_in(text).is_some()));
        let records = if said { Vec::new() } else { vec![remark(missing)] };
        Self { records, position: Position { segment: next, offset: 0 }, looked: 0, text: None }
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
            let target = start_of_line(&*file, end.saturating_sub(last).max(floor), end)?;
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
    fn read(text: &Text, mut position: u64) -> io::Result<Self> {
        let mut new = BATCH;
        if let Some(length) = text.known_length()?.filter(|_| !text.is_compressed()) {
            if length < position {
                // Somebody emptied it.
                position = 0;
            }
            new = usize::try_from(length - position).unwrap_or(BATCH).min(BATCH);
        }
        let mut block = vec![0; new];
        loop {
            let filled = text.read_at(&mut block, position)?;
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
