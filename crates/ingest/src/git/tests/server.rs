//! A web server with git's own program behind it, and a few paths that answer otherwise.
//!
//! Below `/locked` it serves the same to those who know [`TOKEN`], below `/to/<port>` it sends on to another server.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

/// What opens `/locked`, with the user that is sent when nobody says which.
pub(super) const TOKEN: &str = "t0p-s3cret";
const OPENS: &str = "Basic eC1hY2Nlc3MtdG9rZW46dDBwLXMzY3JldA==";

/// It answers one request after the other.
pub(super) struct Server {
    pub(super) url: String,
    /// What it was asked: the path, and the credentials if there were any.
    seen: Arc<Log>,
}

/// What was asked.
struct Request {
    method: String,
    path: String,
    query: String,
    content_type: String,
    credentials: Option<String>,
    body: Vec<u8>,
}

impl Server {
    /// Serves the repositories in a folder.
    pub(super) fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let root = root.to_owned();
        let seen = Arc::default();
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who hangs up has had enough; the next one is served all the same.
                let _ = serve(stream, &root, &log);
            }
        });
        Self { url, seen }
    }

    pub(super) fn port(&self) -> &str {
        self.url.rsplit(':').next().unwrap()
    }

    /// How many requests came with credentials, and how many without.
    pub(super) fn seen(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap();
        let with = seen.iter().filter(|(_, credentials)| credentials.is_some()).count();
        (with, seen.len() - with)
    }

    /// How many packs were asked for.
    pub(super) fn packs(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(path, _)| path.ends_with("/git-upload-pack")).count()
    }
}

/// Each request by its path, with the credentials that came with it.
type Log = Mutex<Vec<(String, Option<String>)>>;

fn serve(mut stream: TcpStream, root: &Path, log: &Log) -> io::Result<()> {
    let mut request = Request::read(BufReader::new(stream.try_clone()?))?;
    log.lock().unwrap().push((request.path.clone(), request.credentials.clone()));
    request.unlock();
    let answer = match request.without_git() {
        Some(head) => format!("HTTP/1.1 {head}Content-Length: 0\r\nConnection: close\r\n\r\n").into_bytes(),
        None => from_backend(&backend(root, &request)?),
    };
    stream.write_all(&answer)
}

impl Request {
    fn read(mut from: impl BufRead) -> io::Result<Self> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.trim().is_empty()) {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            lines.push(line);
        }
        let header = |name: &str| {
            let mut headers = lines.iter().filter_map(|line| line.split_once(':'));
            let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
        from.read_exact(&mut body)?;
        let mut first = lines[0].split(' ').map(str::to_owned);
        let (method, address) = (first.next().unwrap(), first.next().unwrap());
        let (path, query) = address.split_once('?').unwrap_or((&address, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        let credentials = Some(header("authorization")).filter(|text| !text.is_empty());
        Ok(Self { method, path, query, content_type: header("content-type"), credentials, body })
    }

    /// Who has the token is led to what is behind the lock.
    fn unlock(&mut self) {
        if self.credentials.as_deref() == Some(OPENS)
            && let Some(path) = self.path.strip_prefix("/locked")
        {
            self.path = path.to_owned();
        }
    }

    /// The status and headers of a path that git knows nothing of.
    fn without_git(&self) -> Option<String> {
        match self.path.split('/').nth(1)? {
            "private" | "locked" => Some("401 Unauthorized\r\n".to_owned()),
            "page" => Some("200 OK\r\nContent-Type: text/html\r\n".to_owned()),
            "moved-away" => Some("302 Found\r\nLocation: http://127.0.0.1:1/tool\r\n".to_owned()),
            "to" => {
                let (port, rest) = self.path.strip_prefix("/to/")?.split_once('/')?;
                Some(format!("302 Found\r\nLocation: http://127.0.0.1:{port}/{rest}?{}\r\n", self.query))
            }
            "old" => {
                let place = self.path.replacen("/old", "/tool", 1);
                Some(format!("301 Moved\r\nLocation: {place}?{}\r\n", self.query))
            }
            _ => None,
        }
    }
}

fn backend(root: &Path, request: &Request) -> io::Result<Output> {
    let mut git = git_in(root);
    git.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1").envs([
        ("REQUEST_METHOD", request.method.as_str()),
        ("PATH_INFO", &request.path),
        ("QUERY_STRING", &request.query),
        ("CONTENT_TYPE", &request.content_type),
        ("CONTENT_LENGTH", &request.body.len().to_string()),
    ]);
    let piped = git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = piped.spawn().expect("these tests need the program `git`");
    let asked = child.stdin.take().unwrap().write_all(&request.body);
    let output = child.wait_with_output()?;
    asked.map(|()| output)
}

/// Git without settings of this machine, and without the variables by which a hook, which may have started these
/// tests, names its own repository.
fn git_in(folder: &Path) -> Command {
    let mut command = Command::new("git");
    let of_git = |name: &str| name.starts_with("GIT_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_git)) {
        command.env_remove(name);
    }
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command
}

/// What CGI says becomes what HTTP says (RFC 3875).
fn from_backend(output: &Output) -> Vec<u8> {
    let text = &output.stdout;
    let end = text.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&text[..end]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let headers: Vec<&str> = head.lines().filter(|line| !line.starts_with("Status")).collect();
    let headers = headers.join("\r\n");
    let mut answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n\r\n").into_bytes();
    answer.extend(&text[end + 4..]);
    answer
}
