//! The page in a real browser, as its user sees it. A picture of each screen is kept in `target/screenshots`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a story that goes wrong fails its test"
)]

mod changes;
mod logs;
mod scheduled;
mod service;
mod small_things;
mod supervision;

use std::time::Duration;

use mantyx_core::{AppEvent, AppName};
use mantyx_test_support::{Browser, Client, TestMantyx, wait_until};
use serde_json::{Value, json};

/// How long an installation may take: its packages may come over a slow network.
const INSTALLATION: Duration = Duration::from_secs(300);

/// Logs a browser in by the link, as the daemon prints it.
async fn log_in(browser: &Browser, mantyx: &TestMantyx) {
    let link: Value = mantyx.client().post("/api/login/link", json!({})).await.unwrap();
    browser.open(link["url"].as_str().unwrap()).await;
    browser.wait_for("add-app").await;
}

/// Uploads a script, sets more of it, and brings it up.
async fn begin(client: &Client, script: &str, fields: &[(&str, &str)], configuration: Value) -> AppName {
    let name = client.upload_script("app.py", script, fields).await.unwrap().app.name;
    let patch = json!({"configuration": configuration});
    let _: Value = client.patch(&format!("/api/apps/{name}"), "\"1\"", patch).await.unwrap();
    client.install(&name).await.unwrap();
    client.event(&name, "enable").await.unwrap();
    name
}

/// Waits until an app is installed that the page installs, which itself is given less patience.
async fn wait_until_installed(client: &Client, name: &AppName) {
    wait_until(&format!("`{name}` to be installed"), INSTALLATION, async || {
        client.app(name).await.ok()?.legal_events.contains(&AppEvent::Enable).then_some(())
    })
    .await;
}

/// Whether anything sticks out of the window sideways.
async fn sticks_out(browser: &Browser) -> bool {
    let script = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
    browser.run_script(script).await.as_bool().unwrap()
}
