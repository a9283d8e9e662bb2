//! The words about following a git repository.

use mantyx_api_types::UpdateCheck;
use mantyx_api_types::core::TrackingMode;

use super::number;

/// How far a repository is ahead of the active release, in a sentence.
pub(crate) fn ahead(found: &UpdateCheck) -> String {
    let (reference, head) = (branch(&found.reference), short(&found.head));
    if found.active == found.head {
        return format!("`{reference}` is at `{head}`, which is the active release: there is nothing new.");
    }
    match (found.commits.len(), found.complete) {
        (0, _) => format!("`{reference}` is at `{head}`, the active release at `{}`.", short(&found.active)),
        (count, true) => {
            format!("`{reference}` is {} ahead.", number::plural(count, "commit", "commits"))
        }
        (count, false) => format!("`{reference}` is more than {} commits ahead.", number::count(count)),
    }
}

/// Whether there is something that could be taken into use. What was looked at before a release became active says
/// nothing about it.
pub(crate) fn is_newer(found: &UpdateCheck, active: &str) -> bool {
    found.active == active && found.head != active
}

/// A branch or a tag without the folder of git that it is in.
pub(crate) fn branch(reference: &str) -> &str {
    let name = reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("refs/tags/"));
    name.unwrap_or(reference)
}

/// As much of a commit as tells one from another.
pub(crate) fn short(commit: &str) -> String {
    commit.get(..7).unwrap_or(commit).to_owned()
}

/// What a way of following is called.
pub(crate) const fn mode(mode: TrackingMode) -> &'static str {
    match mode {
        TrackingMode::Off => "Off",
        TrackingMode::Notify => "Notify",
        TrackingMode::Apply => "Apply",
    }
}

/// What it does.
pub(crate) const fn mode_words(mode: TrackingMode) -> &'static str {
    match mode {
        TrackingMode::Off => "Nobody looks but you.",
        TrackingMode::Notify => {
            "What is new is shown here and on the overview. You decide when it is taken into use."
        }
        TrackingMode::Apply => {
            "What is new is taken into use by itself, as an update by hand would be: with a backup before, and back to the release before if it does not become healthy."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(active: &str, head: &str, commits: usize, complete: bool) -> UpdateCheck {
        let commit = json!({"id": "c".repeat(40), "subject": "Mend it", "author": "Ada", "at": "2026-11-20T05:00:00Z"});
        let commits = vec![commit; commits];
        serde_json::from_value(json!({"active": active, "head": head, "reference": "refs/heads/main",
            "commits": commits, "complete": complete, "rewritten": false, "checked_at": "2026-11-20T05:00:00Z"}))
        .unwrap()
    }

    #[test]
    fn a_branch_is_called_as_people_call_it() {
        let said =
            |active: &str, head: &str, commits, complete| ahead(&found(active, head, commits, complete));
        assert_eq!(said("aaaaaaaaa", "bbbbbbbbb", 1, true), "`main` is 1 commit ahead.");
        assert_eq!(said("aaaaaaaaa", "bbbbbbbbb", 30, false), "`main` is more than 30 commits ahead.");
        assert_eq!(
            said("aaaaaaaaa", "bbbbbbbbb", 0, true),
            "`main` is at `bbbbbbb`, the active release at `aaaaaaa`."
        );
        assert!(said("aaaaaaaaa", "aaaaaaaaa", 0, true).ends_with("nothing new."));
        assert_eq!(branch("refs/tags/v1"), "v1");
    }

    #[test]
    fn an_old_look_says_nothing_of_a_new_release() {
        assert!(is_newer(&found("a", "b", 1, true), "a"));
        assert!(!is_newer(&found("a", "b", 1, true), "b"));
        assert!(!is_newer(&found("b", "b", 0, true), "b"));
    }
}
