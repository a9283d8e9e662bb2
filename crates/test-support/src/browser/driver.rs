//! chromedriver: the process, and what a failed test asks it when nothing asynchronous runs any more.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// A running chromedriver.
pub(super) struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    /// Starts it on a port of its own choice, which it prints.
    pub(super) fn start(profile: &Path) -> Self {
        let mut command = Command::new("chromedriver");
        // The profile's folder is how its children are found again at the end.
        command.arg("--port=0").env("TMPDIR", profile).env("MANTYX_TEST_BROWSER", profile);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap_or_else(|error| {
            panic!("the browser tests need `chromedriver` (Debian: `apt install chromium chromium-driver`): {error}")
        });
        let stdout = process.stdout.take().expect("its output is a pipe");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
        Self { process, port: port.expect("chromedriver says its port") }
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

    /// Ends it; its browser ends with the profile's other processes.
    pub(super) fn end(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
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
