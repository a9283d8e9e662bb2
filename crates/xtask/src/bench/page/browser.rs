//! A headless Chromium over WebDriver (W3C), with an empty profile that goes with it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::interrupt;

/// How long a page may take before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes a browser quick to start and silent on the network.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,900",
];

/// Runs before anything of the page does: notes when the control is there and a frame with it was drawn, in
/// milliseconds since the navigation began.
const WATCH: &str = r#"
if (TOKEN) localStorage.setItem("mantyx.token", TOKEN);
const look = new MutationObserver(() => {
    if (!document.querySelector(SELECTOR)) return;
    look.disconnect();
    requestAnimationFrame(() => setTimeout(() => { window.interactive = performance.now(); }));
});
look.observe(document, { childList: true, subtree: true });
"#;

/// A running browser.
pub(super) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: PathBuf,
}

impl Browser {
    /// Starts one that has never been anywhere.
    pub(super) fn start() -> Result<Self> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let count = STARTED.fetch_add(1, Ordering::Relaxed);
        let profile =
            std::env::temp_dir().join(format!("mantyx-bench-browser-{}-{count}", std::process::id()));
        fs::create_dir(&profile).with_context(|| format!("Could not make `{}`", profile.display()))?;
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("TMPDIR", &profile);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = command.spawn().context("Could not start `chromedriver`")?;
        let port = port_of(&mut driver)?;
        let mut browser = Self { driver, port, session: String::new(), profile };
        browser.begin()?;
        Ok(browser)
    }

    fn begin(&mut self) -> Result<()> {
        let profile = format!("--user-data-dir={}", self.profile.join("profile").display());
        let flags: Vec<&str> = FLAGS.into_iter().chain([profile.as_str()]).collect();
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": flags}}}});
        let answer = self.exchange("POST", "/session", &wanted)?;
        answer["sessionId"].as_str().context("No session was opened")?.clone_into(&mut self.session);
        Ok(())
    }

    /// Opens an address and tells how long it took until something on it could be used, in milliseconds.
    pub(super) fn open(&self, origin: &str, path: &str, token: Option<&str>, selector: &str) -> Result<f64> {
        let watch = format!("const TOKEN = {}, SELECTOR = {};{WATCH}", json!(token), json!(selector));
        let command = "Page.addScriptToEvaluateOnNewDocument";
        self.ask("goog/cdp/execute", &json!({"cmd": command, "params": {"source": watch}}))?;
        self.ask("url", &json!({"url": format!("{origin}{path}")}))?;
        self.wait("return window.interactive ?? null").with_context(|| format!("While `{path}` was opened"))
    }

    /// Waits until a script returns a number.
    pub(super) fn wait(&self, script: &str) -> Result<f64> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(number) = self.ask("execute/sync", &json!({"script": script, "args": []}))?.as_f64() {
                return Ok(number);
            }
            interrupt::check()?;
            thread::sleep(Duration::from_millis(20));
        }
        bail!("The page was not ready within {} s", PATIENCE.as_secs())
    }

    /// What a script tells by the function that is the last of its arguments.
    pub(super) fn ask_later(&self, script: &str, arguments: &Value) -> Result<Value> {
        self.ask("execute/async", &json!({"script": script, "args": arguments}))
    }

    fn ask(&self, command: &str, body: &Value) -> Result<Value> {
        self.exchange("POST", &format!("/session/{}/{command}", self.session), body)
    }

    /// One request. chromedriver keeps the connection, so the length says where the answer ends.
    fn exchange(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = body.to_string();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}", body.len());
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes())?;
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        for line in answer.by_ref().lines() {
            match line?.to_ascii_lowercase().split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse()?,
                Some(_) => {}
                // The first line has no colon, and neither has the empty one at the end, once the length is known.
                None if length > 0 => break,
                None => {}
            }
        }
        let mut json = vec![0; length];
        answer.read_exact(&mut json)?;
        let mut answer: Value = serde_json::from_slice(&json)?;
        match answer["value"]["error"].as_str() {
            Some(error) => {
                bail!("The browser refused `{method} {path}`: {error}, {}", answer["value"]["message"])
            }
            None => Ok(answer["value"].take()),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // All of it fails only when it is gone already. The end of its session ends the browser.
        let _ = self.exchange("DELETE", &format!("/session/{}", self.session), &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

/// It listens on a port of its own choice, which it prints.
fn port_of(driver: &mut Child) -> Result<u16> {
    let output = driver.stdout.take().context("chromedriver has no output")?;
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let port = |line: String| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok();
    lines.find_map(port).context("chromedriver does not say where it listens")
}
