//! Apps that reach for what is not theirs, and a daemon that may give them nobody else's rights.
//!
//! What an app can read is told in `identity.rs`.

use mantyx_core::ExecutionStatus;
use mantyx_test_support::{TestMantyx, apps};
use serde_json::json;

use super::scene::{Scene, is_alive};

/// The number that Debian and most others give to `nobody`, and to the group of that number.
pub(super) const NOBODY: u32 = 65534;

/// Tries to end those whose pids it is given, its monitor, and to get more rights.
const ATTACK: &str = r"
import os, signal, sys
def tries(what, action):
    try:
        action()
        print('COULD', what)
    except OSError as error:
        print('could not', what, error.strerror)
for pid in sys.argv[1:] + [str(os.getppid())]:
    tries('kill ' + pid, lambda: os.kill(int(pid), signal.SIGKILL))
    tries('write to ' + pid, lambda: open('/proc/' + pid + '/mem', 'r+b').close())
tries('become root', lambda: os.setuid(0))
run = os.environ['APP_DATA_DIR'] + '/../../../run'
tries('list the run folder', lambda: os.listdir(run))
status = open('/proc/self/status').read()
print('\n'.join(line for line in status.splitlines() if line.startswith(('NoNewPrivs', 'CapEff'))))
print('done')
";

#[tokio::test(flavor = "multi_thread")]
async fn an_app_can_end_neither_the_daemon_nor_its_monitor_nor_another_users_app() {
    if !rustix::process::geteuid().is_root() {
        return a_daemon_without_rights(TestMantyx::start().await).await;
    }
    let scene = Scene::begin().await;
    let other = scene.service("other", apps::sleeper_script(), json!({ "user": "daemon" })).await;
    let victims = [scene.mantyx.pid(), scene.pid(&other).await];
    let arguments = victims.map(|pid| pid.to_string());
    let name = scene.job("attack", ATTACK, json!({ "arguments": arguments })).await;
    let run = scene.run(&name).await;
    let said = scene.text(&name, None).await;
    assert_eq!(run.status, ExecutionStatus::Success, "{said}");
    assert!(said.contains("done") && !said.contains("COULD"), "{said}");
    assert!(said.contains("NoNewPrivs:\t1") && said.contains("CapEff:\t0000000000000000"), "{said}");
    assert!(victims.iter().all(|pid| is_alive(*pid)));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_without_rights_starts_apps_as_itself_and_says_what_it_cannot() {
    let builder = TestMantyx::builder();
    let is_root = rustix::process::geteuid().is_root();
    a_daemon_without_rights(if is_root { builder.user(NOBODY) } else { builder }.start().await).await;
}

async fn a_daemon_without_rights(mantyx: TestMantyx) {
    use std::os::unix::fs::MetadataExt as _;
    let scene = Scene::of(mantyx);
    let owner = |pid: u32| std::fs::metadata(format!("/proc/{pid}")).unwrap().uid();
    let wish = json!({ "user": "daemon" });
    let name = scene.service("wishful", apps::sleeper_script(), wish).await;
    let app = scene.client().app(&name).await.unwrap();
    assert_eq!(owner(app.pid.unwrap()), owner(scene.mantyx.pid()));
    assert!(app.warnings.iter().any(|said| said.contains("not as `daemon`")), "{:?}", app.warnings);
    assert_eq!(scene.system().await.app_user, None);
    scene.end().await;
}
