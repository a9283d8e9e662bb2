//! Which Pythons will do: `requires-python` (PEP 440) from several places, all of which must hold.

use std::str::FromStr;

use mantyx_core::{Code, Error, Result};
use pep440_rs::{Version, VersionSpecifiers};

use crate::tools::{OutOfReach, Python, Tools};

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

    /// The ways to satisfy it.
    pub(crate) fn alternatives(&self) -> &[VersionSpecifiers] {
        &self.any_of
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
pub(crate) fn choose<'a>(tools: &'a Tools, demands: &[Demand]) -> Result<&'a Python> {
    let mut fitting: Vec<&Python> = fitting(tools, demands).collect();
    fitting.sort_by_key(|python| python.parsed().is_some_and(|version| version.any_prerelease()));
    fitting.first().copied().ok_or_else(|| none(tools, demands))
}

fn fitting<'a>(tools: &'a Tools, demands: &[Demand]) -> impl Iterator<Item = &'a Python> {
    let fits = |python: &&Python| {
        python.parsed().is_some_and(|version| demands.iter().all(|demand| demand.holds(&version)))
    };
    tools.pythons.iter().filter(fits)
}

/// The Python to build with once more: the very same, or the nearest that satisfies every demand, where a patch is
/// nearer than a minor version, and newer nearer than older.
pub(crate) fn choose_again<'a>(tools: &'a Tools, demands: &[Demand], version: &str) -> Result<&'a Python> {
    let wanted = Version::from_str(version.trim_end_matches('+')).unwrap_or_else(|_| Version::new([0]));
    fitting(tools, demands).min_by_key(|python| distance(python, &wanted)).ok_or_else(|| none(tools, demands))
}

fn distance(python: &Python, wanted: &Version) -> (bool, [(u64, bool); 3]) {
    let Some(own) = python.parsed() else { return (true, [(u64::MAX, true); 3]) };
    let part = |version: &Version, place: usize| version.release().get(place).copied().unwrap_or_default();
    let part =
        |place| (part(&own, place).abs_diff(part(wanted, place)), part(&own, place) < part(wanted, place));
    (own.any_prerelease() != wanted.any_prerelease(), [part(0), part(1), part(2)])
}

fn none(tools: &Tools, demands: &[Demand]) -> Error {
    let found: Vec<String> = tools
        .pythons
        .iter()
        .map(|python| format!("{} (`{}`)", python.version, python.path.display()))
        .collect();
    let asked: Vec<String> =
        demands.iter().map(|demand| format!("{} asks for `{}`", demand.place, demand.text)).collect();
    let detail = match (asked.is_empty(), found.is_empty()) {
        (_, true) => "There is no Python 3.8 or newer on this machine".to_owned(),
        (true, false) => format!("No Python fits; found: {}", found.join(", ")),
        (false, false) => format!("No Python fits: {}; found: {}", asked.join(" and "), found.join(", ")),
    };
    match out_of_reach(tools) {
        Some(beyond) => Error::new(Code::NoPython, format!("{detail}; {beyond}")).hint(
            "Install a Python for all users, open that folder to them, or let the app run as a user that can enter it",
        ),
        None => Error::new(Code::NoPython, detail).hint("Install a Python that fits, or change what is asked for"),
    }
}

/// The Pythons that are there, but not for who builds.
fn out_of_reach(tools: &Tools) -> Option<String> {
    let user = tools.user.as_ref()?;
    let is_python = |program: &&OutOfReach| !program.program.ends_with("uv");
    let each = |hidden: &OutOfReach| format!("`{}`", hidden.program.display());
    let hidden: Vec<&OutOfReach> = tools.out_of_reach.iter().filter(is_python).collect();
    let obstacle = &hidden.first()?.obstacle;
    let programs: Vec<String> = hidden.into_iter().map(each).collect();
    let (programs, obstacle) = (programs.join(", "), obstacle.display());
    Some(format!("not for `{}`, who may not enter `{obstacle}`: {programs}", user.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pythons(versions: &[&str]) -> Vec<Python> {
        versions
            .iter()
            .map(|version| Python { version: (*version).into(), path: format!("/opt/{version}").into() })
            .collect()
    }

    fn chosen(found: &[&str], demands: &[&str]) -> Result<String> {
        let demands: Vec<Demand> =
            demands.iter().map(|text| Demand::parse(text, "Somebody").unwrap()).collect();
        let tools = Tools { pythons: pythons(found), ..Tools::default() };
        choose(&tools, &demands).map(|python| python.version.clone())
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
    fn the_same_comes_again_or_the_nearest() {
        let found = ["3.11.2", "3.13.0", "3.12.1", "3.12.7", "3.8.18", "3.14.0rc1"];
        for (version, demand, wanted) in [
            ("3.12.1", ">=3", "3.12.1"),
            ("3.12.5", ">=3", "3.12.7"),
            ("3.12.4", ">=3", "3.12.7"),
            ("3.12.3", ">=3", "3.12.1"),
            ("3.10.4", ">=3", "3.11.2"),
            ("3.12.1", "<3.12", "3.11.2"),
            ("3.14.0", ">=3", "3.13.0"),
            ("3.14.0rc1", ">=3.14.0rc1", "3.14.0rc1"),
            ("3.9.1+", ">=3", "3.8.18"),
        ] {
            let demands = [Demand::parse(demand, "Somebody").unwrap()];
            let tools = Tools { pythons: pythons(&found), ..Tools::default() };
            let chosen = choose_again(&tools, &demands, version).unwrap();
            assert_eq!(chosen.version, wanted, "{version} {demand}");
        }
    }

    proptest! {
        #[test]
        fn no_other_python_is_nearer(minors in prop::collection::vec((8_u64..16, 0_u64..6), 1..8), wanted in (8_u64..16, 0_u64..6)) {
            let text = |(minor, patch): (u64, u64)| format!("3.{minor}.{patch}");
            let found: Vec<String> = minors.iter().copied().map(text).collect();
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            let tools = Tools { pythons: pythons(&found), ..Tools::default() };
            let chosen = choose_again(&tools, &[], &text(wanted)).unwrap().parsed().unwrap();
            let distance = |(minor, patch): (u64, u64)| (minor.abs_diff(wanted.0), patch.abs_diff(wanted.1));
            let nearest = minors.iter().copied().map(distance).min().unwrap();
            let chosen = (chosen.release()[1], chosen.release()[2]);
            prop_assert!(minors.contains(&chosen) && distance(chosen).0 == nearest.0);
            prop_assert!(!minors.contains(&wanted) || chosen == wanted);
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
    fn what_is_there_for_others_is_named_with_what_is_in_the_way() {
        let nobody = mantyx_core::Identity { uid: 1, gid: 1, groups: Vec::new(), name: "nobody".into() };
        let program = "/root/.pyenv/versions/3.13.0/bin/python3".into();
        let out_of_reach = vec![OutOfReach { program, obstacle: "/root".into() }];
        let tools = Tools { user: Some(nobody), out_of_reach, ..Tools::default() };
        let error = choose(&tools, &[]).unwrap_err();
        for part in ["`nobody`", "`/root`", "`/root/.pyenv/versions/3.13.0/bin/python3`"] {
            assert!(error.detail().contains(part), "{error}");
        }
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
