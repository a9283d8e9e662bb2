//! What a branch, a tag or a commit id means on the other side.

use git2::{Oid, RemoteHead};
use mantyx_core::{Code, Error, Result};

/// How long a commit id is when it is whole, in digits.
const WHOLE: usize = 40;

/// The names on the other side and what they point to.
pub(super) struct Heads(Vec<Head>);

/// For a tag with a message of its own there is a second entry, with `^{}` behind the name, for the commit that it is
/// about.
struct Head {
    name: String,
    id: Oid,
    /// The branch that it stands for, as `HEAD` does.
    stands_for: Option<String>,
}

/// What is to be fetched.
pub(super) enum Wanted {
    /// What has this name there, which is one of [`Heads`].
    Name(String),
    /// A commit by its id, or by the beginning of it.
    Commit(String),
}

impl Heads {
    pub(super) fn new(heads: &[RemoteHead<'_>]) -> Self {
        let head = |head: &RemoteHead<'_>| Head {
            name: head.name().to_owned(),
            id: head.oid(),
            stands_for: head.symref_target().map(str::to_owned),
        };
        Self(heads.iter().map(head).collect())
    }

    /// What a reference means; the default branch when none is given.
    pub(super) fn wanted(&self, reference: Option<&str>) -> Result<Wanted> {
        let Some(reference) = reference else {
            let head = self.get("HEAD").map(|_| Wanted::Name("HEAD".to_owned()));
            return head.ok_or_else(no_default_branch);
        };
        match self.name_of(reference) {
            Some(name) => Ok(Wanted::Name(name.to_owned())),
            None if is_commit_id(reference) => Ok(Wanted::Commit(reference.to_ascii_lowercase())),
            None => Err(self.no_such(reference)),
        }
    }

    /// The full name of a branch or a tag. A branch goes first, as it does for `git clone --branch`.
    fn name_of(&self, reference: &str) -> Option<&str> {
        let full =
            [reference.to_owned(), format!("refs/heads/{reference}"), format!("refs/tags/{reference}")];
        full.iter().find_map(|name| self.get(name)).map(|head| head.name.as_str())
    }

    fn get(&self, name: &str) -> Option<&Head> {
        self.0.iter().find(|head| head.name == name)
    }

    /// The commit that a name points to, through a tag.
    pub(super) fn commit_at(&self, name: &str) -> Option<Oid> {
        self.get(&format!("{name}^{{}}")).or_else(|| self.get(name)).map(|head| head.id)
    }

    /// The branch behind `HEAD`, as far as the other side says; any other name is what it is.
    pub(super) fn resolved(&self, name: &str) -> String {
        let stands_for = self.get(name).and_then(|head| head.stands_for.clone());
        stands_for.unwrap_or_else(|| name.to_owned())
    }

    /// The tags that are a commit.
    pub(super) fn tags_at(&self, commit: Oid) -> Vec<String> {
        let at = self.0.iter().filter(|head| head.id == commit);
        at.filter_map(|head| head.name.strip_prefix("refs/tags/"))
            .map(|tag| tag.trim_end_matches("^{}").to_owned())
            .collect()
    }

    fn no_such(&self, reference: &str) -> Error {
        let branches = self.0.iter().filter_map(|head| head.name.strip_prefix("refs/heads/"));
        let some: Vec<String> = branches.take(5).map(|name| format!("`{name}`")).collect();
        let error = no_such(reference);
        if some.is_empty() { error } else { error.hint(format!("Branches are {}", some.join(", "))) }
    }
}

/// There is nothing of that name.
pub(super) fn no_such(reference: &str) -> Error {
    let shown: String = reference.chars().take(100).collect();
    Error::new(Code::GitReference, format!("There is no branch, tag or commit `{shown}`"))
}

fn no_default_branch() -> Error {
    Error::new(Code::GitReference, "The repository has no default branch")
        .hint("Say which branch, tag or commit it should be")
}

fn is_commit_id(text: &str) -> bool {
    (7..=WHOLE).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// A commit id that is whole.
pub(super) fn whole_id(text: &str) -> Result<Oid> {
    let id = is_commit_id(text).then_some(text).filter(|text| text.len() == WHOLE);
    id.and_then(|id| Oid::from_str(id).ok()).ok_or_else(|| no_such(text).hint("Give the commit's id in full"))
}
