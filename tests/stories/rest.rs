//! A daemon that nobody asks does nothing, and is there at once for whoever asks.

use std::fs;
use std::time::Duration;

use mantyx_test_support::{PATIENCE, TestMantyx, wait_until};

/// For how long it is watched. Nothing in the daemon may wake more than once in a second.
const WATCHED: Duration = Duration::from_millis(1500);

/// How often the threads that answer requests have woken so far.
fn wakes_of_the_server(mantyx: &TestMantyx) -> u64 {
    let threads = fs::read_dir(format!("/proc/{}/task", mantyx.pid())).unwrap();
    let of_the_server = threads.flatten().map(|thread| thread.path()).filter(|thread| {
        fs::read_to_string(thread.join("comm")).unwrap_or_default().starts_with("actix-server")
    });
    let wakes = |status: String| {
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        count.trim().parse::<u64>().ok()
    };
    let counts: Vec<u64> = of_the_server
        .map(|thread| wakes(fs::read_to_string(thread.join("status")).unwrap()).unwrap())
        .collect();
    assert!(counts.len() > 1, "the server has no threads of this name");
    counts.iter().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_nobody_is_connected_to_sleeps_until_somebody_asks() {
    let mantyx = TestMantyx::start().await;
    // The connections of the start are kept for a few seconds by their clients.
    wait_until("the server to sleep", PATIENCE, async || {
        let before = wakes_of_the_server(&mantyx);
        tokio::time::sleep(WATCHED).await;
        (wakes_of_the_server(&mantyx) == before).then_some(())
    })
    .await;
    let before = wakes_of_the_server(&mantyx);
    mantyx.client().get_text("/metrics").await.unwrap();
    // A thread that woke is counted when it sleeps again, which may be after its answer.
    let woke = async || (wakes_of_the_server(&mantyx) > before).then_some(());
    wait_until("somebody to have woken", PATIENCE, woke).await;
}
