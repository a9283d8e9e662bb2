//! What every story about a fault needs: a Mantyx, apps in a line each, and a count of what is alive.

use std::fs;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use mantyx_api_types::{AppView, ExecutionView, LogLine, Page, SystemView};
use mantyx_core::{AppEvent, AppName, AppState, ExecutionId};
use mantyx_test_support::{Builder, Client, PATIENCE, TestMantyx, control_groups, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// A Mantyx whose processes are all accounted for when the story is over.
pub(super) struct Scene {
    pub(super) mantyx: TestMantyx,
    /// The program of the daemon, also while there is none.
    program: PathBuf,
}

impl Scene {
    /// With the defaults.
    pub(super) async fn begin() -> Self {
        Self::with(TestMantyx::builder()).await
    }

    /// With settings.
    pub(super) async fn with(builder: Builder) -> Self {
        Self::of(builder.start().await)
    }

    /// Of one that was started already.
    pub(super) fn of(mantyx: TestMantyx) -> Self {
        let program = program(mantyx.pid()).unwrap();
        Self { mantyx, program }
    }

    pub(super) const fn client(&self) -> &Client {
        self.mantyx.client()
    }

    /// A perpetual app that runs.
    pub(super) async fn service(&self, name: &str, script: &str, configuration: Value) -> AppName {
        self.app(name, "perpetual", script, configuration).await
    }

    /// A scheduled app, without a schedule.
    pub(super) async fn job(&self, name: &str, script: &str, configuration: Value) -> AppName {
        self.app(name, "scheduled", script, configuration).await
    }

    async fn app(&self, name: &str, kind: &str, script: &str, configuration: Value) -> AppName {
        let name = self.upload(name, kind, script, configuration).await;
        self.client().install_and_enable(&name).await;
        name
    }

    /// An app that is not installed yet.
    pub(super) async fn upload(&self, name: &str, kind: &str, script: &str, configuration: Value) -> AppName {
        let app = json!({ "name": name, "type": kind, "configuration": configuration }).to_string();
        let created = self.client().upload_script("main.py", script, &[("app", &app)]).await;
        created.unwrap_or_else(|refusal| panic!("{refusal}")).app.name
    }

    /// Runs a scheduled app once, to the end.
    pub(super) async fn run(&self, app: &AppName) -> ExecutionView {
        let known = self.client().executions(app).await.unwrap().len();
        self.client().event(app, "run").await.unwrap();
        self.ended(app, known + 1).await
    }

    /// The newest execution, once there are so many and the newest has ended.
    pub(super) async fn ended(&self, app: &AppName, count: usize) -> ExecutionView {
        wait_until(&format!("execution {count} of `{app}` to end"), PATIENCE, async || {
            let runs = self.client().executions(app).await.unwrap();
            (runs.len() >= count)
                .then(|| runs[runs.len() - count].clone())
                .filter(|run| run.status.is_final())
        })
        .await
    }

    /// The process of a service that runs.
    pub(super) async fn pid(&self, app: &AppName) -> u32 {
        self.client().wait_for_app(app, "have a process", |app| app.pid.is_some()).await.pid.unwrap()
    }

    /// Another process than this one.
    pub(super) async fn other_pid(&self, app: &AppName, before: u32) -> u32 {
        let is_other = |app: &AppView| app.pid.is_some_and(|pid| pid != before);
        self.client().wait_for_app(app, "have another process", is_other).await.pid.unwrap()
    }

    pub(super) async fn system(&self) -> SystemView {
        self.client().get("/api/system").await.unwrap()
    }

    /// The folder of an app's logs.
    pub(super) async fn logs(&self, app: &AppName) -> PathBuf {
        let id = self.client().app(app).await.unwrap().id;
        self.mantyx.root().join(format!("logs/{id}"))
    }

    /// A file that an app sees in its data folder.
    pub(super) fn data(&self, app: &AppName, file: &str) -> PathBuf {
        self.mantyx.root().join(format!("apps/{app}/data/{file}"))
    }

    /// Puts a file there, whole or not at all.
    pub(super) fn tell(&self, app: &AppName, file: &str, text: &str) {
        let beside = self.mantyx.root().join(format!("{app}-{file}"));
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.data(app, file)).unwrap();
    }

    /// Lines of the log, as the API answers a query.
    pub(super) async fn lines(&self, app: &AppName, query: &str) -> Vec<LogLine> {
        let page: Page<LogLine> = self
            .client()
            .get(&format!("/api/apps/{app}/logs?{query}"))
            .await
            .unwrap_or_else(|refusal| panic!("{refusal}"));
        page.items
    }

    /// Waits for a line that contains a text.
    pub(super) async fn line(&self, app: &AppName, text: &str) -> String {
        wait_until(&format!("`{text}` in the log of `{app}`"), PATIENCE, async || {
            let lines = self.lines(app, "").await;
            lines.into_iter().map(|line| line.text).find(|line| line.contains(text))
        })
        .await
    }

    /// The whole log of an app as text, or that of one execution.
    pub(super) async fn text(&self, app: &AppName, execution: Option<ExecutionId>) -> String {
        let of = execution.map(|id| format!("&execution={id}")).unwrap_or_default();
        self.client().get_text(&format!("/api/apps/{app}/logs?download=true{of}")).await.unwrap()
    }

    /// What the run folder says about a live execution.
    pub(super) fn record(&self, execution: ExecutionId) -> Value {
        serde_json::from_slice(&fs::read(self.record_file(execution)).unwrap()).unwrap()
    }

    pub(super) fn record_file(&self, execution: ExecutionId) -> PathBuf {
        self.mantyx.root().join(format!("run/{execution}.json"))
    }

    /// The monitor of a live execution.
    pub(super) fn monitor(&self, execution: ExecutionId) -> u32 {
        u32::try_from(self.record(execution)["monitor"]["pid"].as_u64().unwrap()).unwrap()
    }

    /// Waits until the monitor of an execution says that it stops its app.
    pub(super) async fn stopping(&self, execution: ExecutionId) {
        let socket = self.mantyx.root().join(format!("run/{execution}.sock"));
        wait_until("the stop to begin", PATIENCE, async || {
            let mut stream = UnixStream::connect(&socket).ok()?;
            writeln!(stream, "{}", json!({ "ask": "status" })).ok()?;
            let answer = BufReader::new(stream).lines().next()?.ok()?;
            let status: Value = serde_json::from_str(&answer).ok()?;
            (!status["stopping"].is_null()).then_some(())
        })
        .await;
    }

    /// Waits until the monitors of these have written down how they ended, which is still there without a daemon.
    pub(super) async fn ends_recorded(&self, executions: &[ExecutionId]) {
        let run = self.mantyx.root().join("run");
        let is_recorded = |id: &ExecutionId| fs::exists(run.join(format!("{id}.exit.json"))).unwrap();
        let all = async || executions.iter().all(is_recorded).then_some(());
        wait_until("all ends to be recorded", PATIENCE, all).await;
    }

    /// The control groups of an execution that is under way, in every hierarchy.
    pub(super) fn groups(&self, execution: ExecutionId) -> Vec<PathBuf> {
        let record = fs::read(self.mantyx.root().join(format!("run/{execution}.json"))).unwrap();
        let record: Value = serde_json::from_slice(&record).unwrap();
        let groups = record["plan"]["confinement"]["groups"].as_array().unwrap();
        groups.iter().map(|group| group["path"].as_str().unwrap().into()).collect()
    }

    /// Every process of an app that is alive, in order: it names the root in its arguments or its environment, or is in a
    /// control group of this root. Monitors and the daemon are none.
    pub(super) fn alive(&self) -> Vec<u32> {
        let confined = control_groups(self.mantyx.root());
        let confined: Vec<u32> = confined.iter().flat_map(|group| members(group)).collect();
        let root = self.mantyx.root();
        let mut pids = processes();
        pids.retain(|pid| is_alive(*pid) && self.may_be_of_an_app(*pid));
        pids.retain(|pid| confined.contains(pid) || mentions(*pid, root));
        pids
    }

    /// Whether it runs neither the daemon's program nor a monitor's. A child of the daemon does until it becomes another
    /// program: a monitor for the next start, for one. What has no program any more is on its way out.
    fn may_be_of_an_app(&self, pid: u32) -> bool {
        match program(pid) {
            Ok(program) => program != self.program && !is_monitors(&program),
            Err(error) => error.kind() != ErrorKind::NotFound,
        }
    }

    /// The monitors of this root that have an execution.
    pub(super) fn monitors(&self) -> Vec<u32> {
        let run = self.mantyx.root().join("run");
        let mut pids = processes();
        pids.retain(|pid| {
            is_monitor(*pid) && fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == run)
        });
        pids
    }

    /// Stops every app, and finds nobody alive.
    pub(super) async fn end(&self) {
        let apps: Page<AppView> = self.client().get("/api/apps?limit=500").await.unwrap();
        for app in apps.items {
            if app.legal_events.contains(&AppEvent::Stop) {
                self.client().event(&app.name, "stop").await.unwrap();
            }
            let state = self.client().app(&app.name).await.unwrap().state;
            assert_ne!(state, AppState::Running, "`{}` after a stop", app.name);
        }
        self.assert_nobody_is_alive();
        wait_until("monitors and control groups to go", PATIENCE, async || {
            let groups = control_groups(self.mantyx.root());
            (self.monitors().is_empty() && groups.iter().all(|group| is_waiting(group))).then_some(())
        })
        .await;
    }

    pub(super) fn assert_nobody_is_alive(&self) {
        let alive: Vec<String> = self.alive().iter().map(|pid| describe(*pid)).collect();
        assert!(alive.is_empty(), "processes of apps are alive: {alive:#?}");
    }
}

