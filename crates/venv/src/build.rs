//! Carries out a plan: one process after the other, watched, with an end in sight.

use std::path::Path;
use std::time::{Duration, SystemTime};

use mantyx_core::{Code, Error, Exit, Result};
use mantyx_logs::{LogWriter, Stream};
use mantyx_platform::process::Command;
use mantyx_platform::{folders, identity, ownership};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::commands;
use crate::failure::explain;
use crate::installed::{self, Package, Places};
use crate::lock::Lock;
use crate::plan::{Builder, Network, Plan};
use crate::records::Recorded;
use crate::workspace::Workspace;

/// How much of the output is kept to find the cause of a failure, in bytes. It stands at the end.
const KEPT: usize = 256 * 1024;
/// How long processes that were killed may still write into a folder that is to go.
const DYING: Duration = Duration::from_secs(5);

/// What a build may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildLimits {
    /// From its start to its end, all steps together.
    pub time: Duration,
}

/// An environment that is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The version of its Python, such as `3.11.7`.
    pub python_version: String,
    /// What built it, such as `uv 0.9.1` or `pip 24.0`.
    pub builder: String,
    /// The resolved set: one `name==version` a line, sorted. What did not come from the index is `name @ where`.
    pub lock: String,
    /// SHA-256 in hexadecimal over the Python, the lock, and the source where packages were built from it. Two
    /// environments with the same digest are the same.
    pub lock_digest: String,
    /// Name and version of each package, sorted.
    pub packages: Vec<(String, String)>,
}

/// Builds an environment where it stays, as the user of the plan. `cache` is Mantyx's own cache folder.
///
/// What the tools say goes to `log` line by line. A build that fails, takes too long or is cancelled leaves
/// nothing at `environment`, and the error says which requirement was at fault. What an earlier build left there,
/// because the daemon died in the middle, is removed first. A plan that follows a lock gets what the lock says, or
/// an error.
pub async fn build(
    plan: &Plan,
    environment: &Path,
    cache: &Path,
    log: &mut LogWriter,
    limits: BuildLimits,
    cancel: &CancellationToken,
) -> Result<Built> {
    let deadline = Instant::now() + limits.time;
    let mut plan = plan.clone();
    if plan.network == Network::WhenNeeded {
        plan.network = Network::Offline;
        let build = Build { plan: &plan, environment, cache, log, limits, cancel, deadline, record: None };
        match build.whole().await {
            Err(error) if error.code() == Code::InstallFailed => {
                write(log, &format!("==> Once more with the network: {}", error.detail()));
            }
            other => return other,
        }
        plan.network = Network::Online;
    }
    Build { plan: &plan, environment, cache, log, limits, cancel, deadline, record: None }.whole().await
}

/// Removes an environment, also while the last of its processes are dying.
async fn remove(environment: &Path) -> Result<()> {
    let deadline = Instant::now() + DYING;
    loop {
        let path = environment.to_owned();
        let removed = blocking(move || folders::remove(&path)).await;
        let gone = removed.is_ok() && !environment.exists();
        if gone || Instant::now() > deadline {
            return removed;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Runs file work that may take long on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::internal("finish work on files", error)))
}

/// One build under way.
struct Build<'a> {
    plan: &'a Plan,
    environment: &'a Path,
    cache: &'a Path,
    log: &'a mut LogWriter,
    limits: BuildLimits,
    cancel: &'a CancellationToken,
    deadline: Instant,
    /// The record of it, for a daemon that comes after one that was killed.
    record: Option<Recorded>,
}

