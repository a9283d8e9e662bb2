//! An archive, a script or a git repository becomes a validated staging folder, or a refusal.
//!
//! Nothing here trusts what it is given. What a source says about itself (its name, its sizes, how many entries
//! it has) is a claim; limits hold for what is really read, while it is read. All three kinds of source end in
//! one place, the [unpacker](unpack), which is the only thing that writes:
//!
//! ```text
//! archive: format by content ─ zip / tar ─┐
//! script:  text, safe name ───────────────┼─ path ─ tree ─ unpack ─ links last ─ inspect ─ Staged
//! git:     fetch, walk the commit's tree ─┘
//! ```
//!
//! A release that is there can be a source as well: [once more](staged_again), or with [one file](staged_from_edit)
//! changed. What [differs](diff()) between two of them is told here too, and whether a repository has [gone on](check()).
//!
//! While anything is written there is no symbolic link in the staging folder: links are kept aside, checked
//! against the finished tree, and made last. So no write can be led astray, whatever order the entries come in.
//! No code of a source is ever run or imported.

mod archive;
mod diff;
mod entry;
mod git;
mod inspect;
mod junk;
mod limits;
mod links;
mod listing;
mod rework;
mod script;
mod tree;
mod unpack;

use std::path::PathBuf;

use mantyx_core::{Found, Origin};
use serde::{Deserialize, Serialize};

pub use archive::archive;
pub use diff::{ContentDiff, DiffLimits, FileChange, FileDiff, Hunk, Line, LineKind, TreeDiff, diff};
pub use git::{Ahead, Commit, Credential, GitRequest, Reach, Secret, Since, Submodules, check, git, host_of};
pub use inspect::inspect;
pub use limits::Limits;
pub use listing::{Entry, EntryKind, FileContent, entries, read_file};
pub use rework::{Base, Edit, staged_again, staged_from_edit};
pub use script::script;

/// The folder inside staging that a source is unpacked to.
const SOURCE: &str = "source";

/// A source that was let in. Kept with its folder, it is as good after a restart as before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// The root of the app's source, below the staging folder.
    pub folder: PathBuf,
    /// What is in it.
    pub found: Found,
    /// Where it came from.
    pub origin: Origin,
    /// The version that setuptools-scm would read from git, to be passed on to builds since `.git` is left out.
    pub scm_version: Option<String>,
}
