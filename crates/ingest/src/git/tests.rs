//! Fetching from real repositories: over `file://`, over SSH and over HTTP, with git itself at the other side.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use mantyx_core::{Code, Error, Origin, RelativePath, Result};

use super::*;

/// A repository made by git, and a staging folder.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// Two commits on `main`, the first with the tag `v1.2.0`, and a branch `next` with a folder of its own.
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.path("staging")).unwrap();
        fs::create_dir(bench.repository()).unwrap();
        bench.git(&["init", "--quiet", "--initial-branch=main"]);
        bench.commit("main.py", "print('one')\n");
        bench.git(&["tag", "--annotate", "--message=one", "v1.2.0"]);
        bench.commit("main.py", "print('two')\n");
        bench.git(&["checkout", "--quiet", "-b", "next"]);
        bench.commit("sub/app.py", "print('next')\n");
        bench.git(&["checkout", "--quiet", "main"]);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn repository(&self) -> PathBuf {
        self.path("tool")
    }

    fn url(&self) -> String {
        format!("file://{}", self.repository().display())
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = git_in(&self.repository()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, path: &str, text: &str) {
        let place = self.repository().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", path]);
    }

    fn request(&self, reference: Option<&str>, subdir: Option<&str>) -> GitRequest {
        GitRequest {
            url: self.url(),
            reference: reference.map(str::to_owned),
            subdir: subdir.map(|subdir| RelativePath::parse(subdir).unwrap()),
        }
    }

    fn fetch(&self, reference: Option<&str>, subdir: Option<&str>) -> Result<Staged> {
        self.fetch_within(Reach::ThisMachine, &self.request(reference, subdir), &Limits::default())
    }

    fn fetch_within(&self, reach: Reach, request: &GitRequest, limits: &Limits) -> Result<Staged> {
        git(request, reach, &self.path("staging"), limits, &AtomicBool::new(false))
    }

    /// Fetches from an address that a person could not give, with a program that stands for `ssh`.
    fn fetch_from(&self, address: Address, reference: Option<&str>, ssh: Option<PathBuf>) -> Result<Staged> {
        let request = self.request(reference, None);
        let (staging, limits) = (self.path("staging"), Limits::default());
        let fetch = Fetch { request: &request, address, staging: &staging, limits: &limits, ssh };
        fetch.run(&AtomicBool::new(false))
    }

    fn left(&self) -> usize {
        fs::read_dir(self.path("staging")).unwrap().count()
    }
}

fn git_in(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Test").env(format!("GIT_{who}_EMAIL"), "test@localhost");
    }
    command
}

fn main_of(staged: &Staged) -> String {
    fs::read_to_string(staged.folder.join("main.py")).unwrap()
}

fn commit_of(staged: &Staged) -> &str {
    match &staged.origin {
        Origin::Git { commit, .. } => commit,
        other => panic!("{other:?}"),
    }
}

fn code(outcome: Result<Staged>) -> Code {
    outcome.map(|staged| staged.origin).expect_err("it is refused").code()
}

#[test]
fn branches_tags_and_commits_are_found() {
    for (reference, text) in
        [(None, "two"), (Some("next"), "two"), (Some("v1.2.0"), "one"), (Some("refs/heads/main"), "two")]
    {
        let bench = Bench::new();
        let staged = bench.fetch(reference, None).unwrap();
        assert_eq!(main_of(&staged), format!("print('{text}')\n"), "{reference:?}");
        assert_eq!(staged.found.suggested_name.as_str(), "tool");
        assert_eq!(bench.left(), 1, "only the source is left");
    }
    let bench = Bench::new();
    let old = bench.git(&["rev-parse", "main~1"]);
    let staged = bench.fetch(Some(&old[..8]), None).unwrap();
    assert_eq!((commit_of(&staged), main_of(&staged).as_str()), (old.as_str(), "print('one')\n"));
}

#[test]
fn versions_are_those_that_a_build_with_git_would_have() {
    let bench = Bench::new();
    assert_eq!(bench.fetch(Some("v1.2.0"), None).unwrap().scm_version.as_deref(), Some("1.2.0"));
    let bench = Bench::new();
    let version = bench.fetch(None, None).unwrap().scm_version.unwrap();
    assert!(version.starts_with("1.2.1.dev1+g"), "{version}");
}

