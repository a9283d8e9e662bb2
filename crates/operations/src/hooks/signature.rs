//! What signs a webhook. Each is compared in constant time.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// A signature in the form of those who send it.
#[derive(Clone, PartialEq, Eq)]
pub enum HookSignature {
    /// HMAC-SHA256 of the body behind `sha256=`, in hexadecimal: GitHub, and Gitea and Forgejo too
    /// (`X-Hub-Signature-256`).
    Prefixed(String),
    /// HMAC-SHA256 of the body, in hexadecimal (`X-Gitea-Signature`, `X-Forgejo-Signature`).
    Hexadecimal(String),
    /// The secret itself (`X-Gitlab-Token`).
    Secret(String),
}

impl HookSignature {
    /// Whether whoever knows the secret made it for this body.
    pub(super) fn is_of(&self, secret: &str, body: &[u8]) -> bool {
        match self {
            Self::Prefixed(text) => text.strip_prefix("sha256=").is_some_and(|hex| is_mac(hex, secret, body)),
            Self::Hexadecimal(text) => is_mac(text, secret, body),
            Self::Secret(text) => text.as_bytes().ct_eq(secret.as_bytes()).into(),
        }
    }
}

fn is_mac(hexadecimal: &str, secret: &str, body: &[u8]) -> bool {
    let Ok(given) = hex::decode(hexadecimal) else { return false };
    // A key may have any length.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.chain_update(body).verify_slice(&given).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of GitHub's documentation (Validating webhook deliveries).
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const MAC: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn mac(secret: &str, body: &[u8]) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
        hex::encode(mac.finalize().into_bytes())
    }

    #[test]
    fn the_examples_of_those_who_sign_are_right() {
        assert_eq!(mac(SECRET, BODY), MAC);
        // RFC 4231, section 4.3.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(mac("Jefe", b"what do ya want for nothing?"), expected);
        assert!(HookSignature::Prefixed(format!("sha256={MAC}")).is_of(SECRET, BODY));
        assert!(HookSignature::Hexadecimal(MAC.into()).is_of(SECRET, BODY));
        assert!(HookSignature::Secret(SECRET.into()).is_of(SECRET, BODY));
    }

    #[test]
    fn what_is_not_quite_a_signature_is_none() {
        let half = &MAC[..32];
        let wrong = [
            HookSignature::Prefixed(MAC.into()),
            HookSignature::Prefixed(format!("sha1={MAC}")),
            HookSignature::Prefixed("sha256=".into()),
            HookSignature::Hexadecimal(half.into()),
            HookSignature::Hexadecimal(format!("{MAC}00")),
            HookSignature::Hexadecimal(format!("sha256={MAC}")),
            HookSignature::Hexadecimal(String::new()),
            HookSignature::Secret(String::new()),
            HookSignature::Secret(SECRET[..10].into()),
        ];
        for (number, signature) in wrong.iter().enumerate() {
            assert!(!signature.is_of(SECRET, BODY), "{number}");
        }
    }

    proptest! {
        #[test]
        fn a_signature_is_good_for_its_secret_and_body_alone(
            secret in "[a-z]{1,80}", other in "[a-z]{1,80}", body in ".{0,80}", changed in ".{0,80}",
        ) {
            let signature = HookSignature::Hexadecimal(mac(&secret, body.as_bytes()));
            prop_assert!(signature.is_of(&secret, body.as_bytes()));
            prop_assert_eq!(signature.is_of(&other, body.as_bytes()), secret == other);
            prop_assert_eq!(signature.is_of(&secret, changed.as_bytes()), body == changed);
        }
    }
}
