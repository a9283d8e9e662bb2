//! Every way to end, while there is no daemon: each is told truly by the next one.

use mantyx_core::{AppName, AppState, Ending, ExecutionId, ExecutionStatus, Exit};
use serde_json::{Value, json};

use super::scene::Scene;

/// Says that it is alive until it is told to go, and then ends, or does not, in the way that its argument names.
const ENDS: &str = r"
import os, signal, socket, sys, time
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
address = os.environ['NOTIFY_SOCKET'].replace('@', '\0', 1)
print('up', flush=True)
while not os.path.exists(os.environ['APP_DATA_DIR'] + '/go'):
    notify.sendto(b'WATCHDOG=1', address)
    time.sleep(0.1)
print('going', flush=True)
if sys.argv[1] == 'code':
    sys.exit(7)
if sys.argv[1] == 'signal':
    os.kill(os.getpid(), signal.SIGKILL)
held = []
while sys.argv[1] == 'memory' and len(held) < 45:
    held.append(bytearray(b'x') * (4 << 20))
time.sleep(600)
";

/// A way to end, and how it is told.
struct Way {
    name: &'static str,
    /// What only this way needs.
    configuration: Value,
    status: ExecutionStatus,
    exit: Exit,
    ending: Ending,
}

fn ways(memory_is_limited: bool) -> Vec<Way> {
    use ExecutionStatus::{Failed, Timeout};
    let way = |name, configuration, status, exit, ending| Way { name, configuration, status, exit, ending };
    let mut ways = vec![
        way("code", json!({}), Failed, Exit::Code(7), Ending::Exited),
        way("signal", json!({}), Failed, Exit::Signal(9), Ending::Exited),
        way("watchdog", json!({ "watchdog": 10 }), Failed, Exit::Signal(6), Ending::WatchdogExpired),
    ];
    if memory_is_limited {
        let limits = json!({ "limits": { "memory": "64 MiB" } });
        let ending = Ending::OutOfMemory { limit: Some(64 << 20) };
        ways.push(way("memory", limits, Failed, Exit::Signal(9), ending));
    }
    // The last one, because its time runs from its start on.
    let timeout = json!({ "timeout": 20 });
    ways.push(way("time", timeout, Timeout, Exit::Signal(15), Ending::TimedOut { after: 20 }));
    ways
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ended_without_a_daemon_is_told_as_it_was() {
    let mut scene = Scene::begin().await;
    let ways = ways(scene.system().await.limits.memory);
    let mut names: Vec<AppName> = Vec::new();
    for way in &ways {
        let mut configuration = way.configuration.clone();
        configuration["arguments"] = json!([way.name]);
        names.push(scene.job(way.name, ENDS, configuration).await);
    }
    let mut runs: Vec<ExecutionId> = Vec::new();
    for name in &names {
        scene.client().event(name, "run").await.unwrap();
        runs.push(scene.client().executions(name).await.unwrap()[0].id);
    }
    for name in &names {
        scene.line(name, "up").await;
    }
    scene.mantyx.kill_9();
    for name in &names {
        scene.tell(name, "go", "");
    }
    scene.ends_recorded(&runs).await;
    scene.mantyx.start_again().await;

    let back = scene.system().await.started_at;
    for (way, name) in ways.iter().zip(&names) {
        let run = scene.ended(name, 1).await;
        assert_eq!(
            (run.status, run.exit, run.ending.as_ref()),
            (way.status, Some(way.exit), Some(&way.ending)),
            "{}",
            way.name
        );
        assert!(run.finished_at.unwrap() < back, "the end of `{name}` is told as late as it was found");
        let told = run.cause.is_some() || way.name == "code";
        assert!(told && run.last_lines.last().is_some_and(|line| line == "going"), "{run:?}");
        let app = scene.client().wait_for_state(name, AppState::Enabled).await;
        assert_eq!(app.last_execution.unwrap().id, run.id);
    }
    scene.end().await;
}
