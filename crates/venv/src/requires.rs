//! Which Pythons will do: `requires-python` (PEP 440) from several places, all of which must hold.

use std::str::FromStr;

use mantyx_core::{Code, Error, Result};
use pep440_rs::{Version, VersionSpecifiers};

use crate::tools::Python;

/// One demand on the Python, and who makes it.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    /// As it is written.
    text: String,
    /// Where it is written, for messages.
    place: String,
    /// One of these must hold. Poetry can say "or", the standard cannot.
    any_of: Vec<VersionSpecifiers>,
}

impl Demand {
    /// Reads one demand.
    pub(crate) fn parse(text: &str, place: &str) -> Result<Self> {
        let any_of = text.split("||").map(|part| specifiers(part.trim())).collect::<Result<_, _>>();
        let any_of = any_of.map_err(|error: pep440_rs::VersionSpecifiersParseError| {
            let detail = format!("{place} asks for the Python `{text}`, which is no version constraint");
            Error::new(Code::NoPython, detail)
                .hint("Write it as in `>=3.10` or `>=3.9,<3.13`")
                .because(error.to_string())
        })?;
        Ok(Self { text: text.to_owned(), place: place.to_owned(), any_of })
    }

    fn holds(&self, version: &Version) -> bool {
        self.any_of.iter().any(|specifiers| specifiers.contains(version))
    }
}

/// Whether a text says which Pythons will do, as a build would read it.
///
/// # Errors
/// `invalid`, with how to write it.
pub fn check_requires(text: &str) -> Result<()> {
    Demand::parse(text, "").map(drop).map_err(|_| {
        Error::new(
            Code::Invalid,
            format!("`{text}` says no Python: write it as in `>=3.10` or `>=3.9,<3.13`"),
        )
    })
}

/// People write `3.11` where the standard wants `==3.11.*`.
fn specifiers(text: &str) -> Result<VersionSpecifiers, pep440_rs::VersionSpecifiersParseError> {
    let bare = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if bare {
        let wildcard = if text.matches('.').count() < 2 { ".*" } else { "" };
        return VersionSpecifiers::from_str(&format!("=={text}{wildcard}"));
    }
    VersionSpecifiers::from_str(text)
}

/// The Python to build with: the first that satisfies every demand, releases before previews.
pub(crate) fn choose<'a>(pythons: &'a [Python], demands: &[Demand]) -> Result<&'a Python> {
    let fits = |python: &&Python| {
        python.parsed().is_some_and(|version| demands.iter().all(|demand| demand.holds(&version)))
    };
    let mut fitting: Vec<&Python> = pythons.iter().filter(fits).collect();
    fitting.sort_by_key(|python| python.parsed().is_some_and(|version| version.any_prerelease()));
    fitting.first().copied().ok_or_else(|| none(pythons, demands))
}

fn none(pythons: &[Python], demands: &[Demand]) -> Error {
    let found: Vec<String> =
        pythons.iter().map(|python| format!("{} (`{}`)", python.version, python.path.display())).collect();
    let asked: Vec<String> =
        demands.iter().map(|demand| format!("{} asks for `{}`", demand.place, demand.text)).collect();
    let detail = match (asked.is_empty(), found.is_empty()) {
        (_, true) => "There is no Python 3.8 or newer on this machine".to_owned(),
        (true, false) => format!("No Python fits; found: {}", found.join(", ")),
        (false, false) => format!("No Python fits: {}; found: {}", asked.join(" and "), found.join(", ")),
    };
    Error::new(Code::NoPython, detail).hint("Install a Python that fits, or change what is asked for")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pythons(versions: &[&str]) -> Vec<Python> {
        versions
            .iter()
            .map(|version| Python { version: (*version).into(), path: format!("/opt/{version}").into() })
            .collect()
    }

    fn chosen(found: &[&str], demands: &[&str]) -> Result<String> {
        let demands: Vec<Demand> =
            demands.iter().map(|text| Demand::parse(text, "Somebody").unwrap()).collect();
        choose(&pythons(found), &demands).map(|python| python.version.clone())
    }

    #[test]
    fn takes_the_first_that_satisfies_all() {
        let found = ["3.11.2", "3.13.0", "3.12.1", "3.8.18"];
        for (demands, wanted) in [
            (vec![], "3.11.2"),
            (vec![">=3.12"], "3.13.0"),
            (vec![">=3.12", "<3.13"], "3.12.1"),
            (vec!["3.8"], "3.8.18"),
            (vec!["~=3.12.0"], "3.12.1"),
            (vec!["!=3.11.*,!=3.13.*"], "3.12.1"),
            (vec![">=2.7,<3 || ~=3.8.0"], "3.8.18"),
        ] {
            assert_eq!(chosen(&found, &demands).unwrap(), wanted, "{demands:?}");
        }
    }

    #[test]
    fn previews_come_last() {
        assert_eq!(chosen(&["3.15.0a2", "3.12.1"], &[]).unwrap(), "3.12.1");
        assert_eq!(chosen(&["3.15.0a2"], &[]).unwrap(), "3.15.0a2");
    }

    #[test]
    fn none_names_what_was_found_and_asked() {
        let error = chosen(&["3.11.2"], &[">=3.12", "<4"]).unwrap_err();
        assert_eq!(error.code(), Code::NoPython);
        for part in ["3.11.2", "/opt/3.11.2", ">=3.12"] {
            assert!(error.detail().contains(part), "{error}");
        }
        assert!(chosen(&[], &[]).unwrap_err().detail().contains("no Python"));
    }

    #[test]
    fn a_constraint_is_checked_without_a_machine() {
        for right in [">=3.10", ">=3.9,<3.13", "~=3.11.2", "3.11", "==3.12.*"] {
            assert!(check_requires(right).is_ok(), "{right}");
        }
        for wrong in ["newest", ">3.x", "3.11,", "=>3.10", "python3"] {
            let error = check_requires(wrong).unwrap_err();
            assert!(error.detail().contains(wrong), "{error}");
        }
    }

    #[test]
    fn nonsense_is_said_with_its_place() {
        let error = Demand::parse("newest", "`pyproject.toml`").unwrap_err();
        assert!(error.detail().contains("`pyproject.toml`") && error.detail().contains("newest"));
    }
}
