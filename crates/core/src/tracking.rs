//! What becomes of a git origin that has moved on.

use serde::{Deserialize, Serialize};

/// What is done when what an app follows has moved on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrackingMode {
    /// Nobody looks, unless somebody asks.
    #[default]
    Off,
    /// It is said.
    Notify,
    /// It is taken into use.
    Apply,
}

impl TrackingMode {
    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Notify => "notify",
            Self::Apply => "apply",
        }
    }
}
