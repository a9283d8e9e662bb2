//! How secrets lie on the disk: sealed with XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) under one key in a file of its
//! own, so that neither the database nor a copy of it tells one.
//!
//! What goes with a seal is the name of the secret and the host that it is for: no row can be passed off as another, and
//! none can be made good for other hosts. Nonces of 24 bytes are random.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use mantyx_core::{Code, Error, Result, SecretName};
use mantyx_platform::atomic;

/// In bytes.
const KEY: usize = 32;
const NONCE: usize = 24;

/// The key, by where it lies. It is read each time, so that one that was put back is the one that counts.
#[derive(Clone, Debug)]
pub(super) struct Seal(PathBuf);

/// What a secret is for, which nobody can change without breaking the seal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purpose<'a> {
    pub(super) name: &'a SecretName,
    pub(super) host: Option<&'a str>,
}

impl Purpose<'_> {
    fn bytes(self) -> Vec<u8> {
        format!("mantyx secret\0{}\0{}", self.name, self.host.unwrap_or_default()).into_bytes()
    }
}

impl Seal {
    pub(super) fn at(key: PathBuf) -> Self {
        Self(key)
    }

    /// Seals a text. The key is made where there is none yet.
    pub(super) fn close(&self, purpose: Purpose<'_>, text: &[u8]) -> Result<Vec<u8>> {
        let cipher = match self.cipher(purpose.name) {
            Err(error) if error.code() == Code::SecretUnreadable && !self.0.exists() => self.make()?,
            other => other?,
        };
        let nonce: [u8; NONCE] = random()?;
        let payload = Payload { msg: text, aad: &purpose.bytes() };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| Error::internal("seal a secret", "it is too long"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for the same purpose.
    ///
    /// # Errors
    /// `secret_unreadable`, naming the secret.
    pub(super) fn open(&self, purpose: Purpose<'_>, sealed: &[u8]) -> Result<Vec<u8>> {
        let cipher = self.cipher(purpose.name)?;
        let opened = sealed.split_first_chunk::<NONCE>().and_then(|(nonce, text)| {
            let payload = Payload { msg: text, aad: &purpose.bytes() };
            cipher.decrypt(&XNonce::from(*nonce), payload).ok()
        });
        opened.ok_or_else(|| self.unreadable(purpose.name, "it is sealed under another key, or was changed"))
    }

    fn cipher(&self, name: &SecretName) -> Result<XChaCha20Poly1305> {
        let key = std::fs::read(&self.0).map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.unreadable(name, "its key is not there"),
            _ => Error::io(format!("read the key `{}`", self.0.display()), error),
        })?;
        let key = <[u8; KEY]>::try_from(key);
        let key = key.map_err(|_| self.unreadable(name, "what lies there is not a key"))?;
        Ok(XChaCha20Poly1305::new(&key.into()))
    }

    fn make(&self) -> Result<XChaCha20Poly1305> {
        let key: [u8; KEY] = random()?;
        atomic::write(&self.0, &key, 0o600)?;
        Ok(XChaCha20Poly1305::new(&key.into()))
    }

    fn unreadable(&self, name: &SecretName, why: &str) -> Error {
        let detail = format!("The secret `{name}` cannot be opened with `{}`: {why}", shown(&self.0));
        Error::new(Code::SecretUnreadable, detail)
            .hint("Put the key back that was there when the secret was set, or set the secret again")
    }
}

/// The file as it is known to whoever knows the layout.
fn shown(key: &Path) -> String {
    let file = key.file_name().unwrap_or_default().to_string_lossy();
    format!("config/{file}")
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    let filled = getrandom::fill(&mut bytes);
    filled.map_err(|error| Error::internal("ask for something random", std::io::Error::from(error)))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    fn name(text: &str) -> SecretName {
        SecretName::parse(text).unwrap()
    }

    fn purpose<'a>(name: &'a SecretName, host: Option<&'a str>) -> Purpose<'a> {
        Purpose { name, host }
    }

    fn seal() -> (tempfile::TempDir, Seal) {
        let folder = tempfile::tempdir().unwrap();
        let seal = Seal::at(folder.path().join("key"));
        (folder, seal)
    }

    #[test]
    fn the_key_is_made_once_and_is_nobody_elses() {
        let (folder, seal) = seal();
        let (one, key) = (name("one"), folder.path().join("key"));
        seal.close(purpose(&one, None), b"a").unwrap();
        let first = std::fs::read(&key).unwrap();
        seal.close(purpose(&one, None), b"b").unwrap();
        assert_eq!((first.len(), &first), (KEY, &std::fs::read(&key).unwrap()));
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_seal_is_good_for_its_name_and_host_alone() {
        let (_folder, seal) = seal();
        let (one, two) = (name("one"), name("two"));
        let sealed = seal.close(purpose(&one, Some("h")), b"s3cret").unwrap();
        assert_eq!(seal.open(purpose(&one, Some("h")), &sealed).unwrap(), b"s3cret");
        for wrong in [purpose(&two, Some("h")), purpose(&one, None), purpose(&one, Some("evil"))] {
            let refused = seal.open(wrong, &sealed).unwrap_err();
            assert_eq!(refused.code(), Code::SecretUnreadable);
            assert!(refused.detail().contains(wrong.name.as_str()), "{refused}");
        }
    }

    #[test]
    fn a_key_that_is_gone_or_another_one_is_said_with_the_name_of_the_secret() {
        let (folder, seal) = seal();
        let (one, key) = (name("one"), folder.path().join("key"));
        let sealed = seal.close(purpose(&one, None), b"s3cret").unwrap();
        let refusal = || {
            let refused = seal.open(purpose(&one, None), &sealed).unwrap_err();
            assert_eq!(refused.code(), Code::SecretUnreadable);
            assert!(refused.detail().contains("`one`") && refused.detail().contains("`config/key`"));
            refused.detail().to_owned()
        };
        std::fs::write(&key, [7; KEY]).unwrap();
        assert!(refusal().contains("another key"));
        std::fs::write(&key, b"short").unwrap();
        assert!(refusal().contains("not a key"));
        let kept = seal.close(purpose(&one, None), b"x").unwrap_err();
        assert_eq!(kept.code(), Code::SecretUnreadable, "what is no key is not written over");
        std::fs::remove_file(&key).unwrap();
        assert!(refusal().contains("not there"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_is_sealed_shows_nothing_and_breaks_at_any_change(
            text in prop::collection::vec(any::<u8>(), 8..200),
            at in any::<prop::sample::Index>(),
            bit in 0u8..8,
        ) {
            let (_folder, seal) = seal();
            let one = name("one");
            let sealed = seal.close(purpose(&one, None), &text).unwrap();
            prop_assert!(!sealed.windows(8).any(|part| text.windows(8).any(|other| other == part)));
            prop_assert_ne!(&sealed, &seal.close(purpose(&one, None), &text).unwrap());
            prop_assert_eq!(seal.open(purpose(&one, None), &sealed).unwrap(), text);
            let mut changed = sealed.clone();
            changed[at.index(sealed.len())] ^= 1 << bit;
            prop_assert!(seal.open(purpose(&one, None), &changed).is_err());
            prop_assert!(seal.open(purpose(&one, None), &sealed[..sealed.len() - 1]).is_err());
            prop_assert!(seal.open(purpose(&one, None), &[]).is_err());
        }
    }
}
