//! The page in a real browser, as its user sees it. A picture of each screen is kept in `target/screenshots`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a story that goes wrong fails its test"
)]

mod logs;
mod scheduled;
mod service;
mod small_things;
mod supervision;

use mantyx_core::AppName;
use mantyx_test_support::{Browser, Client, TestMantyx};
use serde_json::{Value, json};

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

/// Whether anything sticks out of the window sideways.
async fn sticks_out(browser: &Browser) -> bool {
    let script = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
    browser.run_script(script).await.as_bool().unwrap()
}
