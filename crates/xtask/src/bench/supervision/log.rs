//! How long many lines take from a program that writes as fast as it can into the files of its supervisor, whether all
//! arrive, and how much memory the supervisor needs for it.
//!
//! The clock begins with the program's first act and ends when its last line is found in a file. Nothing looks at the
//! files before the program says that it has written everything.

mod lines;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Measured, Measurement};
use crate::bench::contenders::{Contender, Service, program};
use crate::bench::figures::{Bar, Metric};
use crate::bench::lab::{Bench, Lab, PATIENCE, Program, Stage};
use crate::bench::ready::Word;
use crate::bench::statistics::as_float;
use crate::{interrupt, processes};
use lines::Tally;

/// How long a program may take to write its lines.
const WRITING: Duration = Duration::from_secs(300);
/// How long the files may stand still before what is missing counts as lost.
const STILL: Duration = Duration::from_secs(5);
/// How long the files stand still when nobody works on them.
const QUIET: Duration = Duration::from_secs(1);
/// How often the files are looked at while the last line is awaited.
const GLANCE: Duration = Duration::from_millis(2);

/// The way of so many lines, so many bytes in each write.
pub(super) struct Log {
    pub(super) lines: usize,
    pub(super) block: usize,
}

impl Log {
    const fn program(&self) -> Program {
        Program::Writer { lines: self.lines, block: self.block }
    }

    const fn manner(&self) -> &'static str {
        if self.block <= 100 { "a line a write" } else { "64 KiB a write" }
    }

    const fn key(&self) -> &'static str {
        if self.block <= 100 { "log_lines" } else { "log_blocks" }
    }
}

impl Measurement for Log {
    fn title(&self) -> String {
        format!("{} MB of log, {}", self.lines / 10_000, self.manner())
    }

    fn metrics(&self) -> Vec<Metric> {
        let (key, manner) = (self.key(), self.manner());
        // A program that writes in blocks is faster than any framing: that is worth knowing, and no bar.
        let bar = if self.block <= 100 { Bar::TimesFloor(1.2) } else { Bar::None };
        vec![
            Metric::new(key, format!("log, {manner}"), "s", bar),
            Metric::new(format!("{key}_lost"), format!("log, {manner}, lost"), "lines", Bar::AtMost(0.0)),
            Metric::new(format!("{key}_peak"), format!("log, {manner}, peak RSS"), "MB", Bar::None),
        ]
    }

    fn measure(&self, lab: &Lab, contender: &dyn Contender) -> Result<Measured> {
        rustix::fs::sync();
        lab.with(contender, self.program(), 1, |stage| self.write(stage))
    }

    /// The program straight into a file; through a pipe and `cat` beside it, since every supervisor has a pipe.
    fn floor(&self, lab: &Lab) -> Result<Measured> {
        rustix::fs::sync();
        let straight = self.without(lab, "exec \"$@\" > out.log")?;
        rustix::fs::sync();
        let piped = self.without(lab, "\"$@\" | cat > out.log")?;
        let note = Some(format!("straight into a file; through `cat` it takes {:.2} s", piped.as_secs_f64()));
        Ok(Measured { figures: vec![Some(straight.as_secs_f64())], note })
    }
}

impl Log {
    fn write(&self, stage: &Stage<'_>) -> Result<Measured> {
        let bench = stage.bench;
        let service = &bench.services[0];
        let (begun, supervisors) = std::thread::scope(|scope| -> Result<_> {
            let command = scope.spawn(|| stage.command());
            let heard = written(bench);
            command.join().unwrap_or_else(|_| anyhow::bail!("The start broke off")).and(heard)
        })?;
        let folder = stage.running.log_folder(service);
        let arrived = self.arrival(&folder)?;
        let peak = processes::peak_memory(&supervisors);
        settle(&folder)?;
        let tally = Tally::of(&folder, self.lines)?;
        let lost = as_float(self.lines - tally.distinct);
        let note =
            (tally.all != tally.distinct).then(|| format!("{} lines twice", tally.all - tally.distinct));
        let seconds = (arrived - begun).as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "memory has far fewer than 2^52 bytes")]
        let peak = peak as f64 / 1e6;
        Ok(Measured { figures: vec![Some(seconds), Some(lost), Some(peak)], note })
    }

    /// When the last line was there, or when the files last grew if it never came.
    fn arrival(&self, folder: &Path) -> Result<Instant> {
        let (mut size, mut grown) = (0, Instant::now());
        loop {
            let now = Instant::now();
            if lines::has_last(folder, self.lines)? {
                return Ok(now);
            }
            let size_now = lines::size(folder)?;
            if size_now != size {
                (size, grown) = (size_now, now);
            }
            if grown.elapsed() > STILL {
                return Ok(grown);
            }
            interrupt::sleep(GLANCE)?;
        }
    }

    fn without(&self, lab: &Lab, line: &str) -> Result<Duration> {
        let bench = lab.bench(self.program(), 1)?;
        let service = &bench.services[0];
        shell(&bench, service, line)?;
        let first = bench.ready.next_of(&service.name, Word::First, PATIENCE)?;
        bench.ready.next_of(&service.name, Word::Done, WRITING)?;
        Ok(self.arrival(&bench.folder)? - first.at)
    }
}

/// Waits until nobody compresses or moves files any more: one that vanishes under the count would be missing in it.
fn settle(folder: &Path) -> Result<()> {
    let start = Instant::now();
    let mut before = lines::size(folder)?;
    while start.elapsed() < PATIENCE {
        interrupt::sleep(QUIET)?;
        let now = lines::size(folder)?;
        if now == before {
            break;
        }
        before = now;
    }
    Ok(())
}

/// Waits until the program has written everything; says when it began, and who looked after it.
fn written(bench: &Bench) -> Result<(Instant, Vec<u32>)> {
    let service = &bench.services[0].name;
    let first = bench.ready.next_of(service, Word::First, PATIENCE)?;
    let supervisors = processes::supervising(&[first.pid])?;
    processes::forget_peak(&supervisors);
    bench.ready.next_of(service, Word::Done, WRITING)?;
    Ok((first.at, supervisors))
}

/// Starts a line of the shell with the service as its arguments, in the folder of the bench.
fn shell(bench: &Bench, service: &Service, line: &str) -> Result<()> {
    let mut command: Command = program("/bin/sh");
    command.args(["-c", line, "sh"]).args(&service.words).current_dir(&bench.folder);
    let messages = File::create(bench.folder.join("messages"))?;
    command.stdout(Stdio::null()).stderr(messages).spawn()?;
    Ok(())
}
