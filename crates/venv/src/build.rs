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
use crate::installed::{self, Package};
use crate::plan::{Builder, Plan};
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
/// because the daemon died in the middle, is removed first.
pub async fn build(
    plan: &Plan,
    environment: &Path,
    cache: &Path,
    log: &mut LogWriter,
    limits: BuildLimits,
    cancel: &CancellationToken,
) -> Result<Built> {
    remove(environment).await?;
    let built = Build { plan, environment, cache, log, limits, cancel }.all().await;
    if built.is_err() {
        remove(environment).await?;
    }
    built
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
}

impl Build<'_> {
    async fn all(mut self) -> Result<Built> {
        let deadline = Instant::now() + self.limits.time;
        let (plan, cache) = (self.plan.clone(), self.cache.to_owned());
        let work = blocking(move || Workspace::prepare(&plan, &cache)).await?;
        let mut seeds = Vec::new();
        self.make_place()?;
        let steps = commands::steps(self.plan, &work, self.environment);
        for (number, step) in steps.into_iter().enumerate() {
            write(self.log, &format!("==> {}", step.title));
            self.run(step.command, deadline).await?;
            if number == 0 {
                seeds = self.packages(&work).await?;
            }
        }
        let packages = self.packages(&work).await?;
        Ok(self.built(&seeds, packages))
    }

    /// Another user cannot make the folder itself: what is around it is Mantyx's own.
    fn make_place(&self) -> Result<()> {
        let Some(user) = &self.plan.user else { return Ok(()) };
        folders::create(self.environment, 0o755)?;
        ownership::give(self.environment, user)
    }

    /// One process to its end.
    async fn run(&mut self, command: Command, deadline: Instant) -> Result<()> {
        let mut output = String::new();
        let limit = deadline.saturating_duration_since(Instant::now());
        let cancelled = self.cancel.cancelled();
        let log = &mut *self.log;
        // The tools report progress on standard error: the stream says nothing about what went wrong.
        let exit = command.run(limit, cancelled, |_, line| {
            write(log, line);
            keep(&mut output, line);
        });
        match exit.await {
            Ok(exit) if exit.is_success() => Ok(()),
            Ok(Exit::Signal(signal)) => Err(killed(signal)),
            Ok(Exit::Code(_)) => Err(explain(&output)),
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
        let (environment, folder) = (self.environment.to_owned(), work.folder.clone());
        let user = self.plan.user.clone();
        blocking(move || identity::as_user(user.as_ref(), || installed::packages(&environment, &folder)))
            .await
    }

    /// What `venv` puts into each environment for pip's own sake is not what the app asked for.
    fn built(&self, seeds: &[Package], mut packages: Vec<Package>) -> Built {
        let builder = match &self.plan.builder {
            Builder::Uv(uv) => format!("uv {}", uv.version),
            Builder::Pip => {
                let pip = packages.iter().find(|package| package.name == "pip");
                format!("pip {}", pip.map(|pip| pip.version.as_str()).unwrap_or_default())
            }
        };
        packages.retain(|package| !seeds.contains(package));
        let python_version = self.plan.python.version.clone();
        Built {
            lock: installed::lock(&packages),
            lock_digest: installed::digest(&python_version, &packages, &self.plan.digest),
            packages: packages.into_iter().map(|package| (package.name, package.version)).collect(),
            builder,
            python_version,
        }
    }
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
