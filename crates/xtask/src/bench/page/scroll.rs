//! How smoothly a log of 100,000 lines scrolls: the time between two frames, beside that of a page that stands still.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::super::figures::{Bar, FLOOR, Metric, OURS, Row};
use super::browser::Browser;
use super::daemon::Daemon;
use crate::http::Part;

/// As many lines as a view keeps, in colours and of different levels.
const SCRIPT: &[u8] = b"import sys, time\n\
    for line in range(100_000):\n\
    \x20   level = ('INFO', 'WARNING', 'ERROR')[line % 3]\n\
    \x20   sys.stdout.write(f'{level} \\x1b[32mworker\\x1b[0m line {line} with some words to fill it up\\n')\n\
    print('the last line', flush=True)\n\
    time.sleep(3600)\n";

/// Whether the end of the log is in sight.
const AT_END: &str =
    "return document.querySelector('.log-sight')?.innerText.includes('the last line') ? 1 : null";

/// Moves the log by so many pixels in each of 300 frames, turns at its ends, and tells how long a frame took.
const SCROLL: &str = r"
const [pixels, told] = arguments, log = document.querySelector('[data-testid=log-lines]');
let frames = 0, begun = 0, way = -pixels;
const frame = (now) => {
    begun ||= now;
    if (frames++ === 300) return told((now - begun) / 300);
    if (log.scrollTop + way < 0 || log.scrollTop + way > log.scrollHeight - log.clientHeight) way = -way;
    log.scrollTop += way;
    requestAnimationFrame(frame);
};
requestAnimationFrame(frame);";

/// How far a frame moves it: a wheel that is turned, and a bar that is dragged.
const MOVES: [(&str, &str, u32); 2] = [
    ("wheel", "a frame while 100,000 lines scroll", 120),
    ("drag", "the same, 1,000 rows in a frame", 20_000),
];

/// The figures.
pub(super) fn measure(daemon: &Daemon) -> Result<Vec<Row>> {
    deploy(daemon)?;
    let browser = Browser::start()?;
    browser.open(&daemon.url(), "/apps/lines/logs", Some(&daemon.token), ".log-sight")?;
    browser.wait(AT_END).context("While the log came")?;
    let frame = |pixels: u32| browser.ask_later(SCROLL, &json!([pixels]))?.as_f64().context("No frames");
    let still = frame(0)?;
    let row = |(key, title, pixels)| {
        let metric = Metric::new(key, title, "ms", Bar::TimesFloor(1.05));
        let figures = vec![(OURS.to_owned(), Some(frame(pixels)?)), (FLOOR.to_owned(), Some(still))];
        Ok(Row { metric, figures })
    };
    MOVES.into_iter().map(row).collect()
}

fn deploy(daemon: &Daemon) -> Result<()> {
    let client = daemon.client();
    let parts =
        [Part::Text("name", "lines"), Part::Text("type", "perpetual"), Part::File("lines.py", SCRIPT)];
    let _: Value = client.upload("/api/apps/upload/script", &parts)?;
    let install: Value = client.post("/api/apps/lines/install?wait=60", &json!({}))?;
    if install["status"] != "succeeded" {
        bail!("The installation is {}: {}", install["status"], install["problem"]["detail"]);
    }
    client.post::<Value>("/api/apps/lines/enable", &json!({})).map(drop)
}
