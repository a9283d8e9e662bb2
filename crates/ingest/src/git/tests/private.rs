//! Repositories that are not for everybody.

use super::server::TOKEN;
use super::*;

fn token(token: &str) -> Credential {
    Credential::Token { username: None, token: Secret::new(token) }
}

/// Fetches over HTTP with a token.
fn fetch(bench: &Bench, url: &str, secret: &str) -> Result<Staged> {
    let peer = Peer {
        address: Address::unencrypted(url),
        credential: Some(token(secret)),
        reach: Reach::ThisMachine,
        ssh: None,
    };
    bench.fetch_as(peer, &bench.request(None, None))
}

fn refused(bench: &Bench, url: &str, secret: &str) -> Error {
    let error = fetch(bench, url, secret).unwrap_err();
    let said = format!("{error:?} {:?}", error.hint_text());
    assert!(!said.contains(secret) && !said.contains("eC1h"), "{said}");
    error
}

#[test]
fn a_token_opens_a_private_repository() {
    let bench = Bench::new();
    let server = Server::start(bench.folder.path());
    let staged = fetch(&bench, &format!("{}/locked/tool", server.url), TOKEN).unwrap();
    assert_eq!(main_of(&staged), "print('two')\n");
    assert!(!format!("{staged:?}").contains(TOKEN));
    assert_eq!(server.seen().1, 0, "every request had it");
}

#[test]
fn a_wrong_token_is_said_and_never_shown() {
    let bench = Bench::new();
    let server = Server::start(bench.folder.path());
    let wrong = refused(&bench, &format!("{}/locked/tool", server.url), "wr0ng-token");
    assert_eq!(wrong.code(), Code::GitAuth);
    assert!(wrong.detail().contains("does not take this token"), "{wrong}");
    let gone = refused(&bench, &format!("{}/nosuch", server.url), TOKEN);
    assert!(gone.detail().contains("not for this token"), "{gone}");
    assert_eq!(bench.left(), 0);
}

#[test]
fn a_token_goes_to_no_other_server() {
    let bench = Bench::new();
    let (server, other) = (Server::start(bench.folder.path()), Server::start(bench.folder.path()));
    let staged = fetch(&bench, &format!("{}/to/{}/tool", server.url, other.port()), TOKEN).unwrap();
    assert_eq!(main_of(&staged), "print('two')\n");
    assert_eq!(other.seen().0, 0, "the other server was told nothing");
    assert!(server.seen().0 > 0 && other.seen().1 > 0);
    fs::remove_dir_all(staged.folder).unwrap();
    let private = refused(&bench, &format!("{}/to/{}/locked/tool", server.url, other.port()), TOKEN);
    assert_eq!(private.code(), Code::GitAuth);
    assert!(private.detail().contains("meant for another server"), "{private}");
    assert_eq!(other.seen().0, 0);
}

#[test]
fn a_token_follows_within_its_server_and_nowhere_without_end() {
    let bench = Bench::new();
    let server = Server::start(bench.folder.path());
    let there = format!("{}/to/{}/locked/tool", server.url, server.port());
    assert_eq!(main_of(&fetch(&bench, &there, TOKEN).unwrap()), "print('two')\n");
    fs::remove_dir_all(bench.path("staging/source")).unwrap();
    let round = format!("{}{}/tool", server.url, format!("/to/{}", server.port()).repeat(9));
    assert!(refused(&bench, &round, TOKEN).detail().contains("on and on"));
}

#[test]
fn credentials_that_an_address_has_no_use_for_are_refused() {
    let bench = Bench::new();
    for (url, credential) in [
        (bench.url(), token("t")),
        ("git@host:tool".to_owned(), token("t")),
        (
            "https://host/tool".to_owned(),
            Credential::SshKey { private_key: Secret::new("k"), passphrase: None },
        ),
    ] {
        let request = GitRequest { credential: Some(credential), ..GitRequest::new(url) };
        let outcome = bench.fetch_within(Reach::ThisMachine, &request, &Limits::default());
        assert_eq!(code(outcome), Code::GitAuth, "{request:?}");
    }
    let request = GitRequest::new("https://me:t0ken@host/tool");
    let error = bench.fetch_within(Reach::ThisMachine, &request, &Limits::default()).unwrap_err();
    assert_eq!(error.code(), Code::GitAddress);
    assert!(error.hint_text().unwrap().contains("secret"), "{error:?}");
}

/// Stands for `ssh`: it opens the key that it is told of as `ssh` does, and lets in whom that is enough for.
const LOCAL_SSH_WITH_KEY: &str = r#"#!/bin/sh
for word; do
    case $word in IdentityFile=*) key=${word#IdentityFile=} ;; esac
    last=$word
done
ssh-keygen -y -f "$key" >/dev/null 2>&1 || { echo 'Permission denied (publickey).' >&2; exit 255; }
exec sh -c "$last"
"#;

#[test]
fn an_ssh_key_is_handed_to_ssh_in_memory() {
    let bench = Bench::new();
    let place = bench.path("id");
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "open sesame", "-f"]).arg(&place);
    assert!(keygen.status().unwrap().success());
    let private_key = Secret::new(fs::read_to_string(&place).unwrap());
    let ssh = program(&bench.path("ssh"), LOCAL_SSH_WITH_KEY);
    let fetch = |passphrase: &str| {
        let address = Address::parse(&format!("ssh://git@host{}", bench.repository().display())).unwrap();
        let passphrase = Some(Secret::new(passphrase));
        let credential = Some(Credential::SshKey { private_key: private_key.clone(), passphrase });
        bench.fetch_as(
            Peer { address, credential, reach: Reach::ThisMachine, ssh: Some(ssh.clone()) },
            &bench.request(None, None),
        )
    };
    let wrong = fetch("wrong").unwrap_err();
    assert_eq!(wrong.code(), Code::GitAuth);
    assert!(wrong.hint_text().unwrap().contains("passphrase"), "{wrong:?}");
    assert_eq!(main_of(&fetch("open sesame").unwrap()), "print('two')\n");
    assert_eq!(bench.left(), 1, "only the source is left");
}
