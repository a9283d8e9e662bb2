//! Waiting for lines that are not written yet.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::lines::{length as offset, read_at};
use crate::record::Record;
use crate::watch::Watch;

/// How much one batch reads at most. The longest record fits many times, so a block without any line break holds
/// nothing of ours.
const BATCH: usize = 256 * 1024;

/// Hands out the records of a log as they are written, from a position on.
///
/// It sleeps in inotify(7) and costs nothing while nothing is written. The file need not be there yet, only its
/// folder. All followers of a process share one inotify instance. It must be used within a Tokio runtime, whose
/// threads for blocking work do the reading.
pub struct Follower {
    path: PathBuf,
    position: u64,
    /// How long the file was when it was last looked at. An unfinished line lies between the position and this.
    looked: u64,
    file: Option<Arc<File>>,
    watch: Watch,
}

impl Follower {
    /// Follows a log from a position, which is the start of a line.
    pub fn new(path: impl Into<PathBuf>, position: u64) -> io::Result<Self> {
        let path = path.into();
        let mut watch = Watch::new()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        watch.folder(folder.unwrap_or(Path::new(".")))?;
        Ok(Self { path, position, looked: position, file: None, watch })
    }

    /// Where the next record begins.
    pub fn position(&self) -> u64 {
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

    /// Waits until the file is other than it was when it was last read. It may be dropped and called again.
    pub async fn ready(&mut self) -> io::Result<()> {
        loop {
            if let Some(file) = self.open()?
                && file.metadata()?.len() != self.looked
            {
                return Ok(());
            }
            self.watch.changed().await;
        }
    }

    /// What is there now, a bounded number, without waiting for more: empty when nothing is.
    ///
    /// A call that is dropped before it is done has lost nothing.
    pub async fn read(&mut self) -> io::Result<Vec<Record>> {
        let Some(file) = self.open()? else { return Ok(Vec::new()) };
        let (file, position) = (Arc::clone(file), self.position);
        let block = tokio::task::spawn_blocking(move || Block::read(&file, position)).await;
        let block = block.map_err(io::Error::other)??;
        (self.position, self.looked) = (block.position, block.looked);
        Ok(block.records)
    }

    /// The file, when it is there. The watch comes before the first read, so that no write falls between them.
    fn open(&mut self) -> io::Result<Option<&Arc<File>>> {
        if self.file.is_none() {
            match self.watch.file(&self.path).and_then(|()| File::open(&self.path)) {
                Ok(file) => self.file = Some(Arc::new(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.file.as_ref())
    }
}

/// What reading once has found.
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
