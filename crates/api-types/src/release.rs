//! Releases: what each holds, what changed between two, and going from one to another.

use chrono::{DateTime, Utc};
use mantyx_core::{DependencyFile, Found, OperationId, Origin, RelativePath, SecretName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One immutable release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReleaseView {
    /// Counted from 1. A number is never given twice.
    pub number: u32,
    /// Whether it is the one that runs.
    pub active: bool,
    /// Whether its environment is built.
    pub installed: bool,
    /// Where its source came from.
    pub origin: Origin,
    /// What was found in its source.
    pub found: Found,
    /// The version of the Python that its packages were resolved for.
    pub python: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// By whom.
    pub created_by: String,
}

/// What an entry of a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A file.
    File,
    /// A file that can be executed.
    Program,
    /// A symbolic link.
    Link,
}

/// One file of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileEntry {
    /// Where it is in the source.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// How many bytes it has.
    pub bytes: u64,
}

/// A release with its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReleaseDetail {
    /// The release.
    pub release: ReleaseView,
    /// Its files, by path.
    pub files: Vec<FileEntry>,
    /// The packages of its lock, one line each; absent before the first install.
    pub lock: Option<String>,
}

/// What became of a file from one release to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It says something else.
    Modified,
    /// It has another name and says the same.
    Renamed,
    /// It is the same, but can or cannot be executed, or is another kind of thing.
    Mode,
}

/// What a line of a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DiffKind {
    /// In both.
    Same,
    /// Only in the later one.
    Added,
    /// Only in the earlier one.
    Removed,
}

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiffLine {
    /// What it is.
    pub kind: DiffKind,
    /// Its text, without the line break.
    pub text: String,
}

/// Lines that changed, with some around them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiffHunk {
    /// The number of the first line in the earlier file, counted from 1.
    pub from_line: u32,
    /// The number of the first line in the later file, counted from 1.
    pub to_line: u32,
    /// The lines.
    pub lines: Vec<DiffLine>,
}

/// What changed about one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileDiff {
    /// Where it is now, or was.
    pub path: String,
    /// Where it was, if it has another name now.
    pub old_path: Option<String>,
    /// What became of it.
    pub change: FileChange,
    /// How many lines are new.
    pub added: u32,
    /// How many lines are gone.
    pub removed: u32,
    /// Why no lines are shown, when none are: it is binary, or too large.
    pub note: Option<String>,
    /// The lines.
    pub hunks: Vec<DiffHunk>,
}

/// A package whose version changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PackageChange {
    /// The normalised name.
    pub name: String,
    /// The version before; absent when it is new.
    pub from: Option<String>,
    /// The version after; absent when it is gone.
    pub to: Option<String>,
}

/// What changed from one release to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReleaseDiff {
    /// The earlier release.
    pub from: u32,
    /// The later one.
    pub to: u32,
    /// The files that differ, by path.
    pub files: Vec<FileDiff>,
    /// The packages that differ, by name.
    pub packages: Vec<PackageChange>,
    /// Whether there is more than is shown.
    pub truncated: bool,
}

/// A git reference to update from. Everything has the value of the active release when it is not given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct GitUpdate {
    /// The address of the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A branch, a tag or a commit.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The folder of the repository that is the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subdir: Option<RelativePath>,
    /// The name of the secret that opens a private repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<SecretName>,
    /// Whether the repositories that are parts of it (git's submodules) are fetched too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submodules: Option<bool>,
    /// A merge patch on the configuration, taken into use with the release.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub configuration: Map<String, Value>,
}

/// Where to go back to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RollbackRequest {
    /// The number of a kept release; the newest before the active one when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<u32>,
}

/// One commit of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommitView {
    /// Its full hash.
    pub id: String,
    /// The first line of its message.
    pub subject: String,
    /// Who wrote it.
    pub author: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Whether the git origin of an app is ahead of its active release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateCheck {
    /// The commit that is active.
    pub active: String,
    /// The commit at the tip of what is followed.
    pub head: String,
    /// The branch, tag or commit that is followed.
    pub reference: String,
    /// The commits that the active release has not, the newest first.
    pub commits: Vec<CommitView>,
    /// Whether that are all of them.
    pub complete: bool,
    /// Whether the active commit is no part of the history any more.
    pub rewritten: bool,
    /// The files of the active release that were written or removed here since: an update from git replaces them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub edited: Vec<RelativePath>,
    /// When it was looked at.
    pub checked_at: DateTime<Utc>,
}

/// One package of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InstalledPackage {
    /// The normalised name.
    pub name: String,
    /// The version.
    pub version: String,
    /// What asks for it in the source; absent when another package does, or nobody can tell.
    pub requirement: Option<String>,
}

/// What an app depends on: as declared, and as installed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DependenciesView {
    /// The files that declare them.
    pub declared: Vec<DependencyFile>,
    /// What is installed; empty before the first install.
    pub installed: Vec<InstalledPackage>,
    /// The version of the environment's Python.
    pub python: Option<String>,
    /// What built it: `uv 0.9.1`, `pip 24.0`.
    pub builder: Option<String>,
    /// The operation whose log says how it was built.
    pub install_operation: Option<OperationId>,
}

/// A package that the index has a newer version of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutdatedPackage {
    /// The normalised name.
    pub name: String,
    /// The version that is installed.
    pub installed: String,
    /// The newest version.
    pub latest: String,
}