#[test]
fn a_folder_of_the_repository_can_be_the_app() {
    let bench = Bench::new();
    let staged = bench.fetch(Some("next"), Some("sub")).unwrap();
    assert!(staged.folder.join("app.py").is_file());
    assert_eq!(staged.found.suggested_name.as_str(), "sub");
    assert_eq!(code(Bench::new().fetch(None, Some("sub"))), Code::GitSubdir);
    assert_eq!(code(Bench::new().fetch(None, Some("main.py"))), Code::GitSubdir);
}

#[test]
fn what_is_not_there_is_said() {
    let bench = Bench::new();
    let error = bench.fetch(Some("nosuch"), None).unwrap_err();
    assert_eq!(error.code(), Code::GitReference);
    assert!(error.hint_text().unwrap().contains("`main`"), "{:?}", error.hint_text());
    assert_eq!(code(bench.fetch(Some(&"0".repeat(40)), None)), Code::GitReference);
    fs::remove_dir_all(bench.repository()).unwrap();
    assert_eq!(code(bench.fetch(None, None)), Code::GitRemote);
    fs::create_dir(bench.repository()).unwrap();
    bench.git(&["init", "--quiet", "--bare"]);
    assert_eq!(code(bench.fetch(None, None)), Code::GitReference);
    assert_eq!(bench.left(), 0);
}

#[test]
fn the_rules_for_archives_hold() {
    let bench = Bench::new();
    std::os::unix::fs::symlink("/etc/passwd", bench.repository().join("out")).unwrap();
    bench.commit("run.sh", "#!/bin/sh\n");
    assert_eq!(code(bench.fetch(None, None)), Code::EntrySymlink);
    assert_eq!(bench.left(), 0);
    bench.git(&["rm", "--quiet", "out"]);
    fs::set_permissions(bench.repository().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    bench.commit("lib.py", "");
    let staged = bench.fetch(None, None).unwrap();
    let mode = |name: &str| fs::metadata(staged.folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("run.sh"), mode("lib.py")), (0o755, 0o644));
    assert!(!staged.folder.join(".git").exists());
}

#[test]
fn limits_end_a_fetch() {
    let bench = Bench::new();
    let fetch = |limits: &Limits| bench.fetch_within(Reach::ThisMachine, &bench.request(None, None), limits);
    let small = Limits { file_bytes: 3, ..Limits::default() };
    assert_eq!(code(fetch(&small)), Code::EntryTooLarge);
    let few = Limits { entries: 0, ..Limits::default() };
    assert_eq!(code(fetch(&few)), Code::TooManyEntries);
    let tiny = Limits { total_bytes: 3, ..Limits::default() };
    assert_eq!(code(fetch(&tiny)), Code::TooManyBytes);
    assert_eq!(bench.left(), 0);
}

#[test]
fn a_silent_server_is_left_when_cancelled() {
    let bench = Bench::new();
    let ssh = program(&bench.path("ssh"), "#!/bin/sh\nexec sleep 600\n");
    let address = Address::parse("git@host:tool").unwrap();
    let (request, staging, limits) = (bench.request(None, None), bench.path("staging"), Limits::default());
    let fetch = Fetch { request: &request, address, staging: &staging, limits: &limits, ssh: Some(ssh) };
    let cancel = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        let fetching = scope.spawn(|| fetch.run(&cancel));
        cancel.store(true, Ordering::Relaxed);
        fetching.join().unwrap()
    });
    assert_eq!(code(outcome), Code::Cancelled);
    assert_eq!(bench.left(), 0);
}

fn program(path: &Path, text: &str) -> PathBuf {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_owned()
}

/// Stands for `ssh`: it forgets the host and gives the last word to a shell, as the other side would.
const LOCAL_SSH: &str = "#!/bin/sh\nfor word; do :; done\nexec sh -c \"$word\"\n";

#[test]
fn ssh_fetches_one_commit() {
    let bench = Bench::new();
    let ssh = || Some(program(&bench.path("ssh"), LOCAL_SSH));
    let address = |path: &Path| Address::parse(&format!("ssh://git@host:22{}", path.display())).unwrap();
    let staged = bench.fetch_from(address(&bench.repository()), Some("v1.2.0"), ssh()).unwrap();
    assert_eq!(main_of(&staged), "print('one')\n");
    assert_eq!(staged.scm_version.as_deref(), Some("1.2.0"));
    fs::remove_dir_all(staged.folder).unwrap();
    let error = bench.fetch_from(address(Path::new("/no/such")), None, ssh()).unwrap_err();
    assert_eq!(error.code(), Code::GitRemote);
}

