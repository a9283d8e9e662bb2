//! As much HTTP as this tool needs: one request a connection to a server on this machine (RFC 1945, since
//! an answer in HTTP/1.0 simply ends when the connection does).

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use mantyx_api_types::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Between the parts of a multipart body. It occurs in nothing that this tool sends.
const BOUNDARY: &str = "part-of-a-form-of-mantyx";

/// Talks to one server, with the owner's token.
pub(crate) struct Client {
    address: SocketAddr,
    token: String,
}

/// What a server said.
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// One part of a multipart form.
pub(crate) enum Part<'a> {
    /// A field with its text.
    Text(&'a str, &'a str),
    /// The field `file`: its name and its bytes.
    File(&'a str, &'a [u8]),
}

impl Client {
    /// For a server at an address; a server that asks for no token gets an empty one.
    pub(crate) fn new(address: SocketAddr, token: &str) -> Self {
        Self { address, token: token.to_owned() }
    }

    /// Reads something.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        decoded(path, &self.request("GET", path, "", &[])?)
    }

    /// Asks for something with a JSON body.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let body = serde_json::to_vec(body)?;
        decoded(path, &self.request("POST", path, "application/json", &body)?)
    }

    /// Sends a form with a file.
    pub(crate) fn upload<T: DeserializeOwned>(&self, path: &str, parts: &[Part<'_>]) -> Result<T> {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        decoded(path, &self.request("POST", path, &kind, &multipart(parts))?)
    }

    /// Sends one request and reads the answer to its end.
    pub(crate) fn request(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Answer> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(stream, "{method} {path} HTTP/1.0\r\nHost: {}\r\n", self.address)?;
        if !self.token.is_empty() {
            write!(stream, "Authorization: Bearer {}\r\n", self.token)?;
        }
        if !kind.is_empty() {
            write!(stream, "Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len())?;
        }
        stream.write_all(b"\r\n")?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        parsed(&answer).with_context(|| format!("`{method} {path}` was not answered in HTTP"))
    }
}

fn multipart(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        let (disposition, kind, content) = match part {
            Part::Text(name, text) => (format!("name=\"{name}\""), "text/plain", text.as_bytes()),
            Part::File(name, bytes) => {
                (format!("name=\"file\"; filename=\"{name}\""), "application/octet-stream", *bytes)
            }
        };
        body.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n").bytes());
        body.extend(format!("Content-Type: {kind}\r\n\r\n").bytes());
        body.extend_from_slice(content);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    body
}

fn parsed(answer: &[u8]) -> Result<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("The head has no end")?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).context("No status")?;
    Ok(Answer { status, body: answer[end + 4..].to_vec() })
}

/// The view of a good answer; the problem of any other, as people read it.
fn decoded<T: DeserializeOwned>(path: &str, answer: &Answer) -> Result<T> {
    if !(200..300).contains(&answer.status) {
        match serde_json::from_slice::<Problem>(&answer.body) {
            Ok(problem) => bail!("{}. {}", problem.detail, problem.hint.unwrap_or_default()),
            Err(_) => bail!("`{path}` answered {}", answer.status),
        }
    }
    let body: &[u8] = if answer.body.is_empty() { b"null" } else { &answer.body };
    serde_json::from_slice(body).with_context(|| format!("Could not read the answer to `{path}`"))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn answer_once(answer: &'static str) -> (Client, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Client::new(listener.local_addr().unwrap(), "secret");
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(&stream).lines().map(Result::unwrap);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            (&stream).write_all(answer.as_bytes()).unwrap();
            head.join("\n")
        });
        (client, server)
    }

    #[test]
    fn asks_as_the_owner_and_reads_json() {
        let (client, server) = answer_once("HTTP/1.1 200 OK\r\nA: b\r\n\r\n{\"items\": [1, 2]}");
        let value: serde_json::Value = client.get("/api/apps").unwrap();
        assert_eq!(value["items"][1], 2);
        let head = server.join().unwrap();
        assert!(head.starts_with("GET /api/apps HTTP/1.0") && head.contains("Authorization: Bearer secret"));
    }

    #[test]
    fn a_problem_is_told_with_its_hint() {
        let (client, server) = answer_once(
            "HTTP/1.1 409 Conflict\r\n\r\n{\"type\": \"x\", \"title\": \"Taken\", \"status\": 409, \"detail\": \
             \"The name `a` is taken\", \"code\": \"name_taken\", \"hint\": \"Choose another one\"}",
        );
        let error = client.get::<serde_json::Value>("/api/apps/a").unwrap_err();
        assert_eq!(error.to_string(), "The name `a` is taken. Choose another one");
        server.join().unwrap();
    }

    #[test]
    fn a_form_has_every_part_between_its_boundaries() {
        let body = multipart(&[Part::Text("name", "guestbook"), Part::File("a.tar.gz", b"\x1f\x8b")]);
        let text = String::from_utf8_lossy(&body);
        assert_eq!(text.matches(BOUNDARY).count(), 3);
        assert!(text.contains("name=\"name\"\r\nContent-Type: text/plain\r\n\r\nguestbook\r\n"));
        assert!(text.contains("name=\"file\"; filename=\"a.tar.gz\""));
    }
}
