//! Addresses of repositories that are allowed, and why others are not.

use mantyx_core::{Code, Error, Result};

use super::Reach;

mod relative;

/// The longest address that makes sense, in bytes.
const LONGEST: usize = 2048;

/// Where a repository is, never with credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    shown: String,
    pub(super) remote: Remote,
}

/// How a repository is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remote {
    Https,
    File,
    Ssh(SshRemote),
}

/// What `ssh` has to be told. The words cannot be mistaken for options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SshRemote {
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) path: String,
}

const FORMS: &str = "Write `https://host/path`, `ssh://user@host/path`, `user@host:path` or `file:///path`";

impl Address {
    /// Reads an address as a person writes it.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty()
            || text.len() > LONGEST
            || text.contains(|c: char| c.is_control() || c.is_whitespace())
        {
            return Err(
                wrong("The address of the repository is empty, too long, or has blanks in it").hint(FORMS)
            );
        }
        let remote = match text.split_once("://") {
            Some(("https", rest)) => https(text, rest)?,
            Some(("file", rest)) => file(text, rest)?,
            Some(("ssh" | "git+ssh", rest)) => ssh(text, rest)?,
            Some(("http", _)) => return Err(not_encrypted("http")),
            Some(("git", _)) => return Err(not_encrypted("git")),
            Some((scheme, _)) => {
                let known = scheme.chars().take(20).collect::<String>();
                return Err(wrong(format!("`{known}://` is not a way to reach a git repository")).hint(FORMS));
            }
            None => scp_like(text)?,
        };
        Ok(Self { shown: text.to_owned(), remote })
    }

    /// Nobody reads with the rights of Mantyx what they may not read with their own.
    pub(super) fn refuse_beyond(&self, reach: Reach) -> Result<()> {
        match (&self.remote, reach) {
            (Remote::File, Reach::Network) => {
                let detail = format!(
                    "`{}` is a repository of this machine: only an administrator imports it, because it is read with the rights of Mantyx itself",
                    self.shown
                );
                Err(Error::new(Code::Forbidden, detail)
                    .hint("Use a token for `admin`, or an `https://` or SSH address of the repository"))
            }
            _ => Ok(()),
        }
    }

    /// The address as it was given.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// The address in the form that libgit2 reads. SSH has its own transport, which goes by [`SshRemote`].
    pub(super) fn url(&self) -> String {
        match &self.remote {
            Remote::Https | Remote::File => self.shown.clone(),
            Remote::Ssh(ssh) => format!("ssh://{}/{}", ssh.host, ssh.path.trim_start_matches('/')),
        }
    }

    /// The host in lower case, with its port where that is not the usual one; none for this machine.
    pub(super) fn host(&self) -> Option<String> {
        match &self.remote {
            Remote::File => None,
            Remote::Https => {
                let authority = self.split().0.trim_start_matches("https://").trim_end_matches('/');
                let authority = authority.strip_suffix(":443").unwrap_or(authority);
                Some(authority.to_ascii_lowercase())
            }
            Remote::Ssh(ssh) => {
                let host = ssh.host.to_ascii_lowercase();
                let host = if host.contains(':') { format!("[{host}]") } else { host };
                Some(match ssh.port {
                    None | Some(22) => host,
                    Some(port) => format!("{host}:{port}"),
                })
            }
        }
    }

    /// The repository's own name.
    pub(super) fn name(&self) -> &str {
        let path = self.shown.trim_end_matches('/');
        let last = path.rsplit(['/', ':']).next().unwrap_or(path);
        last.strip_suffix(".git").unwrap_or(last)
    }
}

#[cfg(test)]
impl Address {
    /// An address that a person may not give: a server without TLS on this machine.
    pub(super) fn unencrypted(url: &str) -> Self {
        Self { shown: url.to_owned(), remote: Remote::Https }
    }
}

