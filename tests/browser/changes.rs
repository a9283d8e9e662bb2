//! Every change as it is seen, and how it is taken back: releases, packages, backups, names and settings.

mod around;
mod keeping;
mod keyboard;
mod places;
mod releases;
mod settings;

use std::fs;
use std::path::PathBuf;

use mantyx_api_types::OperationView;
use mantyx_core::{AppName, Health};
use mantyx_test_support::{Browser, Client, PATIENCE, TestMantyx, insist, wait_until};
use serde_json::{Value, json};

use crate::{begin, log_in};

/// A web service in the standard library that says one word. It does not start while a file called `shut` lies beside
/// its data, and not at all with `REFUSE` in its environment.
fn saying(word: &str) -> String {
    format!(
        r#"import http.server
import os
import pathlib
import time

WORD = "{word}"

if "REFUSE" in os.environ:
    raise SystemExit("it was told to refuse")

while (pathlib.Path(os.environ["APP_DATA_DIR"]) / "shut").exists():
    time.sleep(0.02)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(WORD.encode())


print("it says", WORD, flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#
    )
}

/// One that cannot start.
const BROKEN: &str = "raise SystemExit(\"the table 'orders' is missing\")\n";

/// How the service is reached, and how it is told whether it is well. One that ends is not tried again, so that nobody
/// waits for it.
fn configuration() -> Value {
    let health =
        json!({"probe": {"kind": "http", "url": "/"}, "interval": 1, "successes": 1, "start_period": 120});
    json!({"web_port": "auto", "restart_policy": "never", "health": health})
}

/// The service, running.
async fn shop(client: &Client) -> AppName {
    let name = begin(client, &saying("one"), &[("name", "shop")], configuration()).await;
    wait_until_healthy(client, &name).await;
    name
}

async fn wait_until_healthy(client: &Client, name: &AppName) {
    client.wait_for_app(name, "be healthy", |app| app.health == Health::Healthy).await;
}

/// Another release of it, without the page, to the end.
async fn update(client: &Client, name: &AppName, script: &str) -> OperationView {
    let path = format!("/api/apps/{name}/update/script");
    let begun: OperationView = client.upload(&path, "app.py", script.into(), &[]).await.unwrap();
    client.ended(begun.id).await
}

/// A file beside the data of an app.
fn its_file(mantyx: &TestMantyx, app: &AppName, file: &str) -> PathBuf {
    mantyx.root().join("apps").join(app.as_str()).join("data").join(file)
}

/// A browser that shows a part of an app.
async fn look_at(mantyx: &TestMantyx, name: &AppName, part: &str) -> Browser {
    let browser = Browser::start().await;
    log_in(&browser, mantyx).await;
    visit(&browser, mantyx, &format!("/apps/{name}/{part}")).await;
    browser
}

async fn visit(browser: &Browser, mantyx: &TestMantyx, path: &str) {
    browser.open(&format!("{}{path}", mantyx.url())).await;
}

/// The test id of something within something else that has one, such as the button of a row.
fn within(outer: &str, inner: &str) -> String {
    format!("{outer}\"] [data-testid=\"{inner}")
}

/// Waits until an attribute has this value.
async fn wait_for_attribute(browser: &Browser, testid: &str, attribute: &str, value: &str) {
    let now = async || match browser.attribute(testid, attribute).await {
        Some(now) if now == value => Ok(()),
        now => Err(format!("it is {now:?}")),
    };
    insist(&format!("`{attribute}` of `{testid}` to be `{value}`"), PATIENCE, now).await;
}

/// Waits until the steps are those of this operation, and it stands like this.
async fn wait_for_operation(browser: &Browser, title: &str, stand: &str) {
    browser.wait_for_text("progress", title).await;
    browser.wait_for_text("operation-status", stand).await;
}

/// Waits until nothing of the page is on its way.
async fn wait_until_drawn(browser: &Browser) {
    wait_until("what the page shows", PATIENCE, async || {
        let drawn =
            "return document.querySelector('.tabs') !== null && document.querySelector('.skeleton') === null";
        browser.try_script(drawn).await?.as_bool()?.then_some(())
    })
    .await;
}

/// How many there are with this test id.
async fn wait_for_number(browser: &Browser, testid: &str, wanted: usize) {
    let count = async || match browser.find_all(testid).await.len() {
        count if count == wanted => Ok(()),
        count => Err(format!("there are {count}")),
    };
    insist(&format!("{wanted} times `{testid}`"), PATIENCE, count).await;
}

/// A script in a folder, to be chosen as a file.
fn in_folder(folder: &tempfile::TempDir, script: &str) -> PathBuf {
    let path = folder.path().join("app.py");
    fs::write(&path, script).unwrap();
    path
}
