//! What watches over apps, as it is seen: health, why an app died, its figures, its log, and the form about all that.

use mantyx_core::{AppState, Health};
use mantyx_test_support::{Browser, PATIENCE, TestMantyx, wait_until};
use serde_json::{Value, json};

use crate::{begin, log_in, sticks_out};

/// A web service in the standard library that is well until somebody puts a file beside its data.
const MOODY: &str = r#"
import http.server, os, pathlib

ill = pathlib.Path(os.environ["APP_DATA_DIR"]) / "ill"

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if ill.exists() else 200)
        self.end_headers()
        self.wfile.write(b"here")

print("serving", flush=True)
http.server.HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// Writes a few thousand lines, some of them unlike the others, and stays.
const TALKER: &str = r"
import time

for number in range(3000):
    if number % 500 == 250:
        print(f'ERROR the needle is in haystack {number}', flush=True)
    else:
        print(f'INFO straw {number}', flush=True)
print('done talking', flush=True)
time.sleep(3600)
";

#[tokio::test(flavor = "multi_thread")]
async fn health_and_figures_are_seen_at_a_glance() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let health = json!({"probe": {"kind": "http", "url": "/"}, "interval": 1, "failures": 2, "successes": 1});
    let limits = json!({"memory": 268_435_456});
    let fields = [("name", "moody"), ("web_port", "auto"), ("restart_policy", "never")];
    let name = begin(client, MOODY, &fields, json!({"health": health, "limits": limits})).await;
    client.wait_for_app(&name, "be well", |app| app.health == Health::Healthy).await;

    let browser = Browser::start().await;
    log_in(&browser, &mantyx).await;
    browser.wait_for_text("app-health", "Healthy").await;
    browser.wait_for_text("spark-memory", "MB").await;
    browser.screenshot("dashboard-health").await;

    browser.open(&format!("{}/apps/{name}", mantyx.url())).await;
    browser.wait_for("graph-cpu").await;
    browser.wait_for_text("graph-memory", "of 256 MB").await;
    // Each time anew: a plot that is drawn again between the key and the look has lost its cursor.
    let first = "const plot = document.querySelector('[data-testid=graph-memory] [role=slider]');\
        const said = plot.ariaValueText; plot.focus();\
        plot.dispatchEvent(new KeyboardEvent('keydown', {key: 'Home', bubbles: true})); return said";
    wait_until("the first point in words", PATIENCE, async || {
        browser.try_script(first).await?.as_str()?.contains(':').then_some(())
    })
    .await;
    browser.wait_for_text("usage-words", "Alive").await;
    browser.wait_for("timeline").await;
    browser.screenshot("app-overview-usage").await;
    browser.click("usage-day").await;
    wait_until("the day to be chosen", PATIENCE, async || {
        let chosen = "return document.querySelector('[data-testid=usage-day] input').checked";
        browser.try_script(chosen).await?.as_bool()?.then_some(())
    })
    .await;
    browser.wait_for_text("usage-words", "since it was made").await;

    std::fs::write(mantyx.root().join("apps").join(name.as_str()).join("data/ill"), "").unwrap();
    browser.wait_for_text("app-health", "Unhealthy").await;
    browser.wait_for_text("health-detail", "503").await;
    browser.screenshot("app-unhealthy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_it_died_is_said_with_its_last_lines() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("name", "mailer"), ("restart_limit", "1"), ("restart_delay", "0")];
    let name = begin(client, "print('reading invoices')\nimport jinja3\n", &fields, json!({})).await;
    client.wait_for_state(&name, AppState::Failed).await;

    let browser = Browser::start().await;
    log_in(&browser, &mantyx).await;
    browser.wait_for_text("row-cause", "jinja3").await;
    browser.wait_for_text("restarts-at", "tries again in").await;
    browser.open(&format!("{}/apps/{name}", mantyx.url())).await;
    browser.wait_for_text("why-cause", "jinja3").await;
    browser.wait_for_text("why-ending", "exit code 1").await;
    browser.wait_for_text("last-lines", "ModuleNotFoundError").await;
    browser.screenshot("app-why").await;
    browser.click("tab-runs").await;
    browser.click("run-more").await;
    browser.wait_for_text("run-details", "ModuleNotFoundError").await;
    browser.screenshot("app-runs-why").await;
    browser.click("tab-overview").await;
    browser.click("why-log").await;
    browser.wait_for_text("log-lines", "reading invoices").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_log_is_searched_and_left_at_a_moment() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = begin(client, TALKER, &[("name", "talker")], json!({})).await;
    let browser = Browser::start().await;
    log_in(&browser, &mantyx).await;
    browser.open(&format!("{}/apps/{name}/logs", mantyx.url())).await;
    browser.wait_for_text("log-lines", "done talking").await;

    browser.fill("log-search", "NEEDLE").await;
    browser.wait_for_text("log-found", "6 matches").await;
    browser.wait_for_text("log-lines", "haystack 2750").await;
    browser.screenshot("log-search").await;
    browser.click("log-case").await;
    browser.wait_for_text("log-found", "0 matches").await;
    browser.click("log-regex").await;
    browser.fill("log-search", r"needle .* (250|750)$").await;
    browser.wait_for_text("log-found", "2 matches").await;
    browser.fill("log-search", "needle (").await;
    browser.wait_for_text("log-empty", "Nothing can be searched for").await;
    browser.fill("log-search", r"needle .* 1250$").await;
    browser.wait_for_text("log-found", "1 match").await;

    browser.click("log-jump").await;
    browser.wait_for_text("log-found", "Around").await;
    browser.wait_for_text("log-lines", "straw 1249").await;
    browser.wait_for_text("log-lines", "straw 1251").await;
    browser.screenshot("log-around").await;
    browser.click("log-to-matches").await;
    browser.wait_for_text("log-found", "1 match").await;
    browser.click("log-to-live").await;
    browser.wait_for_text("log-lines", "done talking").await;
    browser.click("log-range").await;
    browser.wait_for("log-since").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_limits_are_set_in_the_form() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = begin(client, MOODY, &[("name", "moody"), ("web_port", "auto")], json!({})).await;
    let browser = Browser::start().await;
    log_in(&browser, &mantyx).await;
    browser.open(&format!("{}/apps/{name}/configuration", mantyx.url())).await;

    open_section(&browser, "fold-health").await;
    browser.click("probe-http").await;
    browser.fill("probe-url", "health").await;
    browser.fill("health-interval", "5").await;
    open_section(&browser, "fold-limits").await;
    browser.fill("limit-memory", "8").await;
    browser.fill("limit-cpu", "0.5").await;
    open_section(&browser, "fold-health").await;
    browser.click("save-configuration").await;
    // Sections that were closed open where something is wrong.
    browser.wait_for_text("limit-memory-error", "16 MiB").await;
    browser.wait_for_text("probe-url-error", "path such as").await;
    browser.screenshot("configuration-wrong").await;
    browser.fill("probe-url", "/health").await;
    browser.fill("limit-memory", "512").await;
    browser.click("save-configuration").await;
    browser.wait_for_text("toast", "saved").await;
    browser.wait_for_text("fold-limits", "512 MiB of memory, 0.5 cores").await;
    browser.wait_for_text("fold-health", "GET /health every 5 s").await;
    browser.screenshot("configuration-saved").await;

    let read: Value = client.get(&format!("/api/apps/{name}/configuration")).await.unwrap();
    let configuration = &read["configuration"];
    assert_eq!(configuration["limits"]["memory"], json!(512 << 20));
    assert_eq!(configuration["limits"]["cpu"], json!(0.5));
    assert_eq!(configuration["health"]["probe"], json!({"kind": "http", "url": "/health"}));
    assert!(!sticks_out(&browser).await);

    // The old form shows all of that too. Only the new one, which would wipe what is typed into the old one, has
    // nothing to save.
    wait_until("the form as it was saved", PATIENCE, async || {
        (browser.attribute("save-configuration", "aria-disabled").await? == "true").then_some(())
    })
    .await;
    browser.fill("limit-processes", "unlimited").await;
    browser.click("save-configuration").await;
    browser.wait_for_text("fold-limits", "unlimited processes").await;
    wait_until("it to be saved", PATIENCE, async || {
        let read: Value = client.get(&format!("/api/apps/{name}/configuration")).await.unwrap();
        (read["configuration"]["limits"]["processes"] == json!("unlimited")).then_some(())
    })
    .await;
}

async fn open_section(browser: &Browser, id: &str) {
    let click = format!("document.querySelector('[data-testid={id}] > summary').click()");
    wait_until(&format!("`{id}` to open"), PATIENCE, async || browser.try_script(&click).await.map(drop))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_says_how_it_holds_apps_to_their_limits() {
    let mantyx = TestMantyx::start().await;
    let browser = Browser::start().await;
    log_in(&browser, &mantyx).await;
    browser.click("nav-system").await;
    browser.wait_for("system-limits").await;
    browser.wait_for("system-user").await;
    browser.screenshot("system").await;
}
