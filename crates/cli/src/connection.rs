//! Where the daemon is, and with which token to speak to it.

use std::path::{Path, PathBuf};

use clap::Args;
use mantyx_core::{Code, Error};

use crate::failure::{Failure, Result};

/// Where the owner's token lies below a root.
const OWNER_TOKEN: &str = "config/owner-token";

/// The roots that a daemon has when it is told none: of a person, and of a system service.
const USUAL_ROOTS: [&str; 2] = [".mantyx", "/srv/mantyx"];

/// Where a daemon listens that is told nothing else.
const USUAL_URL: &str = "http://127.0.0.1:8420";

// What the environment says is read later: clap counts it as typed, and names it in every usage.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Where the daemon is [env: MANTYX_URL] [default: http://127.0.0.1:8420]
    #[arg(long, global = true)]
    url: Option<String>,
    /// The token to send; the owner's token below the root when not given [env: MANTYX_TOKEN]
    #[arg(long, global = true)]
    token: Option<String>,
    /// The root of the daemon, to find the owner's token [env: MANTYX_ROOT] [usual: ./.mantyx, /srv/mantyx]
    #[arg(long, global = true)]
    root: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Connection {
    /// With what the environment says where nothing was typed. An empty variable counts as none.
    pub(crate) fn or_from(self, variable: impl Fn(&str) -> Option<String>) -> Self {
        let said = |name| variable(name).filter(|text| !text.is_empty());
        Self {
            url: self.url.or_else(|| said("MANTYX_URL")),
            token: self.token.or_else(|| said("MANTYX_TOKEN")),
            root: self.root.or_else(|| said("MANTYX_ROOT").map(PathBuf::from)),
            json: self.json,
        }
    }

    /// The address without a slash at its end.
    pub(crate) fn base(&self) -> Result<&str> {
        let wrong = |detail: String, hint: &str| {
            Err(Failure::Usage(Error::new(Code::Invalid, detail).hint(hint.to_owned())))
        };
        let base = self.url.as_deref().unwrap_or(USUAL_URL).trim_end_matches('/');
        match base.split_once("://") {
            Some(("http", _)) => Ok(base),
            Some(("https", _)) => wrong(
                format!("`{base}` needs encryption, which this program does not speak"),
                "Reach it through a tunnel, such as `ssh -L`",
            ),
            _ => wrong(format!("`{base}` is not an address"), "Give one such as http://127.0.0.1:8420"),
        }
    }

    /// Whether the daemon is on this machine, as far as its address says.
    pub(crate) fn is_local(&self) -> Result<bool> {
        self.base().map(is_local)
    }

    /// The token that is given, or the owner's. What lies on this disk is never sent to another machine unless
    /// somebody names the root.
    pub(crate) fn token(&self) -> Result<Option<String>> {
        if let Some(token) = &self.token {
            return Ok(Some(token.clone()));
        }
        if let Some(root) = &self.root {
            return read(&root.join(OWNER_TOKEN)).map(Some);
        }
        if !self.is_local()? {
            return Ok(None);
        }
        let usual = USUAL_ROOTS.map(|root| Path::new(root).join(OWNER_TOKEN));
        usual.iter().find(|path| path.exists()).map(|path| read(path)).transpose()
    }
}

fn read(path: &Path) -> Result<String> {
    let token = std::fs::read_to_string(path).map_err(|error| {
        let error = Error::io(format!("read the owner's token `{}`", path.display()), error);
        Failure::Local(error.hint("Run as the user of the daemon, or give a token with --token"))
    })?;
    Ok(token.trim().to_owned())
}

fn is_local(base: &str) -> bool {
    let address = reqwest::Url::parse(base).ok();
    let host = address.as_ref().and_then(reqwest::Url::host_str).unwrap_or_default();
    let number = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || number.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(url: &str, token: Option<&str>, root: Option<&Path>) -> Connection {
        Connection {
            url: Some(url.into()),
            token: token.map(Into::into),
            root: root.map(Into::into),
            json: false,
        }
    }

    #[test]
    fn an_address_is_plain_http() {
        assert_eq!(connection("http://box:8420/", None, None).base().unwrap(), "http://box:8420");
        for wrong in ["https://box", "box:8420", ""] {
            assert!(matches!(connection(wrong, None, None).base(), Err(Failure::Usage(_))), "{wrong}");
        }
    }

    #[test]
    fn what_is_typed_wins_over_the_environment() {
        let environment = |name: &str| match name {
            "MANTYX_URL" => Some("http://box".to_owned()),
            "MANTYX_TOKEN" => Some("theirs".to_owned()),
            _ => Some(String::new()),
        };
        let typed = connection("http://typed", None, None).or_from(environment);
        assert_eq!(
            (typed.base().unwrap(), typed.token().unwrap().as_deref()),
            ("http://typed", Some("theirs"))
        );
        assert_eq!(Connection::default().or_from(environment).base().unwrap(), "http://box");
        assert_eq!(Connection::default().or_from(|_| None).base().unwrap(), USUAL_URL);
        assert_eq!(typed.root, None);
    }

    #[test]
    fn only_this_machine_is_local() {
        for local in ["http://127.0.0.1:8420", "http://localhost", "http://[::1]:8420", "http://127.9.9.9/"] {
            assert!(is_local(local), "{local}");
        }
        for foreign in [
            "http://10.0.0.1",
            "http://127.0.0.1.example.org",
            "http://localhost.example",
            "http://127.0.0.1:1@x",
            "",
        ] {
            assert!(!is_local(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_token_that_is_given_wins_over_the_file() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("config")).unwrap();
        std::fs::write(root.path().join(OWNER_TOKEN), "secret\n").unwrap();
        let token = |given| connection("http://box", given, Some(root.path())).token().unwrap();
        assert_eq!(token(None).as_deref(), Some("secret"));
        assert_eq!(token(Some("other")).as_deref(), Some("other"));
        assert_eq!(connection("http://box", None, None).token().unwrap(), None);
    }
}
