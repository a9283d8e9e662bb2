//! libgit2 speaks git; how the bytes get to the other side is said here.
//!
//! libgit2's own HTTPS and SSH need OpenSSL and libssh2, which need a machine with their headers, or with `make`
//! and Perl and minutes of building. In their place stand two small transports: HTTPS over rustls, and SSH through
//! the machine's own `ssh`, which brings the keys, the agent, the known hosts and the settings that a person
//! has set up already.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use git2::transport::Transport;
use git2::{ErrorClass, ErrorCode, Remote};
use mantyx_core::{Code, Error, Result};

use super::address::{self, SshRemote};
use super::peer::Peer;
use super::ssh::{self, LentKey};
use super::stop::Stop;
use super::{Credential, https};

thread_local! {
    /// libgit2 makes a transport from an address alone; what else it needs waits here. A fetch stays on a thread.
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

#[derive(Clone)]
struct Current {
    stop: Stop,
    peer: Peer,
    folder: PathBuf,
}

/// Runs a fetch with the two transports in place. What they have to put somewhere goes to `folder`.
pub(super) fn with<T>(
    peer: &Peer,
    folder: &Path,
    stop: &Stop,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    register()?;
    let current = Current { stop: stop.clone(), peer: peer.clone(), folder: folder.to_owned() };
    CURRENT.set(Some(current));
    let outcome = work();
    CURRENT.set(None);
    outcome
}

fn register() -> Result<()> {
    static REGISTERED: OnceLock<Result<(), String>> = OnceLock::new();
    let registered = REGISTERED.get_or_init(|| {
        SCHEMES
            .iter()
            .try_for_each(|scheme| unsafe_register::register(scheme))
            .map_err(|error| error.to_string())
    });
    registered.clone().map_err(|error| Error::internal("set up the transports of git", error))
}

/// Tests talk to a server of their own, which has no certificate.
const SCHEMES: &[&str] = if cfg!(test) { &["https", "ssh", "http"] } else { &["https", "ssh"] };

#[allow(unsafe_code, reason = "git2 leaves it to the caller that nobody makes a transport meanwhile")]
mod unsafe_register {
    use git2::transport::register as git2_register;

    pub(super) fn register(scheme: &str) -> Result<(), git2::Error> {
        // SAFETY: this must not happen while another thread makes a transport. Transports are made by fetches,
        // all fetches of Mantyx go through `with`, and that waits for this to be over, which it is only once.
        unsafe { git2_register(scheme, super::make) }
    }
}

fn make(remote: &Remote<'_>) -> Result<Transport, git2::Error> {
    let current = CURRENT.with_borrow(Clone::clone).ok_or_else(|| error("no fetch is under way"))?;
    match current.peer.address.remote.clone() {
        address::Remote::Ssh(to) => {
            let ssh = over_ssh(to, &current).map_err(|reason| {
                current.stop.because(reason);
                error("ssh cannot be used")
            })?;
            Transport::smart(remote, false, ssh)
        }
        address::Remote::Https | address::Remote::File => {
            let authorization = current.peer.credential.as_ref().and_then(Credential::authorization);
            let https = https::Https::new(current.peer.address.shown(), authorization, current.stop);
            Transport::smart(remote, true, https)
        }
    }
}

fn over_ssh(to: SshRemote, current: &Current) -> Result<ssh::Ssh> {
    let program = current.peer.ssh.clone().ok_or_else(|| {
        Error::new(Code::GitRemote, "This machine has no program `ssh`")
            .hint("Install OpenSSH's client, or use the `https://` address of the repository")
    })?;
    let key = match &current.peer.credential {
        Some(Credential::SshKey { private_key, passphrase }) => {
            Some(LentKey::new(private_key, passphrase.as_ref(), &current.folder)?)
        }
        _ => None,
    };
    Ok(ssh::Ssh::new(program, to, key, current.stop.clone()))
}

/// An error on its way through libgit2. What a person is told goes by way of [`Stop`].
pub(super) fn error(message: &str) -> git2::Error {
    git2::Error::new(ErrorCode::GenericError, ErrorClass::Net, message)
}