/// Kills a process, which need not be there any more, and waits until it is gone.
pub(super) async fn kill_9(pid: u32) {
    let _ = kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL);
    wait_until("a killed process to be gone", PATIENCE, async || (!is_alive(pid)).then_some(())).await;
}

/// Whether a process is there and is not only an entry that its parent has not collected yet.
pub(super) fn is_alive(pid: u32) -> bool {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = line.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Bytes of memory that a process has for itself alone (proc(5), `smaps_rollup`).
pub(super) fn private_memory(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let private = text.lines().filter(|line| line.starts_with("Private_"));
    private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>() * 1024
}

/// Those that are in a control group.
pub(super) fn members(group: &Path) -> Vec<u32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Whether a group is kept for the next start: who is in it has not become an app.
fn is_waiting(group: &Path) -> bool {
    let members = members(group);
    !members.is_empty() && members.into_iter().all(is_monitor)
}

fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let mut pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

fn is_monitor(pid: u32) -> bool {
    program(pid).is_ok_and(|program| is_monitors(&program))
}

fn is_monitors(program: &Path) -> bool {
    program.to_string_lossy().contains("mantyx-monitor")
}

fn program(pid: u32) -> io::Result<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe"))
}

fn mentions(pid: u32, root: &Path) -> bool {
    let needle = root.as_os_str().as_encoded_bytes();
    ["cmdline", "environ"].iter().any(|file| {
        let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

fn describe(pid: u32) -> String {
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid}: {}", String::from_utf8_lossy(&arguments).replace('\0', " "))
}
