//! The port of an app's own web page, and who chooses it.

use serde::{Deserialize, Serialize};

/// The port of an app's own web page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum WebPort {
    /// This one.
    Fixed(u16),
    /// `"auto"`: one of the pool, kept from then on.
    Auto(Auto),
}

/// The word `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    /// Mantyx chooses.
    Auto,
}

impl WebPort {
    /// Mantyx chooses.
    pub const AUTO: Self = Self::Auto(Auto::Auto);
}
