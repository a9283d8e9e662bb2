//! What a private repository asks for: held in memory, sent to one host, shown to nobody.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mantyx_core::{Code, Error, Result};

use super::address::{Address, Remote};

/// The user in whose name a token is given when nobody says which: any will do for GitHub, GitLab, Gitea and Forgejo.
const TOKEN_USER: &str = "x-access-token";

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text. An end of line behind it comes from copying, and means nothing.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim_end_matches(['\r', '\n']).to_owned())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// By what a private repository knows who is asking.
///
/// It is given to the host of the address that it came with and to no other, wherever that host points to.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A token, or a password, for `https://` (RFC 7617).
    Token {
        /// Whose it is. Hosts that give out tokens mostly do not ask.
        username: Option<String>,
        /// What stands for the password.
        token: Secret,
    },
    /// A private key for SSH, as `ssh-keygen` writes it.
    SshKey {
        /// The text of the file.
        private_key: Secret,
        /// What it is encrypted with, if it is.
        passphrase: Option<Secret>,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token { .. } => "Credential::Token",
            Self::SshKey { .. } => "Credential::SshKey",
        })
    }
}

impl Credential {
    /// Whether it is of the kind that an address takes.
    pub(super) fn fits(&self, address: &Address) -> bool {
        matches!(
            (self, &address.remote),
            (Self::Token { .. }, Remote::Https) | (Self::SshKey { .. }, Remote::Ssh(_))
        )
    }

    /// Says why it is of no use for an address.
    pub(super) fn refuse_unfit(&self, address: &Address) -> Result<()> {
        if !self.fits(address) {
            let (what, form) = match self {
                Self::Token { .. } => ("a token", "`https://host/path`"),
                Self::SshKey { .. } => ("an SSH key", "`git@host:path`"),
            };
            let detail = format!("`{}` is not an address that takes {what}", address.shown());
            return Err(Error::new(Code::GitAuth, detail)
                .hint(format!("Name another secret, or write the address as {form}")));
        }
        match self {
            Self::Token { username: Some(name), .. }
                if name.contains(':') || name.contains(char::is_control) =>
            {
                let detail = "The user name of the token has a colon or a control character in it";
                Err(Error::new(Code::GitAuth, detail).hint("Leave it out: hosts mostly do not ask for it"))
            }
            _ => Ok(()),
        }
    }

    /// What HTTP sends in `Authorization`, when it is something for HTTP.
    pub(super) fn authorization(&self) -> Option<String> {
        let Self::Token { username, token } = self else { return None };
        let user = username.as_deref().unwrap_or(TOKEN_USER);
        Some(format!("Basic {}", STANDARD.encode(format!("{user}:{}", token.reveal().trim()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(username: Option<&str>) -> Credential {
        Credential::Token { username: username.map(str::to_owned), token: Secret::new("s3cret\n") }
    }

    fn key() -> Credential {
        Credential::SshKey { private_key: Secret::new("s3cret"), passphrase: Some(Secret::new("s3cret")) }
    }

    #[test]
    fn nothing_is_shown() {
        for credential in [token(Some("somebody")), key()] {
            let shown = format!("{credential:?} {:?}", Secret::new("s3cret"));
            assert!(!shown.contains("s3cret") && !shown.contains("somebody"), "{shown}");
        }
    }

    #[test]
    fn tokens_are_sent_as_passwords() {
        let sent = |name| token(name).authorization().unwrap();
        assert_eq!(sent(None), format!("Basic {}", STANDARD.encode("x-access-token:s3cret")));
        assert_eq!(sent(Some("me")), format!("Basic {}", STANDARD.encode("me:s3cret")));
        assert_eq!(key().authorization(), None);
    }

    #[test]
    fn each_kind_has_its_addresses() {
        let address = |text: &str| Address::parse(text).unwrap();
        assert!(token(None).refuse_unfit(&address("https://h/a")).is_ok());
        assert!(key().refuse_unfit(&address("git@h:a")).is_ok());
        for (credential, text) in [
            (token(None), "git@h:a"),
            (token(None), "file:///srv/a"),
            (key(), "https://h/a"),
            (key(), "file:///srv/a"),
            (token(Some("a:b")), "https://h/a"),
            (token(Some("a\nb")), "https://h/a"),
        ] {
            let error = credential.refuse_unfit(&address(text)).unwrap_err();
            assert_eq!(error.code(), Code::GitAuth, "{text}");
            assert!(!format!("{error:?} {:?}", error.hint_text()).contains("s3cret"));
        }
    }
}
