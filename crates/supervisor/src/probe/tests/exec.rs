//! Looks by a command line.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mantyx_core::{ExecutionId, Limits};
use mantyx_limits::{Offer, Prepared};
use mantyx_platform::identity;
use tempfile::TempDir;

use super::*;

/// What is seen by a command line that may take so long, in a folder of its own.
async fn run(command: &str, timeout: Duration) -> (Observation, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("PATH", "/usr/bin:/bin"),
        ("APP_NAME", "shop"),
        ("NOTIFY_SOCKET", "/run/x"),
        ("WATCHDOG_USEC", "1"),
        ("WATCHDOG_PID", "1"),
        ("MANTYX_EXECUTION_ID", "x"),
    ];
    let exec = ExecContext {
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        directory: folder.path().to_owned(),
        identity: None,
        confinement: None,
    };
    let plan = ProbePlan { probe: Probe::Exec { command: command.into() }, web_port: None, exec, timeout };
    (look(plan).await, folder)
}

async fn seen(command: &str) -> Observation {
    run(command, LONG).await.0
}

/// Waits until the processes whose ids stand in a file are gone.
async fn gone(folder: &TempDir, file: &str) {
    let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
    assert!(!text.trim().is_empty());
    let began = Instant::now();
    // One that has ended and is not yet waited for has no program any more.
    while text.split_whitespace().any(|pid| Path::new("/proc").join(pid).join("exe").read_link().is_ok()) {
        assert!(began.elapsed() < LONG, "of {text:?} something is left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_exit_is_the_answer() {
    assert_eq!(seen("true").await, Well);
    assert_eq!(seen("false").await, ill("`false` ended with code 1"));
    let said = "echo checking; echo 'no database' >&2; echo; exit 2";
    assert_eq!(seen(said).await, ill(format!("`{said}` ended with code 2: no database")));
    assert_eq!(seen("exec >&- 2>&-; exit 4").await, ill("`exec >&- 2>&-; exit 4` ended with code 4"));
    assert_eq!(seen("echo bye; kill -9 $$").await, ill("`echo bye; kill -9 $$` was ended by signal 9: bye"));
}

#[tokio::test]
async fn it_runs_as_the_app_does_but_does_not_speak_for_it() {
    let (seen, folder) = run("env > environment; pwd > folder", LONG).await;
    assert_eq!(seen, Well);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(Path::new(read("folder").trim()), folder.path().canonicalize().unwrap());
    let environment = read("environment");
    assert!(environment.contains("APP_NAME=shop"), "{environment}");
    assert!(environment.contains("MANTYX_EXECUTION_ID=x"), "it ends with the execution: {environment}");
    for other in ["NOTIFY_SOCKET", "WATCHDOG"] {
        assert!(!environment.contains(other), "{environment}");
    }
}

/// Whether the groups of this machine, which has them or not, hold what a look starts.
struct Confined {
    offer: Option<Offer>,
    prepared: Prepared,
}

impl Confined {
    fn new(limits: &Limits) -> Self {
        let execution = ExecutionId::generate();
        let offer = Offer::detect_direct(&format!("test-look-{execution}"));
        let prepared = mantyx_limits::plan(limits, &offer, execution.into()).prepare();
        Self { offer: Some(offer), prepared }
    }

    fn plan(&self, command: &str, timeout: Duration) -> (ProbePlan, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = plan(Probe::Exec { command: command.into() }, None);
        plan.exec.directory = folder.path().to_owned();
        plan.exec.environment.insert("PATH".into(), "/usr/bin:/bin".into());
        plan.exec.confinement = Some(Arc::new(self.prepared.confinement().clone()));
        (ProbePlan { timeout, ..plan }, folder)
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        while !self.prepared.kill_all().is_empty() {
            std::thread::yield_now();
        }
        let _ = self.prepared.remove();
        self.offer.take().into_iter().for_each(Offer::release);
    }
}

#[tokio::test]
async fn the_app_pays_for_it() {
    let app = Confined::new(&Limits { open_files: Some(77), ..Limits::default() });
    let line = "cat /proc/self/cgroup > groups; ulimit -n; exit 1";
    let (mut plan, folder) = app.plan(line, LONG);
    if identity::is_superuser() {
        plan.exec.identity = Some(identity::resolve("nobody", &[]).unwrap());
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
    }
    assert_eq!(look(plan).await, ill(format!("`{line}` ended with code 1: 77")));
    let inside = std::fs::read_to_string(folder.path().join("groups")).unwrap();
    for group in &app.prepared.confinement().groups {
        let name = group.path.file_name().unwrap().to_str().unwrap();
        assert!(inside.contains(name), "{inside}");
    }
}

#[tokio::test]
async fn what_ends_the_app_ends_the_look() {
    let app = Confined::new(&Limits::default());
    if app.prepared.groups().is_empty() {
        return;
    }
    let (plan, folder) = app.plan("setsid sleep 600 & echo $$ $! > pids; wait", LONG);
    let look = tokio::spawn(look(plan));
    let pids = folder.path().join("pids");
    while !std::fs::read_to_string(&pids).is_ok_and(|text| text.ends_with('\n')) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!app.prepared.processes().is_empty());
    // Who is dead by the time that it looks again is not told of.
    while !app.prepared.kill_all().is_empty() {
        tokio::task::yield_now().await;
    }
    let Ill(reason) = look.await.unwrap() else { panic!("it was killed") };
    assert!(reason.ends_with("was ended by signal 9"), "{reason}");
    gone(&folder, "pids").await;
}

/// Looks by something that does not end, with more and more time until so many ids stand in `pids`: on a busy machine
/// it may take long until there is something to kill. Says what was seen at last, and within which time.
async fn outlast<Look: Future<Output = (Observation, TempDir)>>(
    ids: usize,
    look: impl Fn(Duration) -> Look,
) -> (Observation, TempDir, Duration) {
    for seconds in [1, 4, 16] {
        let time = Duration::from_secs(seconds);
        let (seen, folder) = look(time).await;
        let text = std::fs::read_to_string(folder.path().join("pids")).unwrap_or_default();
        if text.ends_with('\n') && text.split_whitespace().count() == ids {
            return (seen, folder, time);
        }
    }
    let (seen, folder) = look(LONG).await;
    (seen, folder, LONG)
}

#[tokio::test]
async fn what_flees_into_a_session_of_its_own_is_killed_with_and_without_groups() {
    let app = Confined::new(&Limits::default());
    let confined = async |command: &str, timeout| {
        let (plan, folder) = app.plan(command, timeout);
        (look(plan).await, folder)
    };
    let flees =
        "setsid sh -c 'setsid sleep 600 & echo $$ $! > pids; sleep 600' & until [ -s pids ]; do :; done";
    gone(&run(flees, LONG).await.1, "pids").await;
    gone(&confined(flees, LONG).await.1, "pids").await;
    let stays = "setsid sleep 600 & echo $! > pids; setsid sleep 600 & echo $! >> pids; wait";
    gone(&outlast(2, |timeout| run(stays, timeout)).await.1, "pids").await;
    gone(&outlast(2, |timeout| confined(stays, timeout)).await.1, "pids").await;
    while !app.prepared.processes().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn it_runs_as_the_user_that_the_app_has() {
    let nobody = identity::resolve("nobody", &[]).unwrap();
    let mut plan = plan(Probe::Exec { command: "/usr/bin/id -un; exit 1".into() }, None);
    plan.exec.identity = Some(nobody);
    let reason = if identity::is_superuser() {
        "`/usr/bin/id -un; exit 1` ended with code 1: nobody"
    } else {
        "Could not start `/bin/sh` as `nobody`: permission denied"
    };
    assert_eq!(look(plan).await, ill(reason));
}

#[tokio::test]
async fn what_does_not_end_is_killed_with_its_children() {
    let command =
        "trap '' TERM; sh -c \"trap '' TERM; echo \\$\\$ >> pids; sleep 600\" & echo $$ $! >> pids; wait";
    let (seen, folder, time) = outlast(3, |timeout| run(command, timeout)).await;
    assert_eq!(seen, ill(format!("`{command}` did not end within {} s", time.as_secs())));
    gone(&folder, "pids").await;
}

#[tokio::test]
async fn what_it_leaves_behind_is_killed_too() {
    let (seen, folder) = run("sleep 600 & echo $! > pids", LONG).await;
    assert_eq!(seen, Well);
    gone(&folder, "pids").await;
    let (seen, folder) = run("sleep 600 > /dev/null 2>&1 & echo $! > pids", LONG).await;
    assert_eq!(seen, Well);
    gone(&folder, "pids").await;
}

#[tokio::test]
async fn a_flood_of_output_is_read_and_forgotten() {
    let flood = "head -c 20000000 /dev/zero | tr '\\0' x; echo; seq 200000; exit 1";
    assert_eq!(seen(flood).await, ill(format!("`{flood}` ended with code 1: 200000")));
    let long = "head -c 1000 /dev/zero | tr '\\0' x; exit 1";
    let reason = format!("`{long}` ended with code 1: {}…", "x".repeat(199));
    assert_eq!(seen(long).await, ill(reason));
    let (endless, _folder) = run("yes", BRIEF).await;
    assert_eq!(endless, ill("`yes` did not end within 0.3 s"));
}

#[tokio::test]
async fn one_that_cannot_start_is_said() {
    let Ill(reason) = seen("no-such-program").await else { panic!("there is no such program") };
    assert!(reason.starts_with("`no-such-program` ended with code 127: "), "{reason}");
    let probe = Probe::Exec { command: "true".into() };
    let mut plan = plan(probe, None);
    plan.exec.directory = "/no/such/folder".into();
    assert_eq!(look(plan).await, ill("Could not start `/bin/sh`: entity not found"));
}
