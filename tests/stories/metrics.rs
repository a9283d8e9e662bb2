//! What apps use: seen while they run, told to whoever listens, and still known after the daemon has died.

use mantyx_api_types::{AppMetrics, Sparkline, UsagePoint};
use mantyx_core::AppName;
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

/// The newest point of an app of which something was seen already.
async fn newest_point(client: &Client, app: &AppName) -> UsagePoint {
    wait_until("a look at the app", PATIENCE, async || metrics(client, app, "hour").await.points.pop()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_app_is_told_apart_from_an_idle_one() {
    let mut mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let busy = client.upload_script("busy.py", BUSY, &[]).await.unwrap().app.name;
    let idle = client.upload_script("idle.py", apps::sleeper_script(), &[]).await.unwrap().app.name;
    client.install_and_enable(&busy).await;
    client.install_and_enable(&idle).await;
    let (of_busy, of_idle) = (newest_point(client, &busy).await, newest_point(client, &idle).await);
    assert!(of_busy.cpu > 5.0 * of_idle.cpu && of_busy.cpu > 0.05, "{of_busy:?} {of_idle:?}");
    assert!(of_busy.memory > 64 << 20 && of_idle.memory > 1 << 20, "{of_busy:?} {of_idle:?}");

    let lines: Vec<Sparkline> = client.get("/api/sparklines").await.unwrap();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| (1..=60).contains(&line.points.len())));
    let text = client.get_text("/metrics").await.unwrap();
    assert!(text.contains("mantyx_app_processes{app=\"busy\"} 2\n"), "{text}");
    assert!(text.contains("mantyx_app_up{app=\"idle\"} 1\n"), "{text}");

    mantyx.kill_9();
    mantyx.start_again().await;
    let client = mantyx.client();
    let adopted = newest_point(client, &busy).await;
    assert!(adopted.cpu > 0.05 && adopted.memory > 64 << 20, "{adopted:?}");
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
        let expected = 0.3 * f64::from(runs);
        let counted = wait_until("the time of a job", PATIENCE, async || {
            Some(cpu_seconds(client, &name).await).filter(|counted| *counted >= expected)
        })
        .await;
        assert!(counted < 4.0 * expected, "{counted} after {runs}");
    }
    let point = newest_point(client, &name).await;
    assert!(point.cpu > 0.05 && point.memory > 1 << 20, "{point:?}");
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