fn https(text: &str, rest: &str) -> Result<Remote> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(has_credentials());
    }
    if path.contains(['?', '#']) {
        return Err(wrong("The address of a repository has no `?` or `#`").hint(FORMS));
    }
    if authority.is_empty() || path.trim_matches('/').is_empty() {
        return Err(incomplete(text));
    }
    Ok(Remote::Https)
}

fn file(text: &str, rest: &str) -> Result<Remote> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') || path.len() < 2 {
        return Err(incomplete(text));
    }
    Ok(Remote::File)
}

fn ssh(text: &str, rest: &str) -> Result<Remote> {
    let (authority, path) = rest.split_once('/').ok_or_else(|| incomplete(text))?;
    let (user, place) = user_of(authority)?;
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !place.ends_with(']') => {
            (host, Some(port.parse().map_err(|_| incomplete(text))?))
        }
        _ => (place, None),
    };
    let host = host.trim_matches(['[', ']']);
    // As git does: a path below somebody's home is written behind the slash.
    let path = if path.starts_with('~') { path.to_owned() } else { format!("/{path}") };
    remote(text, user, host, port, path)
}

/// `user@host:path`, where the path starts at the home of the user. A colon behind a slash belongs to a path.
fn scp_like(text: &str) -> Result<Remote> {
    let Some((authority, path)) = text.split_once(':').filter(|(authority, _)| !authority.contains('/'))
    else {
        return Err(incomplete(text));
    };
    // `user:password@host:path` reads as a path on a host called like the user, and is never meant so.
    if path.split(['/', ':']).next().is_some_and(|first| first.contains('@')) {
        return Err(has_credentials());
    }
    let (user, host) = user_of(authority)?;
    remote(text, user, host, None, path.to_owned())
}

fn user_of(authority: &str) -> Result<(Option<&str>, &str)> {
    match authority.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => Err(has_credentials()),
        Some((user, host)) => Ok((Some(user), host)),
        None => Ok((None, authority)),
    }
}

fn remote(text: &str, user: Option<&str>, host: &str, port: Option<u16>, path: String) -> Result<Remote> {
    let plain = |word: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        !word.is_empty() && !word.starts_with('-') && word.chars().all(allowed)
    };
    if !plain(host) || !user.is_none_or(plain) || path.trim_matches('/').is_empty() {
        return Err(incomplete(text));
    }
    Ok(Remote::Ssh(SshRemote { user: user.map(str::to_owned), host: host.to_owned(), port, path }))
}

fn wrong(detail: impl Into<String>) -> Error {
    Error::new(Code::GitAddress, detail)
}

/// The address is not repeated: it would end up in a log.
fn has_credentials() -> Error {
    wrong("The address has credentials in it, which would be stored and shown")
        .hint("Leave them out: store them as a secret, and name it beside the address")
}

fn not_encrypted(scheme: &str) -> Error {
    wrong(format!("`{scheme}://` is not encrypted: anybody on the way could change what is installed"))
        .hint("Write `https://` instead")
}

