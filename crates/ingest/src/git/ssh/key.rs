//! A private key that `ssh` can read for a while, and that no disk ever holds.
//!
//! `ssh` takes keys from files. This one is a file in memory (memfd_create(2)) which only the user that Mantyx runs as
//! may open, under the name that the kernel gives to what a process has open (proc_pid_fd(5)). The passphrase is
//! another; `ssh` asks a small program for it (`SSH_ASKPASS` in ssh(1)), which answers no other question.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mantyx_core::{Error, Result};
use rustix::fs::{MemfdFlags, memfd_create};
use tempfile::TempPath;

use crate::git::credential::Secret;

/// A key that can be read as long as this is there.
pub(in crate::git) struct LentKey {
    key: File,
    answer: Option<Answer>,
}

/// The passphrase, and the program that says it.
struct Answer {
    _passphrase: File,
    program: TempPath,
}

impl LentKey {
    /// The program that says the passphrase is put into `folder`; there is nothing secret in it.
    pub(in crate::git) fn new(key: &Secret, passphrase: Option<&Secret>, folder: &Path) -> Result<Self> {
        // `ssh` reads no key whose last line has no end.
        let key = in_memory(&format!("{}\n", key.reveal().replace('\r', "")))?;
        let answer = passphrase.map(|passphrase| Answer::new(passphrase, folder)).transpose()?;
        Ok(Self { key, answer })
    }

    /// Whether there is an answer when `ssh` asks for the passphrase.
    pub(super) fn answers(&self) -> bool {
        self.answer.is_some()
    }

    /// No key and no agent of the machine has a say.
    pub(super) fn arguments(&self) -> Vec<String> {
        let options = [
            format!("IdentityFile={}", place_of(&self.key)),
            "IdentitiesOnly=yes".to_owned(),
            "IdentityAgent=none".to_owned(),
            // A connection that somebody shares is open to whoever that is.
            "ControlPath=none".to_owned(),
            "PreferredAuthentications=publickey".to_owned(),
            "NumberOfPasswordPrompts=1".to_owned(),
        ];
        options.into_iter().flat_map(|option| ["-o".to_owned(), option]).collect()
    }

    /// How `ssh` asks for the passphrase.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let Some(answer) = &self.answer else { return Vec::new() };
        let program = answer.program.display().to_string();
        vec![("SSH_ASKPASS", program), ("SSH_ASKPASS_REQUIRE", "force".to_owned())]
    }
}

impl Answer {
    fn new(passphrase: &Secret, folder: &Path) -> Result<Self> {
        let file = in_memory(passphrase.reveal())?;
        let script =
            format!("#!/bin/sh\ncase $1 in *assphrase*) exec cat {};; esac\nexit 1\n", place_of(&file));
        let failed = |error| Error::io(format!("write a program in `{}`", folder.display()), error);
        let builder = tempfile::Builder::new().prefix("askpass-").tempfile_in(folder);
        let mut program = builder.map_err(failed)?;
        program.write_all(script.as_bytes()).map_err(failed)?;
        program.as_file().set_permissions(Permissions::from_mode(0o700)).map_err(failed)?;
        // What is open for writing cannot be executed.
        Ok(Self { _passphrase: file, program: program.into_temp_path() })
    }
}

/// A file that only its owner may open.
fn in_memory(text: &str) -> Result<File> {
    let failed = |error: std::io::Error| Error::io("keep a key in memory", error);
    let file = memfd_create("mantyx-key", MemfdFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    let mut file = File::from(file);
    file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    Ok(file)
}

/// Where others of the same user find what is open here.
fn place_of(file: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Output};

    /// A key pair that `ssh-keygen` made, with the public half as it prints it.
    fn pair(kind: &str, passphrase: &str) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-C", "", "-N", passphrase, "-f"])
            .arg(&place)
            .status()
            .unwrap();
        assert!(made.success());
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        (read("key"), read("key.pub"))
    }

    /// What `ssh-keygen` makes of a lent key: it reads keys, and asks for passphrases, exactly as `ssh` does.
    fn public_half(lent: &LentKey) -> Output {
        let mut command = Command::new("ssh-keygen");
        command.args(["-y", "-f", &place_of(&lent.key)]).env_remove("SSH_AUTH_SOCK");
        command.envs(lent.variables()).output().unwrap()
    }

    #[test]
    fn keys_are_read_from_memory() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, passphrase) in [("ed25519", ""), ("ed25519", "it's a 'secret' $x"), ("ecdsa", "p%s")] {
            let (private, public) = pair(kind, passphrase);
            let secret = (!passphrase.is_empty()).then(|| Secret::new(passphrase));
            // As it comes out of a form of a page.
            let private = Secret::new(private.trim_end().replace('\n', "\r\n"));
            let lent = LentKey::new(&private, secret.as_ref(), folder.path()).unwrap();
            let read = public_half(&lent);
            assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), public.trim(), "{read:?}");
            assert_eq!(lent.answers(), secret.is_some());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn a_wrong_passphrase_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (private, _) = pair("ed25519", "right");
        let wrong = Secret::new("wrong");
        let lent = LentKey::new(&Secret::new(private), Some(&wrong), folder.path()).unwrap();
        let read = public_half(&lent);
        assert!(!read.status.success() && read.stdout.is_empty());
    }

    #[test]
    fn no_secret_is_in_what_others_may_see() {
        let folder = tempfile::tempdir().unwrap();
        let (key, passphrase) = (Secret::new("s3cret"), Secret::new("s3cret"));
        let lent = LentKey::new(&key, Some(&passphrase), folder.path()).unwrap();
        let script = std::fs::read_to_string(&lent.answer.as_ref().unwrap().program).unwrap();
        let seen = format!("{:?} {:?} {script}", lent.arguments(), lent.variables());
        assert!(!seen.contains("s3cret"), "{seen}");
        let other = Command::new(&lent.answer.as_ref().unwrap().program).arg("Password:").output().unwrap();
        assert!(!other.status.success() && other.stdout.is_empty(), "it answers one question only");
    }
}
