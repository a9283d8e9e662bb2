//! The version that a project takes from git, for builds that do not see git.
//!
//! Tools such as setuptools-scm read the nearest tag. What they would say with their default settings is worked
//! out here, and builds get it as a pretended version.

use git2::{DescribeOptions, Repository};

use super::fetch::{Fetched, History};

/// The version of a commit: that of a tag that it has, or else the next one after the nearest tag before it.
/// Without the history only the first can be told.
pub(super) fn of(repository: &Repository, fetched: &Fetched) -> Option<String> {
    let exact = fetched.tags.iter().find_map(|tag| version_of(tag));
    if exact.is_some() || fetched.history == History::Shallow {
        return exact.map(str::to_owned);
    }
    let commit = repository.find_object(fetched.commit, None).ok()?;
    let described = commit.describe(DescribeOptions::new().describe_tags()).ok()?.format(None).ok()?;
    next_after(&described)
}

/// `v1.2.3-4-gabcdef0` is the fourth commit after 1.2.3, so a development version of 1.2.4.
fn next_after(described: &str) -> Option<String> {
    let (rest, commit) = described.rsplit_once("-g")?;
    let (tag, distance) = rest.rsplit_once('-')?;
    let distance: u32 = distance.parse().ok()?;
    let version = version_of(tag)?;
    let (front, last) = version.rsplit_once('.').map_or(("", version), |(front, last)| (front, last));
    let next = last.parse::<u64>().ok()?.checked_add(1)?;
    let dot = if front.is_empty() { "" } else { "." };
    Some(format!("{front}{dot}{next}.dev{distance}+g{commit}"))
}

/// What is a version in a tag: `1.2`, `v1.2`, `name-1.2`, `name-v1.2`.
fn version_of(tag: &str) -> Option<&str> {
    let starts_well = |text: &&str| text.starts_with(|c: char| c.is_ascii_digit());
    let without_v = |text: &'_ str| -> usize { usize::from(text.starts_with(['v', 'V'])) };
    let last = tag.rsplit('-').next().unwrap_or(tag);
    let whole = &tag[without_v(tag)..];
    let part = &last[without_v(last)..];
    let version = [whole, part].into_iter().find(starts_well)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_');
    version.chars().all(allowed).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_with_versions() {
        let of = version_of;
        assert_eq!(of("v1.2.3"), Some("1.2.3"));
        assert_eq!(of("tool-v2.0"), Some("2.0"));
        assert_eq!(of("1.0rc1"), Some("1.0rc1"));
        assert_eq!(of("latest"), None);
    }

    #[test]
    fn commits_behind_a_tag() {
        assert_eq!(next_after("v1.2.3-4-gabcdef0").as_deref(), Some("1.2.4.dev4+gabcdef0"));
        assert_eq!(next_after("v2-1-gabcdef0").as_deref(), Some("3.dev1+gabcdef0"));
        assert_eq!(next_after("v1.0rc1-1-gabcdef0"), None);
        assert_eq!(next_after("v1.2.3"), None);
    }
}
