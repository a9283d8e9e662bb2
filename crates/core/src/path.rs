//! A path inside an app, which can never leave it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A path with `/` between its parts, relative to a folder of the app, without `.` or `..` or anything that
/// another system reads differently.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
#[serde(try_from = "String", into = "String")]
pub struct RelativePath(String);

/// Why a text is not a path inside an app.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelativePathError {
    /// Nothing was given.
    #[error("a path cannot be empty")]
    Empty,
    /// It starts at a root or a drive.
    #[error("the path must be relative to the app's own folder")]
    Absolute,
    /// It has a `..` part.
    #[error("the path must stay inside the app's own folder: `..` is not allowed")]
    Parent,
    /// It has a control character or a backslash.
    #[error("the path has a character that is not allowed: {0:?}")]
    Character(char),
}

impl RelativePath {
    /// Parses a path as a person or an archive gave it. Empty and `.` parts are dropped.
    pub fn parse(text: &str) -> Result<Self, RelativePathError> {
        if let Some(c) = text.chars().find(|c| c.is_control() || *c == '\\') {
            return Err(RelativePathError::Character(c));
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        // What is dropped may have stood before a drive: the path that is kept must be one that parses.
        if text.starts_with('/') || parts.first().is_some_and(|first| has_drive(first)) {
            return Err(RelativePathError::Absolute);
        }
        if parts.contains(&"..") {
            return Err(RelativePathError::Parent);
        }
        if parts.is_empty() {
            return Err(RelativePathError::Empty);
        }
        Ok(Self(parts.join("/")))
    }

    /// The text, with `/` between the parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

/// `C:` and the like, which Windows reads as a place of its own.
fn has_drive(part: &str) -> bool {
    matches!(part.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RelativePath {
    type Err = RelativePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for RelativePath {
    type Error = RelativePathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<RelativePath> for String {
    fn from(path: RelativePath) -> Self {
        path.0
    }
}

impl AsRef<std::path::Path> for RelativePath {
    fn as_ref(&self) -> &std::path::Path {
        std::path::Path::new(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    #[test]
    fn refuses_every_way_out() {
        assert_eq!(RelativePath::parse("/etc"), Err(RelativePathError::Absolute));
        for drive in ["c:x", "C:/x", "./c:x", ".//./c:", "c:/../x"] {
            assert_eq!(RelativePath::parse(drive), Err(RelativePathError::Absolute), "{drive}");
        }
        assert_eq!(RelativePath::parse("a/../../b"), Err(RelativePathError::Parent));
        assert_eq!(RelativePath::parse("a\\b"), Err(RelativePathError::Character('\\')));
        assert_eq!(RelativePath::parse("./"), Err(RelativePathError::Empty));
        assert_eq!(RelativePath::parse("./a//b/").unwrap().as_str(), "a/b");
        assert_eq!(RelativePath::parse("./a/c:x").unwrap().as_str(), "a/c:x");
    }

    proptest! {
        #[test]
        fn what_parses_stays_inside_and_parses_again(text in ".{0,60}|[.]{0,2}/{0,2}[./a-c:]{0,8}") {
            if let Ok(path) = RelativePath::parse(&text) {
                let inside = Path::new(path.as_str()).components().all(|c| matches!(c, Component::Normal(_)));
                prop_assert!(inside);
                prop_assert_eq!(RelativePath::parse(path.as_str()), Ok(path));
            }
        }
    }
}