#[test]
fn what_ssh_complains_about_is_said() {
    let bench = Bench::new();
    let ssh = program(&bench.path("ssh"), "#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n");
    let address = || Address::parse("git@host:tool.git").unwrap();
    let error = bench.fetch_from(address(), None, Some(ssh)).unwrap_err();
    assert_eq!(error.code(), Code::GitRemote);
    assert!(error.detail().contains("Permission denied"), "{error:?}");
    let error = bench.fetch_from(address(), None, None).unwrap_err();
    assert!(error.detail().contains("no program `ssh`"), "{error:?}");
}

#[test]
fn https_fetches_one_commit() {
    let bench = Bench::new();
    let server = Server::start(bench.folder.path());
    let address = || Address::unencrypted(&format!("{}/tool", server.url));
    let staged = bench.fetch_from(address(), None, None).unwrap();
    assert_eq!(main_of(&staged), "print('two')\n");
    assert_eq!(staged.scm_version, None, "the history was not fetched");
    let old = bench.git(&["rev-parse", "main~1"]);
    fs::remove_dir_all(staged.folder).unwrap();
    let staged = bench.fetch_from(address(), Some(&old), None).unwrap();
    assert_eq!(main_of(&staged), "print('one')\n");
}

#[test]
fn what_a_server_refuses_is_said() {
    let bench = Bench::new();
    let server = Server::start(bench.folder.path());
    let fetch = |path: &str| -> Error {
        bench.fetch_from(Address::unencrypted(&format!("{}{path}", server.url)), None, None).unwrap_err()
    };
    assert!(fetch("/nosuch").detail().contains("is not there"), "{:?}", fetch("/nosuch"));
    let private = fetch("/private");
    assert!(private.hint_text().unwrap().contains("SSH"), "{private:?}");
    assert!(fetch("/page").detail().contains("no git repository"));
    assert_eq!(fetch("/moved-away").code(), Code::GitRemote);
    let moved = bench.fetch_from(Address::unencrypted(&format!("{}/old", server.url)), None, None).unwrap();
    assert_eq!(main_of(&moved), "print('two')\n");
}

/// A web server with git's own program behind it, and a few paths that answer otherwise.
struct Server {
    url: String,
}

impl Server {
    fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let root = root.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &root);
            }
        });
        Self { url }
    }
}

fn answer(mut stream: TcpStream, root: &Path) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line: &String| !line.trim().is_empty()) {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            return;
        }
        lines.push(line);
    }
    let header = |name: &str| {
        let found = lines
            .iter()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let mut first = lines[0].split(' ');
    let (method, address) = (first.next().unwrap(), first.next().unwrap());
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let other = match path.split('/').nth(1).unwrap() {
        "private" => Some("401 Unauthorized\r\n".to_owned()),
        "page" => Some("200 OK\r\nContent-Type: text/html\r\n".to_owned()),
        "moved-away" => Some("302 Found\r\nLocation: http://127.0.0.1:1/tool\r\n".to_owned()),
        "old" => Some(format!("301 Moved\r\nLocation: {}\r\n", address.replacen("/old", "/tool", 1))),
        _ => None,
    };
    let text = match other {
        Some(head) => format!("HTTP/1.1 {head}Content-Length: 0\r\nConnection: close\r\n\r\n").into_bytes(),
        None => from_backend(&backend(root, method, path, query, &header("content-type"), &body)),
    };
    let _ = stream.write_all(&text);
}

fn backend(root: &Path, method: &str, path: &str, query: &str, kind: &str, body: &[u8]) -> Output {
    let mut child = git_in(root)
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .envs([
            ("REQUEST_METHOD", method),
            ("PATH_INFO", path),
            ("QUERY_STRING", query),
            ("CONTENT_TYPE", kind),
        ])
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(body).unwrap();
    child.wait_with_output().unwrap()
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

#[test]
fn who_may_not_read_this_machine_imports_nothing_of_it() {
    let bench = Bench::new();
    let request = bench.request(None, None);
    let refused = bench.fetch_within(Reach::Network, &request, &Limits::default()).unwrap_err();
    assert_eq!(refused.code(), Code::Forbidden);
    assert!(refused.detail().contains(&request.url), "{refused}");
    assert_eq!(fs::read_dir(bench.path("staging")).unwrap().count(), 0);
}
