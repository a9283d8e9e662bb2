//! Where it is measured: a scratch folder, the programs that every contender runs, and the promise that nothing of it
//! stays behind.
//!
//! The benchmark makes itself a subreaper (prctl(2)): whatever a contender starts, double forks and daemons included,
//! stays below it. That finds the processes of a supervisor without asking it, and ends all of them, also after an
//! error.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{WaitOptions, getpid, set_child_subreaper, wait};

use super::contenders::{Contender, Running, Service};
use super::ready::{Notice, Ready};
use crate::{processes, terminal, workspace};

/// How long services may take to be there, all of them.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The scratch folder and the programs.
pub(super) struct Lab {
    folder: PathBuf,
    service: PathBuf,
    script: PathBuf,
    python: PathBuf,
}

/// What a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Sleeps; the smallest program there is.
    Sleeper,
    /// Sleeps, in Python.
    Python,
    /// Writes so many lines of 100 bytes, so many bytes in each write, and sleeps.
    Writer { lines: usize, block: usize },
}

impl Lab {
    /// Makes the folder, readable for everybody since apps may run as another user, and compiles the service.
    pub(super) fn open() -> Result<Self> {
        set_child_subreaper(Some(getpid()))?;
        let folder = std::env::temp_dir().join(format!("mantyx-bench-{}", std::process::id()));
        make(&folder)?;
        let (service, script) = (folder.join("service"), folder.join("service.py"));
        let lab = Self { service, script, python: python()?, folder };
        lab.compile()?;
        fs::write(&lab.script, include_str!("service.py"))?;
        fs::set_permissions(&lab.script, fs::Permissions::from_mode(0o644))?;
        Ok(lab)
    }

    /// The C compiler is there: Rust links with it.
    fn compile(&self) -> Result<()> {
        let source = self.folder.join("service.c");
        fs::write(&source, include_str!("service.c"))?;
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-static", "-o"]).args([&self.service, &source]);
        workspace::output(&mut compiler).context("Could not compile the service")?;
        Ok(fs::set_permissions(&self.service, fs::Permissions::from_mode(0o755))?)
    }

    /// Lets services run under a contender for as long as `work` takes; afterwards nothing of them is left.
    pub(super) fn with<T>(
        &self,
        contender: &dyn Contender,
        program: Program,
        count: usize,
        work: impl FnOnce(&Stage<'_>) -> Result<T>,
    ) -> Result<T> {
        let bench = self.bench(program, count)?;
        let running = contender.launch(&bench.folder, &bench.services)?;
        let result = work(&Stage { bench: &bench, running: &*running });
        if let Err(error) = running.shut_down() {
            terminal::note(&format!("{} did not end by itself: {error:#}", contender.name()));
        }
        result
    }

    /// A place for one measurement, with the services that it needs.
    pub(super) fn bench(&self, program: Program, count: usize) -> Result<Bench> {
        let folder = self.folder.join("bench");
        make(&folder)?;
        let ready = Ready::listen(&folder)?;
        let services = (1..=count).map(|number| self.service(program, number, ready.path())).collect();
        Ok(Bench { folder, ready, services })
    }

    fn service(&self, program: Program, number: usize, ready: &Path) -> Service {
        let name = format!("s{number:03}");
        let mut words = match program {
            Program::Sleeper | Program::Writer { .. } => vec![shown(&self.service)],
            Program::Python => vec![shown(&self.python), shown(&self.script)],
        };
        words.extend([shown(ready), name.clone()]);
        if let Program::Writer { lines, block } = program {
            words.extend([lines.to_string(), block.to_string()]);
        }
        Service { name, words }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        sweep();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The place of one measurement. When it goes, everything that runs below the benchmark is ended.
pub(super) struct Bench {
    /// For whatever a contender keeps.
    pub(super) folder: PathBuf,
    /// Where the services are heard.
    pub(super) ready: Ready,
    /// What is to run.
    pub(super) services: Vec<Service>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        sweep();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A contender that is up, with its services still to be started.
pub(super) struct Stage<'a> {
    /// The place.
    pub(super) bench: &'a Bench,
    /// The contender.
    pub(super) running: &'a dyn Running,
}

impl Stage<'_> {
    /// Starts all services and waits until each has been heard. The command runs beside the listening: it may return
    /// long after the services are there, and the socket holds only a few messages.
    pub(super) fn start(&self) -> Result<(Duration, Vec<Notice>)> {
        thread::scope(|scope| {
            let begun = Instant::now();
            let command = scope.spawn(|| self.command());
            let heard = self.bench.ready.all(&self.bench.services, PATIENCE);
            let started = command.join().unwrap_or_else(|_| anyhow::bail!("The start broke off"));
            // Why a command failed says more than that nothing was heard.
            let heard = started.and(heard)?;
            let last = heard.last().map_or(begun, |notice| notice.at);
            Ok((last - begun, heard))
        })
    }

    /// The command that starts all services. When it fails, nobody need wait for them.
    pub(super) fn command(&self) -> Result<()> {
        let started = self.running.start(&self.bench.services);
        started.inspect_err(|_| self.bench.ready.break_off())
    }
}

/// The processes of these notices.
pub(super) fn pids(notices: &[Notice]) -> Vec<u32> {
    notices.iter().map(|notice| notice.pid).collect()
}

/// Kills whatever is below this process, again and again until there is nothing: supervisors start things.
pub(super) fn sweep() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        let Ok(left) = processes::descendants(std::process::id()) else { return };
        processes::kill(&left);
        while matches!(wait(WaitOptions::NOHANG), Ok(Some(_))) {}
        if left.is_empty() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    terminal::note("Some processes of the benchmark could not be ended");
}

/// One that every user can run: the system's own where there is one.
fn python() -> Result<PathBuf> {
    let system = PathBuf::from("/usr/bin/python3");
    if system.exists() {
        return Ok(system);
    }
    let asked = workspace::output(Command::new("python3").args(["-c", "import sys; print(sys.executable)"]));
    Ok(PathBuf::from(asked.context("Python 3 is missing")?.trim()))
}

/// Makes a folder that everybody may read, since apps may run as another user.
pub(super) fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("Could not make `{}`", folder.display()))?;
    Ok(fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