impl Build<'_> {
    /// All of it or nothing.
    async fn whole(self) -> Result<Built> {
        let environment = self.environment;
        remove(environment).await?;
        let built = self.all().await;
        if built.is_err() {
            remove(environment).await?;
        }
        built
    }

    async fn all(mut self) -> Result<Built> {
        let (plan, cache) = (self.plan.clone(), self.cache.to_owned());
        let work = blocking(move || Workspace::prepare(&plan, &cache)).await?;
        if let Some(folder) = &self.plan.records {
            self.record = Some(Recorded::begin(folder, self.environment, &work.mark())?);
        }
        let mut seeds = Vec::new();
        self.make_place()?;
        let steps = commands::steps(self.plan, &work, self.environment);
        for (number, step) in steps.into_iter().enumerate() {
            write(self.log, &format!("==> {}", step.title));
            self.run(step.command, &work).await?;
            if number == 0 {
                seeds = self.seeds(&work).await?;
            }
        }
        let packages = self.packages(&work).await?;
        let (builder, packages) = (self.builder(&packages), without(packages, &seeds));
        let lock = installed::lock(&packages);
        self.see_that_it_is(&lock)?;
        if !packages.is_empty() {
            self.compile(&work).await?;
        }
        if self.plan.builder == Builder::Pip && self.plan.network == Network::Online {
            self.keep_wheels(&lock, &work).await?;
        }
        Ok(self.built(builder, &lock, packages))
    }

    /// What `venv` puts into each environment for pip's own sake is not what the app asked for.
    async fn seeds(&mut self, work: &Workspace) -> Result<Vec<Package>> {
        let seeds = self.packages(work).await?;
        if !seeds.iter().any(|package| package.name == "setuptools") {
            return Ok(seeds);
        }
        let strip = commands::strip(self.plan, work, self.environment);
        self.run(strip, work).await?;
        self.packages(work).await
    }

    /// A lock that was followed must have come out again. On another Python, a lock file of the source may say
    /// something else.
    fn see_that_it_is(&self, lock: &Lock) -> Result<()> {
        let Some(pinned) = &self.plan.pinned else { return Ok(()) };
        let may_differ = self.plan.requirements_of_lock().is_none() && self.plan.other_python().is_some();
        if *lock == pinned.lock || may_differ {
            return Ok(());
        }
        let missing = pinned.lock.packages().iter().filter(|package| !lock.packages().contains(package));
        let more = lock.packages().iter().filter(|package| !pinned.lock.packages().contains(package));
        let list =
            |packages: Vec<String>| if packages.is_empty() { "nothing".into() } else { packages.join(", ") };
        let (missing, more) = (missing.map(|one| format!("`{one}`")), more.map(|one| format!("`{one}`")));
        let detail = format!(
            "What was installed is not what was resolved before: instead of {} there is {}",
            list(missing.collect()),
            list(more.collect())
        );
        Err(Error::new(Code::InstallFailed, detail)
            .hint("Install the release anew, so that it gets a new lock"))
    }

    /// At each start an app would compile what is not compiled here, because it may not write here. It would start all
    /// the same.
    async fn compile(&mut self, work: &Workspace) -> Result<()> {
        write(self.log, "==> Compile what was installed");
        let compile = commands::compile(self.plan, work, self.environment);
        match self.run(compile, work).await {
            Err(error) if matches!(error.code(), Code::Cancelled | Code::TimedOut) => Err(error),
            Err(error) => {
                write(self.log, &format!("It cannot be compiled: {}", error.detail()));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// For a build without a network. That it cannot be prepared takes nothing from the one that is done.
    async fn keep_wheels(&mut self, lock: &Lock, work: &Workspace) -> Result<()> {
        let missing = work.wheels.missing(lock, self.plan);
        if !missing.is_empty() {
            write(self.log, "==> Keep what was installed, to build it again without a network");
        }
        for (folder, packages) in missing {
            let lines = self.plan.provenance.requirements(&packages, &work.folder);
            let file = work.write_requirements(&lines, self.plan.user.as_ref())?;
            let keep = commands::keep(self.plan, work, self.environment, &folder, &file);
            match self.run(keep, work).await {
                Err(error) if error.code() == Code::Cancelled => return Err(error),
                Err(error) => write(self.log, &format!("It cannot be kept: {}", error.detail())),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Another user cannot make the folder itself: what is around it is Mantyx's own.
    fn make_place(&self) -> Result<()> {
        let Some(user) = &self.plan.user else { return Ok(()) };
        folders::create(self.environment, 0o755)?;
        ownership::give(self.environment, user)
    }

    /// One process to its end.
    async fn run(&mut self, command: Command, work: &Workspace) -> Result<()> {
        let mut output = String::new();
        let limit = self.deadline.saturating_duration_since(Instant::now());
        let (cancelled, log, record) = (self.cancel.cancelled(), &mut *self.log, self.record.as_mut());
        let announce = |pid| record.map_or(Ok(()), |record| record.runs(pid));
        // The tools report progress on standard error: the stream says nothing about what went wrong.
        let exit = command.run_announced(limit, cancelled, announce, |_, line| {
            write(log, line);
            keep(&mut output, line);
        });
        match exit.await {
            Ok(exit) if exit.is_success() => Ok(()),
            Ok(Exit::Signal(signal)) => Err(killed(signal)),
            Ok(Exit::Code(_)) => Err(explain(&(output + &work.unsaid(self.plan.user.as_ref())))),
            Err(error) => Err(self.ended(error)),
        }
    }

    /// Says of the whole build what is known of one process.
    fn ended(&self, error: Error) -> Error {
        match error.code() {
            Code::TimedOut => {
                let seconds = self.limits.time.as_secs();
                Error::new(Code::TimedOut, format!("The build took longer than {seconds} s and was ended"))
                    .hint(
                        "Give installs more time in the settings, or find out in the log what takes so long",
                    )
            }
            Code::Cancelled => Error::new(Code::Cancelled, "The build was cancelled"),
            _ => error,
        }
    }

    /// Read as the user that wrote it: a link in there may lead anywhere.
    async fn packages(&self, work: &Workspace) -> Result<Vec<Package>> {
        let (environment, folder, kept) =
            (self.environment.to_owned(), work.folder.clone(), work.wheels.used().to_vec());
        let user = self.plan.user.clone();
        blocking(move || {
            let places = Places { work: &folder, kept: &kept };
            identity::as_user(user.as_ref(), || installed::packages(&environment, &places))
        })
        .await
    }

    fn builder(&self, packages: &[Package]) -> String {
        match &self.plan.builder {
            Builder::Uv(uv) => format!("uv {}", uv.version),
            Builder::Pip => {
                let pip = packages.iter().find(|package| package.name == "pip");
                format!("pip {}", pip.map(|pip| pip.version.as_str()).unwrap_or_default())
            }
        }
    }

    fn built(&self, builder: String, lock: &Lock, packages: Vec<Package>) -> Built {
        let python_version = self.plan.python.version.clone();
        Built {
            lock: lock.to_string(),
            lock_digest: installed::digest(&python_version, lock, &self.plan.digest),
            packages: packages.into_iter().map(|package| (package.name, package.version)).collect(),
            builder,
            python_version,
        }
    }
}

fn without(mut packages: Vec<Package>, seeds: &[Package]) -> Vec<Package> {
    packages.retain(|package| !seeds.contains(package));
    packages
}

/// A log that cannot be written is no reason to fail: it counts for itself what it dropped.
fn write(log: &mut LogWriter, line: &str) {
    let text = format!("{line}\n");
    if let Err(error) = log.write(Stream::Stdout, SystemTime::now(), text.as_bytes()) {
        tracing::debug!(%error, "the log of a build could not be written");
    }
}

/// Keeps the end of the output.
fn keep(output: &mut String, line: &str) {
    if output.len() + line.len() > KEPT {
        let cut = output.ceil_char_boundary(output.len() / 2);
        output.drain(..cut);
    }
    output.push_str(line);
    output.push('\n');
}

fn killed(signal: i32) -> Error {
    Error::new(Code::InstallFailed, format!("The package tool was killed by signal {signal}"))
        .hint("When it was signal 9, the machine may have run out of memory")
}
