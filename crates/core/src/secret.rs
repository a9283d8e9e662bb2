//! Secrets: what they are called and what they are. What they hold is nobody's to see.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::{AppName, NameError};

/// The name of a secret, of the same form as that of an app.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9_-]{0,98}[a-z0-9])?$"))]
#[serde(transparent)]
pub struct SecretName(AppName);

impl SecretName {
    /// Parses a name as a person gave it.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        AppName::parse(text).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SecretName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// What a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// A token or a password, for repositories over HTTPS.
    Token,
    /// A private key, for repositories over SSH.
    SshKey,
    /// Any other text.
    Text,
}

impl SecretKind {
    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::SshKey => "ssh_key",
            Self::Text => "text",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_like_an_app() {
        let name: SecretName = serde_json::from_str("\"github-deploy\"").unwrap();
        assert_eq!((name.as_str(), name.to_string()), ("github-deploy", "github-deploy".to_owned()));
        assert_eq!(SecretName::parse("../key"), Err(NameError::Character('.')));
        assert!(serde_json::from_str::<SecretName>("\"\"").is_err());
    }

    #[test]
    fn a_kind_travels_as_its_text() {
        for kind in [SecretKind::Token, SecretKind::SshKey, SecretKind::Text] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
