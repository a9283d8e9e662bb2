//! A repository on the other side, and what it takes to read it.

use std::path::PathBuf;

use mantyx_core::{Code, Error, Result};
use mantyx_platform::programs;

use super::address::{Address, Remote};
use super::{Credential, GitRequest, Reach};

/// Where to fetch from, and as whom.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: Address,
    pub(super) credential: Option<Credential>,
    /// How far whoever asks may reach.
    pub(super) reach: Reach,
    /// The program that speaks SSH.
    pub(super) ssh: Option<PathBuf>,
}

impl Peer {
    /// What a request names, if whoever asks may have it.
    pub(super) fn of(request: &GitRequest, reach: Reach) -> Result<Self> {
        let address = Address::parse(&request.url)?;
        address.refuse_beyond(reach)?;
        let (credential, ssh) = (request.credential.clone(), programs::find("ssh"));
        let peer = Self { address, credential, reach, ssh };
        peer.credential.iter().try_for_each(|credential| credential.refuse_unfit(&peer.address))?;
        peer.refuse_keys_of_machine()?;
        Ok(peer)
    }

    /// Without a key that came with the request, `ssh` takes those of the user that Mantyx runs as, which may be root.
    fn refuse_keys_of_machine(&self) -> Result<()> {
        let is_ssh = matches!(self.address.remote, Remote::Ssh(_));
        if !is_ssh || self.credential.is_some() || self.reach == Reach::ThisMachine {
            return Ok(());
        }
        let shown = self.address.shown();
        let detail = format!("`{shown}` takes an SSH key, and those of this machine are for administrators");
        Err(Error::new(Code::GitAuth, detail)
            .hint("Name a secret that holds a key for it, or give the `https://` address"))
    }

    /// The repository that this one names as a part of it.
    ///
    /// Its author chose the address, so it leads no further than the repository itself did: not into this machine from
    /// another one, and not with a credential that was meant for another host.
    pub(super) fn submodule(&self, path: &str, url: &str) -> Result<Self> {
        let address = self.address.resolve(url).map_err(|error| of_submodule(path, error))?;
        if address.remote == Remote::File && self.address.remote != Remote::File {
            let detail = format!("The submodule `{path}` is a repository of this machine");
            return Err(Error::new(Code::Forbidden, detail).hint(
                "A repository of another machine has no say in what is read here: leave submodules out",
            ));
        }
        let credential = self.credential.clone();
        let credential =
            credential.filter(|credential| credential.fits(&address) && self.address.is_same_host(&address));
        let part = Self { address, credential, reach: self.reach, ssh: self.ssh.clone() };
        part.refuse_keys_of_machine().map_err(|error| of_submodule(path, error))?;
        Ok(part)
    }
}

/// Says which part of the repository it was.
pub(super) fn of_submodule(path: &str, error: Error) -> Error {
    let of = Error::new(error.code(), format!("The submodule `{path}`: {}", error.detail()));
    let hint = error.hint_text().unwrap_or("Leave submodules out if the app does without them").to_owned();
    of.hint(hint).because(error)
}

#[cfg(test)]
mod tests {
    use super::super::Secret;
    use super::*;

    fn peer(url: &str, credential: Option<Credential>) -> Peer {
        Peer { address: Address::parse(url).unwrap(), credential, reach: Reach::ThisMachine, ssh: None }
    }

    #[test]
    fn credentials_go_to_submodules_of_the_same_host_only() {
        let token = Credential::Token { username: None, token: Secret::new("t") };
        let key = Credential::SshKey { private_key: Secret::new("k"), passphrase: None };
        let table = [
            ("https://h/a/b", &token, "../c", true),
            ("https://h/a/b", &token, "https://h/x/y", true),
            ("https://h/a/b", &token, "https://h:8443/x/y", false),
            ("https://h/a/b", &token, "https://h.evil/x", false),
            ("https://h/a/b", &token, "https://h@evil/x", false),
            ("https://h/a/b", &token, "git@h:x", false),
            ("git@h:a/b", &key, "../c", true),
            ("git@h:a/b", &key, "ssh://git@h/x", true),
            ("git@h:a/b", &key, "git@other:x", false),
            ("git@h:a/b", &key, "https://h/x", false),
        ];
        for (url, credential, submodule, given) in table {
            let found = peer(url, Some(credential.clone())).submodule("lib", submodule);
            let has = found.is_ok_and(|found| found.credential.is_some());
            assert_eq!(has, given, "{url} {submodule}");
        }
    }

    #[test]
    fn keys_of_this_machine_are_for_those_who_reach_it() {
        let of = |url: &str, credential: &Option<Credential>, reach| {
            let request = GitRequest { credential: credential.clone(), ..GitRequest::new(url) };
            Peer::of(&request, reach)
        };
        let key = Some(Credential::SshKey { private_key: Secret::new("k"), passphrase: None });
        for url in ["git@h:a", "ssh://root@localhost/root/a"] {
            assert_eq!(of(url, &None, Reach::Network).unwrap_err().code(), Code::GitAuth, "{url}");
            assert!(of(url, &None, Reach::ThisMachine).is_ok() && of(url, &key, Reach::Network).is_ok());
        }
        let public = of("https://h/a", &None, Reach::Network).unwrap();
        assert_eq!(public.submodule("lib", "git@h:b").unwrap_err().code(), Code::GitAuth);
        let private = of("git@h:a", &key, Reach::Network).unwrap();
        assert_eq!(private.submodule("lib", "git@other:b").unwrap_err().code(), Code::GitAuth);
        assert!(private.submodule("lib", "../b").is_ok());
    }

    #[test]
    fn no_submodule_leads_into_this_machine() {
        for url in ["https://h/a", "git@h:a"] {
            let refused = peer(url, None).submodule("lib", "file:///root/private").unwrap_err();
            assert_eq!(refused.code(), Code::Forbidden);
        }
        assert!(peer("file:///srv/a", None).submodule("lib", "file:///srv/b").is_ok());
        assert_eq!(
            peer("file:///srv/a", None).submodule("lib", "/srv/b").unwrap_err().code(),
            Code::GitAddress
        );
    }
}
