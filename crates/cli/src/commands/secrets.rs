//! Secrets: list, set, remove. What one holds goes one way only, and never over the command line.

use std::fs::File;
use std::io::{IsTerminal as _, Read};

use chrono::Utc;
use mantyx_api_types::{SecretRequest, SecretView};
use mantyx_core::{Code, Error, SecretKind, SecretName};
use reqwest::Method;

use super::Session;
use crate::arguments::{SecretArgs, SecretCommand, SecretSetArgs};
use crate::failure::{Failure, Result};
use crate::output::aside;
use crate::{tables, terminal};

const ADDRESS: &str = "/api/secrets";

/// More than any secret may have: what has no end is refused by its length instead of being read for ever.
const MOST: u64 = 1 << 20;

pub(super) async fn run(what: SecretArgs, session: Session) -> Result<()> {
    match what.command {
        SecretCommand::Ls => {
            let secrets: Vec<SecretView> = session.client.list(ADDRESS, &[], usize::MAX).await?;
            session.output.show(&secrets, |secrets| tables::secrets(secrets, Utc::now()))
        }
        SecretCommand::Set(what) => set(what, &session).await,
        SecretCommand::Rm { name } => remove(&session, &name).await,
    }
}

async fn set(what: SecretSetArgs, session: &Session) -> Result<()> {
    let (kind, path) = (SecretKind::from(what.kind), format!("{ADDRESS}/{}", what.name));
    let value = value(&what, kind)?;
    let passphrase =
        what.passphrase.then(|| terminal::secret("What the private key is encrypted with")).transpose()?;
    let request = SecretRequest { kind, value, username: what.username, passphrase, host: what.host };
    let request = session.client.request(Method::PUT, &path).json(&request);
    let secret: SecretView = session.client.read(&path, request).await?;
    session.output.show(&secret, said)
}

/// What the secret is to hold: of a file, of standard input, or typed without being shown.
fn value(what: &SecretSetArgs, kind: SecretKind) -> Result<String> {
    let value = match &what.file {
        Some(file) => {
            let named = format!("`{}`", file.display());
            let opened = File::open(file).map_err(|error| unreadable(&named, error))?;
            whole(opened, &named)?
        }
        None if !std::io::stdin().is_terminal() => whole(std::io::stdin().lock(), "standard input")?,
        None if kind == SecretKind::SshKey => {
            let error = Error::new(Code::Invalid, "A private key has more lines than can be typed");
            return Err(Failure::Usage(error.hint("Name its file with --file")));
        }
        None => terminal::secret(&format!("What `{}` is to hold", what.name))?,
    };
    Ok(tidy(value, kind))
}

fn whole(from: impl Read, named: &str) -> Result<String> {
    let mut text = String::new();
    from.take(MOST).read_to_string(&mut text).map_err(|error| unreadable(named, error))?;
    Ok(text)
}

fn unreadable(named: &str, error: std::io::Error) -> Failure {
    Failure::Local(Error::io(format!("read {named}"), error))
}

/// Editors and `echo` end a text with a line end, which is no part of it. A private key needs its own.
fn tidy(mut value: String, kind: SecretKind) -> String {
    if kind != SecretKind::SshKey {
        value.truncate(value.trim_end_matches(['\r', '\n']).len());
    }
    value
}

fn said(secret: &SecretView) -> String {
    let reach = match &secret.host {
        Some(host) => format!(", and is sent to `{host}` alone"),
        None => String::new(),
    };
    format!("`{}` is set{reach}", secret.name)
}

async fn remove(session: &Session, name: &SecretName) -> Result<()> {
    session.client.send(session.client.request(Method::DELETE, &format!("{ADDRESS}/{name}"))).await?;
    aside(&format!("`{name}` is gone"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::SecretChoice;

    fn read(text: &[u8], choice: SecretChoice) -> Result<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let what = SecretSetArgs {
            name: SecretName::parse("deploy").unwrap(),
            kind: choice,
            file: Some(file.path().to_owned()),
            host: None,
            username: None,
            passphrase: false,
        };
        value(&what, choice.into())
    }

    #[test]
    fn the_end_of_the_last_line_belongs_to_a_private_key_alone() {
        assert_eq!(read(b"abc\r\n\n", SecretChoice::Token).unwrap(), "abc");
        assert_eq!(read(b"a\nb\n", SecretChoice::Text).unwrap(), "a\nb");
        assert_eq!(read(b"-----BEGIN\n", SecretChoice::SshKey).unwrap(), "-----BEGIN\n");
    }

    #[test]
    fn what_is_no_text_is_not_told() {
        let refused = read(b"s3cret\xff", SecretChoice::Token).unwrap_err().to_string();
        assert!(refused.contains("read `/") && !refused.contains("s3cret"), "{refused}");
    }
}
