//! What was resolved is built once more, and what is around that: caches, Pythons, daemons that were killed.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mantyx_core::Code;
use mantyx_venv::{CancellationToken, Network, end_orphans, outdated};
use support::{LOCKED, LONG, Release, locked, machine};

#[tokio::test]
async fn nothing_is_resolved_anew() {
    let release = Release::new(&[("requirements.txt", "six\n")]);
    let machine = machine().await;
    let newest = release.build("main.py", &machine.with_uv).await.unwrap();
    let old = mantyx_venv::Built { lock: "six==1.15.0\n".into(), ..newest.clone() };
    assert_ne!(newest.lock, old.lock);
    for tools in [&machine.with_uv, &machine.with_pip] {
        let built = release.rebuild(&old, Network::WhenNeeded, tools).await.unwrap();
        assert_eq!(built.lock, old.lock, "{}", release.said());
        assert!(release.said().contains("==> Install what was resolved before"), "{}", release.said());
    }
}

#[tokio::test]
async fn a_cold_cache_is_said_with_what_is_missing() {
    let machine = machine().await;
    let release = Release::new(&[("requirements.txt", "six==1.17.0\niniconfig\n")]);
    let built = release.build("main.py", &machine.with_uv).await.unwrap();
    let cache = tempfile::tempdir().unwrap();
    for tools in [&machine.with_uv, &machine.with_pip] {
        let plan = release.plan_again(&built, tools).network(Network::Offline);
        let error =
            release.build_with(cache.path(), LONG, &plan, &CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.code(), Code::InstallFailed);
        assert!(
            error.detail().contains("Without a network") && error.detail().contains("not in the cache"),
            "{error}"
        );
        assert!(error.detail().contains("six==1.17.0") || error.detail().contains("iniconfig=="), "{error}");
        // With a network it is got, and from then on it is there.
        let plan = plan.network(Network::WhenNeeded);
        let got = release.build_with(cache.path(), LONG, &plan, &CancellationToken::new()).await.unwrap();
        assert!(release.said().contains("==> Once more with the network"), "{}", release.said());
        let plan = plan.network(Network::Offline);
        let again = release.build_with(cache.path(), LONG, &plan, &CancellationToken::new()).await.unwrap();
        assert_eq!((&again, &again.lock_digest), (&got, &built.lock_digest));
    }
}

#[tokio::test]
async fn a_uv_lock_is_followed_again_with_and_without_uv() {
    let machine = machine().await;
    let release =
        Release::new(&[("pyproject.toml", LOCKED), ("uv.lock", &locked(&["lock"], "uv.lock").await)]);
    let built = release.build("main.py", &machine.with_uv).await.unwrap();
    let uv = release.rebuild(&built, Network::Offline, &machine.with_uv).await.unwrap();
    assert_eq!(uv, built);
    let pip = release.rebuild(&built, Network::WhenNeeded, &machine.with_pip).await.unwrap();
    assert_eq!((pip.lock, pip.lock_digest), (built.lock, built.lock_digest));
}

#[tokio::test]
async fn another_python_takes_the_place_of_one_that_is_gone() {
    let machine = machine().await;
    let release = Release::new(&[("requirements.txt", "six==1.17.0\n")]);
    let built = release.build("main.py", &machine.with_uv).await.unwrap();
    let gone = mantyx_venv::Built { python_version: "3.99.1".into(), ..built.clone() };
    let plan = release.plan_again(&gone, &machine.with_uv);
    assert_eq!(plan.other_python(), Some("3.99.1"));
    let again = release.build_within(LONG, &plan, &CancellationToken::new()).await.unwrap();
    assert_eq!(again.lock, built.lock);
    assert!(release.said().contains("since 3.99.1 is not there any more"), "{}", release.said());
}

#[tokio::test]
async fn both_tools_know_what_is_outdated() {
    let machine = machine().await;
    let release = Release::new(&[("requirements.txt", "six==1.16.0\n")]);
    for tools in [&machine.with_uv, &machine.with_pip] {
        release.build("main.py", tools).await.unwrap();
        let found = outdated(&release.environment(), &machine.cache, tools, LONG).await.unwrap();
        let [six] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((six.name.as_str(), six.installed.as_str()), ("six", "1.16.0"));
        assert_ne!(six.latest, "1.16.0");
    }
}

/// Where the second of the two processes of the next test finds its work.
const ROLE: &str = "MANTYX_TEST_DAEMON_FOLDER";

/// One process of this test plays a daemon: it builds something that never ends, and is killed.
#[tokio::test]
async fn nothing_of_a_build_survives_a_daemon_that_was_killed_for_long() {
    if let Some(folder) = std::env::var_os(ROLE) {
        return build_forever(Path::new(&folder)).await;
    }
    machine().await;
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Command::new(std::env::current_exe().unwrap());
    daemon.args(["--exact", "nothing_of_a_build_survives_a_daemon_that_was_killed_for_long"]);
    let mut daemon = daemon
        .env(ROLE, folder.path())
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = folder.path().join("pid");
    until(|| fs::read_to_string(&said).is_ok_and(|pid| pid.ends_with('\n')));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let builder = Path::new("/proc").join(fs::read_to_string(&said).unwrap().trim()).join("exe");
    let records = folder.path().join("builds");
    assert!(builder.read_link().is_ok(), "this is what must be ended");
    assert_eq!(end_orphans(&records).await.unwrap(), 1);
    until(|| builder.read_link().is_err());
    assert_eq!(fs::read_dir(&records).unwrap().count(), 0);
}

async fn build_forever(folder: &Path) {
    let said = folder.join("pid").display().to_string();
    let setup =
        format!("import os, time\nopen('{said}', 'w').write(f'{{os.getpid()}}\\n')\ntime.sleep(600)\n");
    let release = Release::new(&[("requirements.txt", "./slow\n"), ("slow/setup.py", &setup)]);
    let plan = release.plan("main.py", &machine().await.with_uv).recorded_in(folder.join("builds"));
    // Whoever is killed tidies nothing: all of it lies in a folder of the other.
    release.build_with(&folder.join("cache"), LONG, &plan, &CancellationToken::new()).await.unwrap();
}

/// Waits until something is so.
fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn a_build_that_ends_leaves_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let release = Release::new(&[("main.py", "")]);
    let plan = release.plan("main.py", &machine().await.with_uv).recorded_in(folder.path());
    release.build_within(LONG, &plan, &CancellationToken::new()).await.unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
