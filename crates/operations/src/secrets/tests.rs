//! What is refused, and where a secret goes.

use chrono::DateTime;

use super::*;

fn name(text: &str) -> SecretName {
    SecretName::parse(text).unwrap()
}

fn request(kind: SecretKind, value: &str) -> SecretRequest {
    SecretRequest { kind, value: value.into(), username: None, passphrase: None, host: None }
}

fn row(seal: &Seal, content: &Content, host: Option<&str>) -> Secret {
    let kind = match content {
        Content::Token { .. } => SecretKind::Token,
        Content::SshKey { .. } => SecretKind::SshKey,
        Content::Text { .. } => SecretKind::Text,
    };
    let (name, text) = (name("deploy"), serde_json::to_vec(content).unwrap());
    Secret {
        sealed: seal.close(Purpose { name: &name, host }, &text).unwrap(),
        name: Word(name),
        kind: Word(kind),
        host: host.map(str::to_owned),
        set_at: DateTime::UNIX_EPOCH,
        set_by: "owner".into(),
    }
}

fn wrong_field(refused: Result<Content>) -> String {
    refused.map(drop).unwrap_err().field_errors()[0].field.clone()
}

#[test]
fn each_kind_takes_what_belongs_to_it() {
    assert!(content(request(SecretKind::Token, "t")).is_ok());
    assert!(content(request(SecretKind::SshKey, "-----BEGIN OPENSSH PRIVATE KEY-----\n…")).is_ok());
    assert_eq!(wrong_field(content(request(SecretKind::Text, " \n"))), "value");
    assert_eq!(wrong_field(content(request(SecretKind::Text, &"x".repeat(LONGEST + 1)))), "value");
    assert_eq!(wrong_field(content(request(SecretKind::SshKey, "ssh-ed25519 AAAA me@box"))), "value");
    let named = SecretRequest { username: Some("me".into()), ..request(SecretKind::Text, "t") };
    assert_eq!(wrong_field(content(named)), "username");
    let encrypted = SecretRequest { passphrase: Some("p".into()), ..request(SecretKind::Token, "t") };
    assert_eq!(wrong_field(content(encrypted)), "passphrase");
}

#[test]
fn a_secret_goes_to_its_host_and_to_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let seal = Seal::at(folder.path().join("key"));
    let content = Content::Token { username: None, token: "s3cret".into() };
    let bound = row(&seal, &content, Some("github.com"));
    for good in ["https://github.com/a/b", "https://GITHUB.com:443/a", "git@github.com:a/b"] {
        refuse_elsewhere(&bound, good).unwrap();
    }
    for bad in [
        "https://evil.example/a",
        "https://github.com.evil.example/a",
        "https://github.com:8443/a",
        "https://evil.example/github.com/a",
        "file:///srv/a",
    ] {
        let refused = refuse_elsewhere(&bound, bad).unwrap_err();
        assert_eq!(refused.field_errors()[0].field, "credential", "{bad}");
    }
    let key = Content::SshKey { private_key: "-----BEGIN ".into(), passphrase: None };
    refuse_elsewhere(&row(&seal, &key, None), "git@anywhere.example:a").unwrap();
    assert!(refuse_elsewhere(&bound, "https://me:s3cret@github.com/a").is_err());
}

#[test]
fn a_token_names_its_host() {
    refuse_for_any_host(SecretKind::Token, Some("github.com")).unwrap();
    refuse_for_any_host(SecretKind::SshKey, None).unwrap();
    let refused = refuse_for_any_host(SecretKind::Token, None).unwrap_err();
    assert_eq!(refused.field_errors()[0].field, "host");
    let folder = tempfile::tempdir().unwrap();
    let token = Content::Token { username: None, token: "s3cret".into() };
    let free = row(&Seal::at(folder.path().join("key")), &token, None);
    assert!(refuse_elsewhere(&free, "https://evil.example/a").is_err(), "also where it is kept without one");
}

#[test]
fn a_secret_is_opened_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let seal = Seal::at(folder.path().join("key"));
    let token = Content::Token { username: Some("me".into()), token: "s3cret".into() };
    let opened_token = opened(&seal, &row(&seal, &token, None)).unwrap();
    let expected = Credential::Token { username: Some("me".into()), token: Hidden::new("s3cret") };
    assert!(opened_token == expected && !format!("{opened_token:?}").contains("s3cret"));
    let refused = opened(&seal, &row(&seal, &Content::Text { text: "s3cret".into() }, None)).unwrap_err();
    assert!(!format!("{refused:?} {:?}", refused.hint_text()).contains("s3cret"), "{refused:?}");
}

#[test]
fn a_host_is_told_from_an_address() {
    assert_eq!(tidy_host(" GitHub.com ").unwrap(), "github.com");
    assert_eq!(tidy_host("git.example.org:8443").unwrap(), "git.example.org:8443");
    for wrong in ["", "https://github.com", "me@github.com", "a b"] {
        assert_eq!(tidy_host(wrong).unwrap_err().field_errors()[0].field, "host", "{wrong}");
    }
}

#[test]
fn who_uses_a_secret_is_named() {
    let uses = [
        (AppName::parse("one").unwrap(), name("deploy")),
        (AppName::parse("two").unwrap(), name("other")),
        (AppName::parse("three").unwrap(), name("deploy")),
    ];
    let refused = refuse_in_use(&name("deploy"), &users_of(&name("deploy"), &uses)).unwrap_err();
    assert_eq!(refused.code(), Code::SecretInUse);
    assert!(refused.detail().contains("`one`, `three`") && !refused.detail().contains("two"), "{refused}");
    refuse_in_use(&name("none"), &users_of(&name("none"), &uses)).unwrap();
}
