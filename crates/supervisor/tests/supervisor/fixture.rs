//! A supervisor in a temporary folder, with an observer that keeps everything in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a fixture that fails is a test that fails"
)]

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use mantyx_core::{
    AfterGivingUp, AppId, Code, Ending, Error, ExecutionId, HealthCheck, InstanceId, Limits, RestartPolicy,
    RestartRule, Result, Trigger,
};
use mantyx_logs::Rotation;
use mantyx_monitor::{Record, RunFolder};
use mantyx_supervisor::{
    BoxFuture, Care, Command, Condition, Ended, Limiter, Observer, Reach, Report, Start, Supervisor,
    SupervisorConfig, Surroundings,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// Far longer than anything takes: a test that waits this long has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The program under test, built from the source that is under test: by `cargo xtask test`, which says where, or else
/// here.
pub(crate) fn monitor_program() -> PathBuf {
    static PROGRAMS: LazyLock<PathBuf> =
        LazyLock::new(|| env::var_os("TEST_PROGRAMS").map_or_else(build_monitor, PathBuf::from));
    PROGRAMS.join("mantyx-monitor")
}

/// Builds it with the selection of packages that `cargo xtask test` has: another would have other features of the
/// dependencies, and cargo would build each anew whenever the other one was the last.
fn build_monitor() -> PathBuf {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--workspace", "--exclude", "mantyx-page", "--bin", "mantyx-monitor"]);
    assert!(cargo.status().unwrap().success(), "the monitor does not build");
    // This test is in `target/debug/deps`, the program one folder above.
    env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}

/// A folder in which daemons come and go.
pub(crate) struct Stage {
    pub(crate) root: TempDir,
    pub(crate) instance: InstanceId,
    pub(crate) book: Arc<Book>,
    app: AppId,
}

/// What a database would hold.
pub(crate) struct Book {
    root: PathBuf,
    app: AppId,
    script: Mutex<String>,
    program: Mutex<PathBuf>,
    care: Mutex<Care>,
    starts: Mutex<Vec<Start>>,
    reports: Mutex<VecDeque<Report>>,
    changed: Notify,
    /// How many of the next reports fail.
    pub(crate) failing: Mutex<u32>,
    /// How many of the next questions what to run fail.
    pub(crate) failing_to_prepare: Mutex<u32>,
}

impl Stage {
    /// Every process runs this shell script; by default it is restarted at once, and after a minute.
    pub(crate) fn new(script: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let app = AppId::generate();
        let book = Book {
            root: root.path().to_owned(),
            app,
            script: Mutex::new(script.to_owned()),
            program: Mutex::new("/bin/sh".into()),
            care: Mutex::new(care(root.path())),
            starts: Mutex::default(),
            reports: Mutex::default(),
            changed: Notify::new(),
            failing: Mutex::new(0),
            failing_to_prepare: Mutex::new(0),
        };
        Self { root, instance: InstanceId::generate(), book: Arc::new(book), app }
    }

    pub(crate) fn rule(self, policy: RestartPolicy, delay: Duration, limit: u32) -> Self {
        self.care(|care| (care.rule.policy, care.rule.delay, care.rule.limit) = (policy, delay, limit))
    }

    /// Every process is cared for in another way.
    pub(crate) fn care(self, change: impl FnOnce(&mut Care)) -> Self {
        change(&mut self.book.care.lock().unwrap());
        self
    }

    /// A daemon comes up.
    pub(crate) fn supervisor(&self) -> Supervisor {
        self.supervisor_with(monitor_program(), Limiter::rlimits())
    }

    pub(crate) fn supervisor_with(&self, monitor_program: PathBuf, limiter: Limiter) -> Supervisor {
        let run_dir = self.path("run");
        let config = SupervisorConfig { run_dir, monitor_program, limiter, rotation: Rotation::default() };
        Supervisor::new(config, Arc::<Book>::clone(&self.book)).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn record(&self, execution: ExecutionId) -> Record {
        RunFolder::open(&self.path("run")).unwrap().record(execution).unwrap().unwrap()
    }

    /// The lines that processes have written, once there are so many.
    pub(crate) async fn log(&self, lines: usize) -> Vec<String> {
        let path = self.path("app.log");
        let read = || fs::read_to_string(&path).unwrap_or_default();
        wait_for(&format!("{lines} lines"), || read().lines().count() >= lines).await;
        read().lines().map(|line| line.splitn(4, ' ').nth(3).unwrap().to_owned()).collect()
    }

    /// Waits until nothing is kept about any execution.
    pub(crate) async fn wait_for_empty_run_folder(&self) {
        let run = self.path("run");
        wait_for("an empty run folder", || fs::read_dir(&run).unwrap().count() == 0).await;
    }

    pub(crate) const fn app(&self) -> AppId {
        self.app
    }
}

/// A test that failed leaves no process behind.
impl Drop for Stage {
    fn drop(&mut self) {
        let Ok(folder) = RunFolder::open(&self.path("run")) else { return };
        for execution in folder.executions().unwrap_or_default() {
            if let Ok(Some(record)) = folder.record(execution)
                && record.monitor.is_alive()
            {
                kill(record.monitor.pid);
            }
        }
    }
}

impl Book {
    pub(crate) fn current_care(&self) -> Care {
        self.care.lock().unwrap().clone()
    }

    pub(crate) fn set_program(&self, program: &str) {
        *self.program.lock().unwrap() = program.into();
    }

    pub(crate) fn triggers(&self) -> Vec<Trigger> {
        self.starts.lock().unwrap().iter().map(|start| start.trigger).collect()
    }

    /// The next report.
    pub(crate) async fn next(&self) -> Report {
        let next = async {
            loop {
                let changed = self.changed.notified();
                if let Some(report) = self.reports.lock().unwrap().pop_front() {
                    return report;
                }
                changed.await;
            }
        };
        timeout(DEADLINE, next).await.expect("a report")
    }

    pub(crate) async fn started(&self) -> (ExecutionId, u32) {
        match self.next().await {
            Report::Started { execution, pid, .. } => (execution, pid),
            other => panic!("not started: {other:?}"),
        }
    }

    pub(crate) async fn exited(&self) -> (ExecutionId, Ended) {
        match self.next().await {
            Report::Exited { execution, ended, .. } => (execution, ended),
            other => panic!("not exited: {other:?}"),
        }
    }

    /// How a live service is, once that is as it is waited for.
    pub(crate) async fn observed(&self, is_it: impl Fn(&Condition) -> bool) -> Condition {
        loop {
            match self.next().await {
                Report::Observed { condition, .. } if is_it(&condition) => return condition,
                Report::Observed { .. } => {}
                other => panic!("not observed: {other:?}"),
            }
        }
    }

    pub(crate) fn has_no_report(&self) -> bool {
        self.reports.lock().unwrap().is_empty()
    }

    fn command(&self, start: Start) -> Result<Command> {
        fail(&self.failing_to_prepare)?;
        self.starts.lock().unwrap().push(start);
        Ok(Command {
            execution: ExecutionId::generate(),
            app: self.app,
            program: self.program.lock().unwrap().clone(),
            arguments: vec!["-c".to_owned(), self.script.lock().unwrap().clone()],
            log: self.root.join("app.log"),
            care: self.current_care(),
        })
    }

    fn keep(&self, report: Report) -> Result<()> {
        fail(&self.failing)?;
        self.reports.lock().unwrap().push_back(report);
        self.changed.notify_one();
        Ok(())
    }
}

impl Observer for Book {
    fn prepare(&self, _: InstanceId, start: Start) -> BoxFuture<'_, Result<Command>> {
        Box::pin(async move { self.command(start) })
    }

    fn rule(&self, _: InstanceId) -> BoxFuture<'_, Result<RestartRule>> {
        Box::pin(async { Ok(self.current_care().rule) })
    }

    fn report(&self, report: Report) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.keep(report) })
    }
}

