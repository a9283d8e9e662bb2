//! Apps that want everything: processes and memory. The app pays, nobody else.

use mantyx_api_types::{ExecutionView, HealthView, LimitsView};
use mantyx_core::{AppName, AppState, Ending, ExecutionStatus, Exit, LimitMechanism};
use mantyx_test_support::{PATIENCE, TestMantyx, apps, wait_until};
use serde_json::json;

use super::scene::{Scene, members};

/// Everybody forks as long as there is a token left, so that there are never more than 80, whoever else stops it.
/// What was refused gives its token back, and is tried again. All of them end by themselves after a while.
const FORK_BOMB: &str = r"
import errno, os, time
end = time.monotonic() + 120
tokens, spare = os.pipe()
os.set_blocking(tokens, False)
os.write(spare, b'x' * 80)
while time.monotonic() < end:
    try:
        os.read(tokens, 1)
    except BlockingIOError:
        time.sleep(0.02)
        continue
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError as error:
        os.write(spare, b'x')
        os.write(1, b'refused %s\n' % errno.errorcode[error.errno].encode())
        time.sleep(0.02)
";

/// Wants more and more, and stops at a size that hurts nobody.
const GLUTTON: &str = r"
held = []
for size in range(4, 190, 4):
    held.append(bytearray(b'x') * (4 << 20))
    print('holds', size, 'MiB', flush=True)
print('has had enough', flush=True)
";

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_stops_at_its_limit_and_the_daemon_does_not_notice() {
    let scene = Scene::begin().await;
    let before = health(&scene).await;
    let limit = json!({ "limits": { "processes": 30 }, "stop_grace": 1 });
    let name = scene.service("bomb", FORK_BOMB, limit).await;
    let system = scene.system().await;
    if system.limits.processes {
        scene.line(&name, "refused EAGAIN").await;
        let execution = scene.client().app(&name).await.unwrap().execution.unwrap();
        let most = scene.groups(execution).iter().map(|group| members(group).len()).max().unwrap();
        assert!((2..=30).contains(&most), "{most} processes under a limit of 30");
    } else {
        let app = scene.client().app(&name).await.unwrap();
        assert!(app.warnings.iter().any(|warning| warning.contains("processes")), "{:?}", app.warnings);
        let many = async || (scene.alive().len() > 40).then_some(());
        wait_until("the bomb to grow", PATIENCE, many).await;
    }
    assert_the_daemon_answers_beside(&scene, &name, &before).await;
    stop(&scene, &name).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_under_the_default_limit_can_be_stopped() {
    let scene = Scene::begin().await;
    let before = health(&scene).await;
    let name = scene.service("bomb", FORK_BOMB, json!({ "stop_grace": 1 })).await;
    let many = async || (scene.alive().len() > 40).then_some(());
    wait_until("the bomb to grow", PATIENCE, many).await;
    assert_the_daemon_answers_beside(&scene, &name, &before).await;
    stop(&scene, &name).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runaway_memory_ends_the_app_that_wants_it_and_nobody_else() {
    let scene = Scene::begin().await;
    let neighbour = scene.service("neighbour", apps::sleeper_script(), json!({})).await;
    let (daemon, before) = (scene.mantyx.pid(), scene.pid(&neighbour).await);
    let limits = json!({ "limits": { "memory": "64 MiB" } });
    let name = scene.job("glutton", GLUTTON, limits).await;
    let run = scene.run(&name).await;
    assert_was_out_of_memory(&run, scene.system().await.limits);
    let last = scene.text(&name, None).await;
    assert!(last.contains("holds 8 MiB") && !last.contains("has had enough"), "{last}");
    assert_eq!((scene.mantyx.pid(), scene.pid(&neighbour).await), (daemon, before));
    assert_eq!(scene.client().executions(&neighbour).await.unwrap().len(), 1);
    scene.end().await;
}

/// A daemon that is nobody special may make no control groups. It says so, and does what can be done.
#[tokio::test(flavor = "multi_thread")]
async fn without_control_groups_each_process_is_held_to_the_memory_and_that_is_said() {
    let mut builder = TestMantyx::builder();
    if rustix::process::geteuid().is_root() {
        builder = builder.user(super::privileges::NOBODY);
    }
    let scene = Scene::with(builder).await;
    let offer = scene.system().await.limits;
    // A few machines let everybody make groups.
    let has_groups = offer.mechanism != LimitMechanism::Rlimits;
    assert_eq!((offer.memory, offer.cpu, offer.processes), (has_groups, has_groups, has_groups));
    let limits = json!({ "limits": { "memory": "64 MiB", "processes": 30 } });
    let name = scene.job("glutton", GLUTTON, limits.clone()).await;
    assert_was_out_of_memory(&scene.run(&name).await, offer);
    let service = scene.service("service", apps::sleeper_script(), limits).await;
    let warnings = scene.client().app(&service).await.unwrap().warnings.join("\n");
    assert_eq!(warnings.contains("processes"), !has_groups, "{warnings}");
    scene.end().await;
}

/// What wants more memory than its limit ends for that, by whatever means this machine offers.
fn assert_was_out_of_memory(run: &ExecutionView, offer: LimitsView) {
    assert_eq!(run.status, ExecutionStatus::Failed, "{run:?}");
    let cause = run.cause.clone().unwrap_or_default();
    if offer.memory {
        assert_eq!(run.exit, Some(Exit::Signal(9)));
        assert_eq!(run.ending, Some(Ending::OutOfMemory { limit: Some(64 << 20) }));
        assert!(cause.contains("64 MiB"), "{cause}");
        assert!(run.peak_memory.is_some_and(|peak| (32 << 20..=64 << 20).contains(&peak)), "{run:?}");
    } else {
        // Each process by itself is held to it, and Python says so.
        assert_eq!(run.ending, Some(Ending::Exited));
        assert!(cause.contains("memory"), "{cause}");
    }
}

/// How the daemon says that it is. The machine may have made it say so before there was any app.
async fn health(scene: &Scene) -> String {
    let health: HealthView = scene.client().get("/health").await.unwrap();
    health.status
}

async fn assert_the_daemon_answers_beside(scene: &Scene, bomb: &AppName, before: &str) {
    assert_eq!(health(scene).await, before);
    assert!(scene.alive().len() > 1, "the bomb is over");
    assert_eq!(scene.client().app(bomb).await.unwrap().state, AppState::Running);
}

async fn stop(scene: &Scene, bomb: &AppName) {
    scene.client().event(bomb, "stop").await.unwrap();
    assert_eq!(scene.client().app(bomb).await.unwrap().state, AppState::Stopped);
    scene.assert_nobody_is_alive();
}
