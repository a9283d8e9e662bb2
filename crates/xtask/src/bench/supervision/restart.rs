//! From `kill -9` of a service to the first act of its replacement, when no back-off is due.
//!
//! Every supervisor treats a service that dies young with care: runit and supervisord wait a second, PM2 counts it as
//! unstable. A dozen services are killed in turn, each only after it has lived for more than a second.

use std::collections::HashMap;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::{Measured, Measurement};
use crate::bench::contenders::{Contender, program};
use crate::bench::figures::{Bar, Metric};
use crate::bench::lab::{Lab, PATIENCE, Program, Stage};
use crate::bench::ready::{Notice, Ready, Word};
use crate::bench::statistics::{milliseconds, percentile};

/// How many services take turns.
const TURNS: usize = 12;
/// How old a service is when it is killed.
const AGE: Duration = Duration::from_millis(1200);
/// How long nothing happens before each kill, so that what the last one stirred up has settled.
const PAUSE: Duration = Duration::from_millis(100);

/// Restart latency of one kind of service.
pub(super) struct Restart {
    program: Program,
    rounds: usize,
}

impl Restart {
    pub(super) const fn new(program: Program, rounds: usize) -> Self {
        Self { program, rounds }
    }

    const fn word(&self) -> &'static str {
        match self.program {
            Program::Python => "python",
            Program::Sleeper | Program::Writer { .. } => "sleep",
        }
    }

    fn summed_up(times: &[f64]) -> Measured {
        Measured { figures: vec![percentile(times, 0.5), percentile(times, 0.99)], note: None }
    }
}

impl Measurement for Restart {
    fn title(&self) -> String {
        format!("Restart after kill -9, {} service", self.word())
    }

    fn metrics(&self) -> Vec<Metric> {
        let word = self.word();
        let bar = Bar::Peers(&[("PM2", 0.0), ("runit", 1.0)]);
        let metric = |name: &str, bar| {
            Metric::new(format!("restart_{word}_{name}"), format!("restart, {word}, {name}"), "ms", bar)
        };
        vec![metric("p50", bar), metric("p99", Bar::None)]
    }

    fn measure(&self, lab: &Lab, contender: &dyn Contender) -> Result<Measured> {
        let times = lab.with(contender, self.program, TURNS.min(self.rounds), |stage| self.rounds(stage))?;
        Ok(Self::summed_up(&times))
    }

    /// Kill, wait, fork and exec, and the first act.
    fn floor(&self, lab: &Lab) -> Result<Measured> {
        let bench = lab.bench(self.program, 1)?;
        let service = &bench.services[0];
        let start = || -> Result<_> {
            let mut command: Command = program(&service.words[0]);
            Ok(command.args(&service.words[1..]).spawn()?)
        };
        let mut child = start()?;
        bench.ready.next(PATIENCE)?;
        let mut times = Vec::new();
        for _ in 0..self.rounds {
            thread::sleep(PAUSE);
            let killed = Instant::now();
            child.kill()?;
            child.wait()?;
            child = start()?;
            times.push(milliseconds(bench.ready.next(PATIENCE)?.at - killed));
        }
        Ok(Self::summed_up(&times))
    }
}

impl Restart {
    fn rounds(&self, stage: &Stage<'_>) -> Result<Vec<f64>> {
        let mut alive: HashMap<String, Notice> =
            stage.start()?.1.into_iter().map(|notice| (notice.service.clone(), notice)).collect();
        let mut times = Vec::new();
        for service in stage.bench.services.iter().cycle().take(self.rounds) {
            let victim = alive.get(&service.name).context("A service was never there")?;
            let (time, replacement) = kill(victim, &stage.bench.ready)?;
            times.push(milliseconds(time));
            alive.insert(service.name.clone(), replacement);
        }
        Ok(times)
    }
}

/// Kills a service when it is old enough, and waits for its replacement.
fn kill(victim: &Notice, ready: &Ready) -> Result<(Duration, Notice)> {
    thread::sleep(PAUSE.max(AGE.saturating_sub(victim.at.elapsed())));
    let pid = i32::try_from(victim.pid).ok().and_then(Pid::from_raw).context("A service has no process")?;
    let killed = Instant::now();
    kill_process(pid, Signal::KILL).with_context(|| format!("`{}` has gone by itself", victim.service))?;
    let replacement = ready.next_of(&victim.service, Word::First, PATIENCE)?;
    Ok((replacement.at - killed, replacement))
}
