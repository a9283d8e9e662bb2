//! Secrets: what is said of them, and what they are made of. What they hold travels in one direction only.

use std::fmt;

use chrono::{DateTime, Utc};
use mantyx_core::{AppName, SecretKind, SecretName};
use serde::{Deserialize, Serialize};

/// What is known of a secret, but for what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecretView {
    /// What apps call it by.
    pub name: SecretName,
    /// What it is.
    pub kind: SecretKind,
    /// The only host that it is sent to; any when there is none, as there may be for a private key.
    pub host: Option<String>,
    /// When it was last set.
    pub set_at: DateTime<Utc>,
    /// By whom.
    pub set_by: String,
    /// The apps whose active release was fetched with it.
    pub used_by: Vec<AppName>,
}

/// What a secret is to hold.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SecretRequest {
    /// What it is.
    pub kind: SecretKind,
    /// The token, the text of the private key as `ssh-keygen` writes it, or any text.
    #[cfg_attr(feature = "openapi", schema(write_only))]
    pub value: String,
    /// In whose name a token is given. Hosts mostly do not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// What a private key is encrypted with, if it is.
    #[cfg_attr(feature = "openapi", schema(write_only))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<String>,
    /// The only host that it is sent to, with its port where that is not the usual one: `github.com`. A token
    /// has to name it; a private key is never sent, and may do without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

impl fmt::Debug for SecretRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, host, .. } = self;
        f.debug_struct("SecretRequest").field("kind", kind).field("host", host).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_secret_holds_is_not_shown() {
        let request = SecretRequest {
            kind: SecretKind::SshKey,
            value: "s3cret".into(),
            username: Some("s3cret".into()),
            passphrase: Some("s3cret".into()),
            host: Some("github.com".into()),
        };
        let shown = format!("{request:?}");
        assert!(!shown.contains("s3cret") && shown.contains("github.com"), "{shown}");
    }
}
