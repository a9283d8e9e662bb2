//! How an app is started, and the one line of text that says it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::path::{RelativePath, RelativePathError};

/// What is started. Its text form is used everywhere: in the API, the configuration, the database and the page.
///
/// | text | meaning |
/// |---|---|
/// | `main.py` | that file of the source, by the environment's Python |
/// | `"my app.py"` | the same, for a path with spaces in it |
/// | `-m package` | that module, by the environment's Python |
/// | `flask` | a console script of the environment |
/// | `uvicorn app:api --port $PORT` | a command line, by `/bin/sh` with the environment's programs first on the path |
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Launch {
    /// A `.py` file of the source.
    Script(RelativePath),
    /// A module or a package with `__main__.py`.
    Module(String),
    /// A program that an installed package brings (`[project.scripts]`).
    Console(String),
    /// A line for the shell.
    Command(String),
}

/// Why a text says no way to start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// Nothing was given.
    #[error("the entrypoint cannot be empty")]
    Empty,
    /// A line break or another control character.
    #[error("the entrypoint is one line without control characters")]
    Control,
    /// `-m` without a dotted name behind it.
    #[error("`{0}` is not the name of a module")]
    Module(String),
    /// The file is not inside the source.
    #[error(transparent)]
    Path(#[from] RelativePathError),
}

impl Launch {
    /// Parses the text form.
    pub fn parse(text: &str) -> Result<Self, LaunchError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(LaunchError::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(LaunchError::Control);
        }
        if let Some(module) = text.strip_prefix("-m ") {
            let module = module.trim();
            return if is_module(module) {
                Ok(Self::Module(module.to_owned()))
            } else {
                Err(LaunchError::Module(module.to_owned()))
            };
        }
        if let Some(path) = quoted(text).filter(|path| has_py_extension(path)) {
            return Ok(Self::Script(RelativePath::parse(path)?));
        }
        if text.contains(char::is_whitespace) {
            return Ok(Self::Command(text.to_owned()));
        }
        if has_py_extension(text) {
            return Ok(Self::Script(RelativePath::parse(text)?));
        }
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.chars().all(plain) && !text.starts_with('-') {
            return Ok(Self::Console(text.to_owned()));
        }
        Ok(Self::Command(text.to_owned()))
    }
}

/// What stands between two double quotes that embrace the whole text.
fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"').filter(|inner| !inner.contains('"'))
}

fn has_py_extension(text: &str) -> bool {
    std::path::Path::new(text).extension().is_some_and(|e| e == "py")
}

fn is_module(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    text.split('.').all(part)
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Launch {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("`main.py`, `-m package`, a console script, or a command line"))
            .examples(["main.py", "-m package", "uvicorn app:api --port $PORT"])
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Launch {}

impl fmt::Display for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script(path) if path.as_str().contains(char::is_whitespace) => write!(f, "\"{path}\""),
            Self::Script(path) => path.fmt(f),
            Self::Module(module) => write!(f, "-m {module}"),
            Self::Console(program) => f.write_str(program),
            Self::Command(line) => f.write_str(line),
        }
    }
}

impl FromStr for Launch {
    type Err = LaunchError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Launch {
    type Error = LaunchError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Launch> for String {
    fn from(launch: Launch) -> Self {
        launch.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_each_form() {
        let script = RelativePath::parse("src/main.py").unwrap();
        assert_eq!(Launch::parse(" src/main.py "), Ok(Launch::Script(script)));
        let spaced = Launch::Script(RelativePath::parse("my app ü.py").unwrap());
        assert_eq!(spaced.to_string(), "\"my app ü.py\"");
        assert_eq!(Launch::parse("\"my app ü.py\""), Ok(spaced));
        assert_eq!(Launch::parse("-m pkg.tool"), Ok(Launch::Module("pkg.tool".into())));
        assert_eq!(Launch::parse("weather-cli"), Ok(Launch::Console("weather-cli".into())));
        assert_eq!(Launch::parse("./serve.sh"), Ok(Launch::Command("./serve.sh".into())));
        let line = "uvicorn app:api --port $PORT";
        assert_eq!(Launch::parse(line), Ok(Launch::Command(line.into())));
        assert_eq!(Launch::parse("-m a-b"), Err(LaunchError::Module("a-b".into())));
        for outside in ["../main.py", "c:x.py", "./c:x.py", "\"./c:my app.py\""] {
            assert!(matches!(Launch::parse(outside), Err(LaunchError::Path(_))), "{outside}");
        }
        assert_eq!(Launch::parse(" "), Err(LaunchError::Empty));
    }

    proptest! {
        #[test]
        fn the_text_form_round_trips(text in "[ -~]{1,40}|\"[ -~]{1,20}\\.py\"|\"?[./c: -]{1,6}x\\.py\"?") {
            if let Ok(launch) = Launch::parse(&text) {
                prop_assert_eq!(Launch::parse(&launch.to_string()), Ok(launch));
            }
        }
    }
}
