//! Fetching from real repositories: over `file://`, and over SSH and HTTP with git itself at the other side.

mod ahead;
mod bench;
mod private;
mod server;
mod submodules;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use mantyx_core::{Code, Error, Origin, Result};

use super::address::Address;
use super::*;
use bench::{Becomes, Bench};
use server::Server;

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
    let old = bench.id("main~1");
    let staged = bench.fetch(Some(&old[..8]), None).unwrap();
    assert_eq!((commit_of(&staged), main_of(&staged).as_str()), (old.as_str(), "print('one')\n"));
}

#[test]
fn what_was_found_is_fetched_wherever_the_branch_is_by_now() {
    let bench = Bench::new();
    let found = |id: String| GitRequest { found: Some(id), ..bench.request(Some("main"), None) };
    let (old, new) = (found(bench.id("main~1")), found(bench.id("main")));
    let fetch = |request: &GitRequest| bench.fetch_within(Reach::ThisMachine, request, &Limits::default());
    for (request, text) in [(&old, "one"), (&new, "two")] {
        let staged = fetch(request).unwrap();
        assert_eq!(main_of(&staged), format!("print('{text}')\n"));
        assert_eq!(request.found.as_deref(), Some(commit_of(&staged)));
        assert!(matches!(&staged.origin, Origin::Git { reference: Some(main), .. } if main == "main"));
        fs::remove_dir_all(staged.folder).unwrap();
    }
    bench.point("main", &bench.id("main~1"));
    bench.point("next", &bench.id("main"));
    assert_eq!(code(fetch(&new)), Code::GitReference, "nobody can reach it any more");
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
    Repository::init_bare(bench.repository()).unwrap();
    assert_eq!(code(bench.fetch(None, None)), Code::GitReference);
    assert_eq!(bench.left(), 0);
}

#[test]
fn the_rules_for_archives_hold() {
    let bench = Bench::new();
    let run = "#!/bin/sh\n";
    bench.commit("main", &[("out", Becomes::LinkTo("/etc/passwd")), ("run.sh", Becomes::File(run))]);
    assert_eq!(code(bench.fetch(None, None)), Code::EntrySymlink);
    assert_eq!(bench.left(), 0);
    bench.commit("main", &[("out", Becomes::Nothing), ("run.sh", Becomes::Executable(run))]);
    bench.commit("main", &[("lib.py", Becomes::File(""))]);
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
    let peer = Peer { address, credential: None, reach: Reach::ThisMachine, ssh: Some(ssh) };
    let fetch = Fetch { request: &request, peer, staging: &staging, limits: &limits };
    let cancel = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        let fetching = scope.spawn(|| fetch.run(&cancel));
        cancel.store(true, Ordering::Relaxed);
        fetching.join().unwrap()
    });
    assert_eq!(code(outcome), Code::Cancelled);
    assert_eq!(bench.left(), 0);
}

/// Has another process write it: a child that a test beside this one starts just then would inherit the file from us
/// as it is open for writing, and nothing that is can be executed (execve(2), ETXTBSY).
fn program(path: &Path, text: &str) -> PathBuf {
    let write = "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\"";
    let written = Command::new("sh").args(["-c", write]).arg(path).arg(text).status().unwrap();
    assert!(written.success());
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
    assert_eq!(error.code(), Code::GitAuth);
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
    let old = bench.id("main~1");
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
    assert_eq!(private.code(), Code::GitAuth);
    assert!(private.hint_text().unwrap().contains("token"), "{private:?}");
    assert!(fetch("/page").detail().contains("no git repository"));
    assert_eq!(fetch("/moved-away").code(), Code::GitRemote);
    let moved = bench.fetch_from(Address::unencrypted(&format!("{}/old", server.url)), None, None).unwrap();
    assert_eq!(main_of(&moved), "print('two')\n");
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
