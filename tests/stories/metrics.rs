//! What apps use: seen while they run, told to whoever listens, and still known after the daemon has died.

use chrono::Utc;
use mantyx_api_types::{AppMetrics, Sparkline, UsagePoint};
use mantyx_core::{AppName, AppState};
use mantyx_test_support::{Client, PATIENCE, TestMantyx, apps, wait_until};

/// Burns half of a processor's time or more in a child of a child that made a session of its own.
const BUSY: &str = r"
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        held = bytearray(64 << 20)
        while True: pass
    os._exit(0)
os.wait()
while True: time.sleep(3600)
";

async fn metrics(client: &Client, app: &AppName, span: &str) -> AppMetrics {
    client.get(&format!("/api/apps/{app}/metrics?span={span}")).await.unwrap()
}

/// The first point that is as it should be; `what` completes the sentence *a look at `app` that …*. The looks at an app
/// that is just beginning, or coming to its end, say little.
async fn point(
    client: &Client,
    app: &AppName,
    what: &str,
    is_so: impl Fn(&UsagePoint) -> bool,
) -> UsagePoint {
    wait_until(&format!("a look at `{app}` that {what}"), PATIENCE, async || {
        metrics(client, app, "hour").await.points.into_iter().find(&is_so)
    })
    .await
}

fn is_busy(point: &UsagePoint) -> bool {
    // How much of a processor it gets is up to the machine. The memory says that it is the child which burns it.
    point.cpu > 0.01 && point.memory > 64 << 20
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_app_is_told_apart_from_an_idle_one() {
    let mut mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let busy = client.upload_script("busy.py", BUSY, &[]).await.unwrap().app.name;
    let idle = client.upload_script("idle.py", apps::sleeper_script(), &[]).await.unwrap().app.name;
    client.install_and_enable(&busy).await;
    client.install_and_enable(&idle).await;
    let of_busy = point(client, &busy, "shows that it is busy", is_busy).await;
    let is_idle = |point: &UsagePoint| 5.0 * point.cpu < of_busy.cpu && point.memory > 1 << 20;
    point(client, &idle, "shows that it is not", is_idle).await;

    let lines: Vec<Sparkline> = client.get("/api/sparklines").await.unwrap();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| (1..=60).contains(&line.points.len())));
    let text = wait_until("a look at the two processes that stay", PATIENCE, async || {
        let text = client.get_text("/metrics").await.unwrap();
        text.contains("mantyx_app_processes{app=\"busy\"} 2\n").then_some(text)
    })
    .await;
    assert!(text.contains("mantyx_app_up{app=\"idle\"} 1\n"), "{text}");

    mantyx.kill_9();
    mantyx.start_again().await;
    let again = Utc::now();
    let is_new = |point: &UsagePoint| point.at > again && is_busy(point);
    point(mantyx.client(), &busy, "shows that it is busy under the next daemon", is_new).await;
}

/// The processor seconds of an app, as Prometheus reads them.
async fn cpu_seconds(client: &Client, app: &AppName) -> f64 {
    let text = client.get_text("/metrics").await.unwrap();
    let sample = format!("mantyx_app_cpu_seconds_total{{app=\"{app}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&sample)).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_over_before_anybody_looks_is_counted() {
    let mut mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let job = "import time\nwhile time.process_time() < 0.3: pass\n";
    let fields = [("type", "scheduled")];
    let name = client.upload_script("job.py", job, &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    for runs in 1..=2 {
        client.event(&name, "run").await.unwrap();
        client.wait_for_state(&name, AppState::Enabled).await;
        let expected = 0.3 * f64::from(runs);
        let counted = wait_until("the time of a job", PATIENCE, async || {
            Some(cpu_seconds(client, &name).await).filter(|counted| *counted >= expected)
        })
        .await;
        assert!(counted < 4.0 * expected, "{counted} after {runs}");
    }
    point(client, &name, "shows a run", |point| point.cpu > 0.01 && point.memory > 1 << 20).await;
    assert!(client.get_text("/metrics").await.unwrap().contains("mantyx_app_up{app=\"job\"} 0\n"));

    // The minute that was under way is written down by who goes down.
    assert!(mantyx.stop().await.success());
    mantyx.start_again().await;
    let kept = metrics(mantyx.client(), &name, "day").await.points;
    assert!(kept.iter().any(|minute| minute.cpu > 0.0 && minute.memory > 1 << 20), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lives_say_when_an_app_was_alive() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("service.py", apps::sleeper_script(), &[]).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    client.event(&name, "restart").await.unwrap();
    client.event(&name, "stop").await.unwrap();
    for span in ["hour", "day", "month"] {
        let metrics = metrics(client, &name, span).await;
        assert_eq!(metrics.lives.len(), 2, "{metrics:?}");
        assert!(metrics.lives.iter().all(|life| life.finished_at.is_some()), "{metrics:?}");
        assert!(metrics.lives[0].started_at < metrics.lives[1].started_at);
        assert!(metrics.uptime > 0.0 && metrics.uptime <= 1.0 && metrics.restarts == 0, "{metrics:?}");
    }
}
