//! The name of an app: its identity in addresses and on disk.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name, in characters.
const MAX_LENGTH: usize = 100;

/// A name that matches `^[a-z0-9]([a-z0-9_-]{0,98}[a-z0-9])?$`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9_-]{0,98}[a-z0-9])?$"))]
#[serde(try_from = "String", into = "String")]
pub struct AppName(String);

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a name cannot be empty")]
    Empty,
    /// Longer than a hundred characters.
    #[error("a name has at most {MAX_LENGTH} characters, this one has {0}")]
    TooLong(usize),
    /// A character that is not allowed anywhere.
    #[error("a name has lower case letters, digits, `-` and `_` only: {0:?} is none of these")]
    Character(char),
    /// `-` or `_` at an end.
    #[error("a name starts and ends with a letter or a digit")]
    Edge,
}

impl AppName {
    /// Parses a name as a person gave it.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let length = text.chars().count();
        if length == 0 {
            return Err(NameError::Empty);
        }
        if length > MAX_LENGTH {
            return Err(NameError::TooLong(length));
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if let Some(other) = text.chars().find(|c| !allowed(*c)) {
            return Err(NameError::Character(other));
        }
        if text.starts_with(['-', '_']) || text.ends_with(['-', '_']) {
            return Err(NameError::Edge);
        }
        Ok(Self(text.to_owned()))
    }

    /// The nearest legal name to a file name, an address or a title; `app` when nothing of it can be kept.
    #[must_use]
    pub fn suggest(text: &str) -> Self {
        let mut name = String::new();
        for c in text.chars() {
            match c.to_ascii_lowercase() {
                c if c.is_ascii_lowercase() || c.is_ascii_digit() => name.push(c),
                '_' if !name.is_empty() => name.push('_'),
                _ if !name.is_empty() && !name.ends_with(['-', '_']) => name.push('-'),
                _ => {}
            }
        }
        name.truncate(MAX_LENGTH);
        let name = name.trim_end_matches(['-', '_']);
        Self(if name.is_empty() { "app".to_owned() } else { name.to_owned() })
    }

    /// This name with `-2`, `-3`, … behind it, shortened where it would become too long.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let suffix = format!("-{number}");
        let room = MAX_LENGTH - suffix.len();
        let stem: String = self.0.chars().take(room).collect();
        Self(format!("{}{suffix}", stem.trim_end_matches(['-', '_'])))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AppName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for AppName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<AppName> for String {
    fn from(name: AppName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_with_the_reason() {
        assert_eq!(AppName::parse(""), Err(NameError::Empty));
        assert_eq!(AppName::parse("a b"), Err(NameError::Character(' ')));
        assert_eq!(AppName::parse("../x"), Err(NameError::Character('.')));
        assert_eq!(AppName::parse("-a"), Err(NameError::Edge));
        assert_eq!(AppName::parse(&"a".repeat(101)), Err(NameError::TooLong(101)));
        assert!(AppName::parse(&"a".repeat(100)).is_ok());
    }

    #[test]
    fn suggests_what_a_person_would() {
        assert_eq!(AppName::suggest("Weather Mail (2).zip").as_str(), "weather-mail-2-zip");
        assert_eq!(AppName::suggest("__main__").as_str(), "main");
        assert_eq!(AppName::suggest("日本").as_str(), "app");
    }

    proptest! {
        #[test]
        fn every_suggestion_is_a_name(text in ".{0,200}", number in 2u32..100_000) {
            let name = AppName::suggest(&text);
            prop_assert_eq!(AppName::parse(name.as_str()), Ok(name.clone()));
            let numbered = name.numbered(number);
            prop_assert_eq!(AppName::parse(numbered.as_str()), Ok(numbered));
        }
    }
}
