//! How far a token reaches.

use serde::{Deserialize, Serialize};

/// What a token may do; each reaches further than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See everything but secrets.
    Read,
    /// Change apps.
    Operate,
    /// Change Mantyx: tokens, the password, as whom apps run, what is gone for good.
    Admin,
}

impl Scope {
    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// Whether this reaches at least as far as `needed`.
    #[must_use]
    pub fn covers(self, needed: Self) -> bool {
        self >= needed
    }
}