/// Restarted at once, and after a minute; stopped quickly; looked at by nobody.
fn care(root: &Path) -> Care {
    Care {
        rule: RestartRule {
            policy: RestartPolicy::OnFailure,
            delay: Duration::from_secs(60),
            limit: 3,
            window: Duration::from_secs(300),
            after_giving_up: AfterGivingUp::Rest,
        },
        stop_signal: 15,
        stop_grace: Duration::from_millis(300),
        health: HealthCheck::default(),
        web_port: None,
        reach: Reach::Machine,
        watchdog: None,
        timeout: None,
        limits: Limits::NONE,
        surroundings: Surroundings {
            directory: root.to_owned(),
            environment: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
            identity: None,
        },
        warnings: Vec::new(),
    }
}

/// Fails as often as is left.
fn fail(left: &Mutex<u32>) -> Result<()> {
    let mut left = left.lock().unwrap();
    match left.checked_sub(1) {
        None => Ok(()),
        Some(less) => {
            *left = less;
            Err(Error::new(Code::Unavailable, "The database is locked"))
        }
    }
}

/// Somebody stops something.
pub(crate) fn by_somebody() -> Ending {
    Ending::Stopped { by: "somebody".to_owned() }
}

pub(crate) fn kill(pid: u32) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
}

pub(crate) async fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process runs; one that nobody has collected yet does not.
pub(crate) fn is_alive(pid: &str) -> bool {
    assert!(!pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()), "`{pid}` is not a pid");
    fs::read_to_string(Path::new("/proc").join(pid).join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
