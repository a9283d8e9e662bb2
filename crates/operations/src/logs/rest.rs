//! What is left of a log for who goes on from a place: the files, and what of it is gone or too much.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use mantyx_api_types::LogGap;
use mantyx_core::Result;

use super::executions::Past;
use super::place::{self, Left, Place, Spot};
use super::source::{After, Filter, Source, blocking};

/// How many bytes on the disk are caught up with in any case, by one who wants the newest lines.
const CAUGHT_UP: u64 = 8 * 1024 * 1024;

/// Files that are still to be read.
#[derive(Default)]
pub(super) struct Rest {
    /// The oldest first.
    pub(super) files: VecDeque<Source>,
    /// How many of the first lines of a log were told already.
    pub(super) told: BTreeMap<u128, usize>,
    /// Why there are lines that are not among them.
    pub(super) gap: Option<LogGap>,
}

impl Rest {
    /// All of these.
    pub(super) fn of(files: Vec<Source>) -> Self {
        Self { files: files.into(), ..Self::default() }
    }

    /// What of these comes behind a place.
    pub(super) async fn behind(place: Place, files: Vec<Source>) -> Result<Self> {
        blocking(move || Ok(Self::left(&place, files))).await
    }

    fn left(place: &Place, files: Vec<Source>) -> Self {
        let (mut rest, mut lost) = (Self::default(), place.begun());
        for file in files {
            match place.left(file.whose) {
                Left::Nothing if file.after == After::Nothing => {}
                // One that lives was followed, so it would be known: the clock was set back before it began.
                Left::Nothing | Left::All => rest.files.push_back(file),
                Left::From(spot) => match file.segment.number().cmp(&spot.position.segment) {
                    Ordering::Less => {}
                    Ordering::Greater => rest.files.push_back(file),
                    Ordering::Equal if is_gone(&file, spot) => rest.files.push_back(file),
                    Ordering::Equal => {
                        lost.remove(&place::key(file.whose));
                        rest.told.insert(place::key(file.whose), spot.told);
                        rest.files.push_back(file.from(spot.position.offset));
                    }
                },
            }
        }
        rest.gap = (!lost.is_empty()).then_some(LogGap::Removed);
        rest
    }

    /// Leaves only the last lines when it is more than somebody wants to catch up with who wants the newest.
    pub(super) async fn keep_newest(&mut self, lines: usize, filter: &Filter) -> Result<()> {
        let left = |file: &Source| file.segment.disk_size().saturating_sub(file.start().offset);
        if self.files.iter().map(left).sum::<u64>() <= CAUGHT_UP {
            return Ok(());
        }
        let before: Vec<_> = self.files.iter().map(|file| (file.whose, file.start())).collect();
        let files = std::mem::take(&mut self.files);
        self.files = Past::Segments(files.into()).last(lines, filter).await?;
        let now: Vec<_> = self.files.iter().map(|file| (file.whose, file.start())).collect();
        if now != before {
            self.gap = self.gap.or(Some(LogGap::Skipped));
        }
        // What was told is counted from where a log was to be read on.
        let goes_on = |key: &u128| {
            let first = before.iter().find(|(whose, _)| place::key(*whose) == *key);
            first.is_some_and(|first| now.contains(first))
        };
        self.told.retain(|key, _| goes_on(key));
        Ok(())
    }
}

/// Whether what stands where a log was read is not what was read there.
fn is_gone(file: &Source, spot: Spot) -> bool {
    let begun = spot.position.offset > 0;
    (!file.segment.exists() && (begun || spot.told > 0))
        || (file.segment.is_remark() && (begun || spot.told > 1))
}
