//! The log of an app as it is seen: without a gap and without a line twice, however often the connection is lost, and
//! long or slow lines in one row.

use std::fs;
use std::path::{Path, PathBuf};

use mantyx_core::AppName;
use mantyx_test_support::{Browser, PATIENCE, TestMantyx, wait_until};
use serde_json::{Value, json};

use crate::{begin, log_in};

/// Counts, for as long as it lives: slowly enough that it takes five minutes to have more lines than a page begins
/// with, of which the first would not be counted any more.
const COUNTER: &str = r"
import itertools, time

for number in itertools.count():
    print('line', number, flush=True)
    time.sleep(0.03)
";

/// Draws a line over itself, leaves one open, and writes one that is longer than a row; then it stays.
const PAINTER: &str = r"
import sys, time

def draw(text):
    print(text, end='', flush=True)
    time.sleep(1.3)

for share in (10, 50, 100):
    draw(f'\r{share} % of it')
print(flush=True)
draw('\x1b[33mopen for a while, ')
print('and closed', flush=True)
print('x' * 70_000 + ' the end of it', flush=True)
print('all drawn', flush=True)
time.sleep(3600)
";

/// Keeps the live connections to come, what each says first, and what the page says.
const LISTEN: &str = "
window.said = [];
window.WebSocket = class extends WebSocket {
    constructor(address) {
        super(address);
        window.live = this;
        this.addEventListener('message', event => { window.hello = event.data; }, { once: true });
    }
    send(text) {
        window.said.push(text);
        super.send(text);
    }
};";

/// Greets the page once more, as when it has missed changes, and returns how often it asked for logs before and after.
const GREET: &str = "
const before = window.said.length;
window.live.dispatchEvent(new MessageEvent('message', { data: window.hello }));
return [JSON.parse(window.hello).tell, before, window.said.length];";

/// A browser that shows the log of an app.
async fn look_at_log(mantyx: &TestMantyx, name: &AppName) -> Browser {
    let browser = Browser::start().await;
    log_in(&browser, mantyx).await;
    browser.open(&format!("{}/apps/{name}/logs", mantyx.url())).await;
    browser
}

/// How many lines the view has, and what its last row says.
async fn end_of(browser: &Browser) -> Option<(usize, String)> {
    let script = "const rows = [...document.querySelectorAll('.log-sight .log-text')];\
        return [document.querySelector('[data-testid=log-count]')?.textContent ?? '', rows.at(-1)?.textContent ?? '']";
    let said = browser.try_script(script).await?;
    let count = said[0].as_str()?.split(' ').next()?.replace(',', "").parse().ok()?;
    Some((count, said[1].as_str()?.to_owned()))
}

/// Waits for so many lines, each of which is there once: a counter begins with 0.
async fn wait_for_count(browser: &Browser, wanted: usize) -> usize {
    wait_until(&format!("{wanted} lines, each once"), PATIENCE, async || {
        let (count, last) = end_of(browser).await?;
        // The row and the number are drawn in one frame, and only the end tells.
        (count > wanted && last == format!("line {}", count - 1)).then_some(count)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_loses_no_line_and_repeats_none() {
    let mut mantyx = TestMantyx::start().await;
    let name = begin(mantyx.client(), COUNTER, &[("name", "counter")], json!({})).await;
    let browser = look_at_log(&mantyx, &name).await;
    let mut count = wait_for_count(&browser, 50).await;
    browser.run_script(LISTEN).await;
    for _ in 0..2 {
        mantyx.kill_9();
        mantyx.start_again().await;
        count = wait_for_count(&browser, count + 100).await;
    }
    assert_eq!(
        browser.run_script(GREET).await,
        json!(["hello", 2, 2]),
        "a log that goes on is not asked for"
    );
    wait_for_count(&browser, count + 100).await;
    browser.screenshot("log-resumed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_comes_in_pieces_is_one_row() {
    let mantyx = TestMantyx::start().await;
    let name = begin(mantyx.client(), PAINTER, &[("name", "painter")], json!({})).await;
    let browser = look_at_log(&mantyx, &name).await;
    browser.wait_for_text("log-lines", "all drawn").await;
    let script = "return [...document.querySelectorAll('.log-sight .log-text')].map(row => row.textContent)";
    let rows = browser.run_script(script).await;
    let rows: Vec<&str> = rows.as_array().unwrap().iter().filter_map(|row| row.as_str()).collect();
    assert_eq!(rows[..2], ["100 % of it", "open for a while, and closed"]);
    assert_eq!(rows.len(), 5, "the long line has two rows");
    assert_eq!(rows[2].len() + rows[3].len(), 70_000 + " the end of it".len());
    assert!(rows[3].ends_with("the end of it"));
    browser.screenshot("log-pieces").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_followed_says_so_beside_its_lines() {
    let mut mantyx = TestMantyx::start().await;
    let name = begin(mantyx.client(), COUNTER, &[("name", "counter")], json!({})).await;
    let browser = look_at_log(&mantyx, &name).await;
    let count = wait_for_count(&browser, 50).await;

    mantyx.kill_9();
    // The app goes on writing to its log, which is not where it is looked for.
    let log = log_of_the_app(mantyx.root());
    let aside = log.with_extension("aside");
    fs::rename(&log, &aside).unwrap();
    fs::create_dir(&log).unwrap();
    mantyx.start_again().await;
    browser.wait_for_text("log-broken", "do not come here any more").await;
    browser.wait_for_text("log-pause", "Follow").await;
    browser.screenshot("log-broken").await;

    fs::remove_dir(&log).unwrap();
    fs::rename(&aside, &log).unwrap();
    browser.click("log-again").await;
    browser.wait_until_gone("log-broken").await;
    browser.wait_for_text("log-pause", "Pause").await;
    wait_for_count(&browser, count + 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_run_that_is_over_has_ended() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = begin(client, COUNTER, &[("name", "counter")], json!({})).await;
    let browser = look_at_log(&mantyx, &name).await;
    wait_for_count(&browser, 10).await;
    let runs: Value = client.get(&format!("/api/executions?app={name}")).await.unwrap();
    browser.select("log-execution", runs["items"][0]["id"].as_str().unwrap()).await;
    browser.wait_for_text("log-pause", "Pause").await;
    wait_for_count(&browser, 10).await;
    client.event(&name, "stop").await.unwrap();
    browser.wait_for_text("log-pause", "Ended").await;
    assert!(browser.find("log-broken").await.is_none());
}

/// The log of the one execution that there is.
fn log_of_the_app(root: &Path) -> PathBuf {
    let is_its = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".log")
            && !name.starts_with("operation-")
            && fs::read_to_string(path).is_ok_and(|text| text.contains("line 7"))
    };
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ if is_its(&entry.path()) => return entry.path(),
                _ => {}
            }
        }
    }
    panic!("no log in `{}`", root.display());
}