fn incomplete(text: &str) -> Error {
    let shown = text.replace(|c: char| !c.is_ascii_graphic(), "?");
    let hint =
        if text.starts_with('/') { "For a folder of this machine write `file://` before it" } else { FORMS };
    wrong(format!("`{shown}` is not the address of a git repository")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ssh_of(text: &str) -> (Option<String>, String, Option<u16>, String) {
        match Address::parse(text).unwrap().remote {
            Remote::Ssh(ssh) => (ssh.user, ssh.host, ssh.port, ssh.path),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_every_form() {
        let user = Some("git".to_owned());
        assert_eq!(Address::parse("https://host/a/b.git").unwrap().remote, Remote::Https);
        assert_eq!(Address::parse(" file:///srv/repo ").unwrap().remote, Remote::File);
        assert_eq!(ssh_of("git@host:a/b.git"), (user.clone(), "host".into(), None, "a/b.git".into()));
        assert_eq!(ssh_of("ssh://git@host:22/a"), (user, "host".into(), Some(22), "/a".into()));
        assert_eq!(ssh_of("ssh://host/~me/a"), (None, "host".into(), None, "~me/a".into()));
        assert_eq!(ssh_of("ssh://[::1]:22/a").1, "::1");
    }

    #[test]
    fn names_the_repository() {
        for text in ["https://h/a/tool.git", "git@h:tool.git", "file:///srv/tool/", "ssh://h/tool"] {
            assert_eq!(Address::parse(text).unwrap().name(), "tool", "{text}");
        }
    }

    #[test]
    fn names_the_host() {
        for (text, host) in [
            ("https://GitHub.com/a/b", Some("github.com")),
            ("https://h:443/a", Some("h")),
            ("https://h:8443/a", Some("h:8443")),
            ("https://[::1]:8443/a", Some("[::1]:8443")),
            ("https://h\\.evil/a", Some("h\\.evil")),
            ("git@h:a/b.git", Some("h")),
            ("ssh://git@h:22/a", Some("h")),
            ("ssh://git@h:443/a", Some("h:443")),
            ("ssh://[::1]/a", Some("[::1]")),
            ("file:///srv/a", None),
        ] {
            assert_eq!(Address::parse(text).unwrap().host().as_deref(), host, "{text}");
        }
    }

    #[test]
    fn a_repository_of_this_machine_is_out_of_reach_unless_it_is_allowed() {
        for text in ["file:///srv/repo", " file://localhost/root/repo"] {
            let address = Address::parse(text).unwrap();
            let refused = address.refuse_beyond(Reach::Network).unwrap_err();
            assert_eq!(refused.code(), Code::Forbidden);
            assert!(
                refused.detail().contains(text.trim()) && refused.hint_text().unwrap().contains("`admin`")
            );
            address.refuse_beyond(Reach::ThisMachine).unwrap();
        }
        for text in ["https://host/a/b.git", "git@host:a/b.git", "ssh://git@host:22/a"] {
            Address::parse(text).unwrap().refuse_beyond(Reach::Network).unwrap();
        }
    }

    /// Nothing that is let through for everybody names a file of this machine.
    fn is_of_this_machine(url: &str) -> bool {
        url.starts_with("file:") || url.starts_with('/') || url.starts_with('.')
    }

    #[test]
    fn credentials_are_refused_and_not_repeated() {
        for text in ["https://me:s3cret@h/a", "https://s3cret@h/a", "ssh://me:s3cret@h/a", "me:s3cret@h:a"] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.code(), Code::GitAddress);
            assert!(!format!("{error:?} {:?}", error.hint_text()).contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "http://h/a",
            "git://h/a",
            "ftp://h/a",
            "/srv/repo",
            "./repo",
            "https://",
            "https://h",
            "https://h/",
            "https:///a",
            "file://host/a",
            "file:///",
            "ssh://-oProxyCommand=x/a",
            "-oX=y:a",
            "ssh://h",
            "h:",
            "https://h/a?token=x",
            "ext::sh -c x",
            "git@h:a\nb",
            "ssh://h:x/a",
            "ssh://a$b@h/x",
        ] {
            assert_eq!(Address::parse(text).map(drop).unwrap_err().code(), Code::GitAddress, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_no_file_of_this_machine_is_reached_from_the_network(
            text in "(file|FILE|File|https|ssh)?(:|://|:/)?(localhost)?[a-z@:/.~%]{0,30}"
        ) {
            if let Ok(address) = Address::parse(&text)
                && address.refuse_beyond(Reach::Network).is_ok()
            {
                prop_assert!(!is_of_this_machine(&address.url()), "{}", address.url());
            }
        }

        #[test]
        fn no_word_for_ssh_is_an_option(text in "(ssh://)?[-a-z@:/.~ ]{0,30}") {
            if let Ok(Address { remote: Remote::Ssh(ssh), .. }) = Address::parse(&text) {
                prop_assert!(!ssh.host.starts_with('-'));
                prop_assert!(!ssh.user.unwrap_or_default().starts_with('-'));
            }
        }
    }
}
