//! chromedriver: the process, and what a failed test asks it when nothing asynchronous runs any more.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::leftovers::end_all_that_mention;
use crate::wait::{PATIENCE, insist};

/// A running chromedriver with the profile of its browser. It ends with everything that it started, when this does.
pub(super) struct Driver {
    process: Child,
    port: u16,
    profile: TempDir,
}

impl Driver {
    /// Starts it on a port of its own choice, which it prints.
    pub(super) async fn start() -> Self {
        let profile = tempfile::Builder::new().prefix("mantyx-browser-").tempdir();
        let profile = profile.expect("a temporary folder");
        let mut command = Command::new("chromedriver");
        // The profile's folder is how its children are found again at the end.
        command.arg("--port=0").env("TMPDIR", profile.path()).env("MANTYX_TEST_BROWSER", profile.path());
        // Into a file, which takes what it says whether or not anybody reads it.
        let words = File::create(words_of(profile.path())).expect("a file in an empty folder");
        command.stdin(Stdio::null()).stdout(words).stderr(Stdio::null());
        let process = command.spawn().unwrap_or_else(|error| {
            panic!("the browser tests need `chromedriver` (Debian: `apt install chromium chromium-driver`): {error}")
        });
        let mut driver = Self { process, port: 0, profile };
        driver.port = insist("chromedriver to say its port", PATIENCE, async || driver.said_port()).await;
        driver
    }

    fn said_port(&self) -> Result<u16, String> {
        let words = fs::read_to_string(words_of(self.profile())).unwrap_or_default();
        let port = |line: &str| line.split_once("successfully on port ")?.1.strip_suffix('.')?.parse().ok();
        words.lines().find_map(port).ok_or_else(|| format!("it says «{words}»"))
    }

    /// The folder of the browser's profile.
    pub(super) fn profile(&self) -> &Path {
        self.profile.path()
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the page wrote to the console, a line each.
    pub(super) fn console(&self, session: &str) -> String {
        let entries = self.ask("POST", &format!("/session/{session}/se/log"), &json!({"type": "browser"}));
        let entries = entries.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let lines =
            entries.iter().map(|entry| format!("{} {}", text(entry, "level"), text(entry, "message")));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The window as it is, as PNG.
    pub(super) fn screenshot(&self, session: &str) -> Option<Vec<u8>> {
        let answer = self.ask("GET", &format!("/session/{session}/screenshot"), &Value::Null)?;
        BASE64_STANDARD.decode(answer.as_str()?).ok()
    }

    /// One request without any runtime: this runs while a failed test is being torn down.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Option<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\n").ok()?;
        write!(stream, "Content-Length: {}\r\n\r\n{body}", body.len()).ok()?;
        // The connection stays open, so the length decides where the answer ends.
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        for line in answer.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        let mut json = vec![0; length];
        answer.read_exact(&mut json).ok()?;
        serde_json::from_slice::<Value>(&json).ok().map(|mut answer| answer["value"].take())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        end_all_that_mention(self.profile());
    }
}

fn words_of(profile: &Path) -> PathBuf {
    profile.join("chromedriver.out")
}
