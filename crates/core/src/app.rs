//! What an app is, where it came from, and what was found in its source.

use serde::{Deserialize, Serialize};

use crate::launch::Launch;
use crate::name::AppName;
use crate::path::RelativePath;
use crate::secret::SecretName;

/// Whether an app runs when its time comes, or always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AppType {
    /// Runs by schedules and on demand.
    Scheduled,
    /// Is kept running.
    Perpetual,
}

impl AppType {
    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Perpetual => "perpetual",
        }
    }
}

/// Where the source of a release came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// A zip or tar archive.
    Archive {
        /// The name of the uploaded file.
        file: String,
    },
    /// A single Python file.
    Script {
        /// The name of the uploaded file.
        file: String,
    },
    /// A git repository.
    Git {
        /// Its address, never with credentials.
        url: String,
        /// The branch, tag or commit that was asked for.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none", default)]
        reference: Option<String>,
        /// The commit that it was, in full.
        commit: String,
        /// The folder of the repository that is the app.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        subdir: Option<RelativePath>,
        /// The name of the secret that opens the repository.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        credential: Option<SecretName>,
        /// The files that were written or removed here since, which are not as they are in the commit.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        edited: Vec<RelativePath>,
        /// Whether the repositories that are parts of it came along.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        submodules: bool,
    },
}

/// How a file declares dependencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DependencyFormat {
    /// The lock of uv.
    UvLock,
    /// The standard lock (PEP 751).
    PylockToml,
    /// The requirements of pip.
    RequirementsTxt,
    /// `[project]` of `pyproject.toml` (PEP 621), or Poetry's table.
    PyprojectToml,
    /// Inline metadata of a script (PEP 723).
    InlineMetadata,
}

/// A file that declares dependencies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DependencyFile {
    /// Where it is in the source.
    pub path: RelativePath,
    /// What it is.
    pub format: DependencyFormat,
    /// How many direct dependencies it names, where that can be told without resolving.
    pub count: Option<u32>,
}

/// What was found in a source without running any of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Found {
    /// A name made from the file, the project or the address.
    pub suggested_name: AppName,
    /// Ways to start it, the likeliest first. Never empty.
    pub candidates: Vec<Launch>,
    /// Files that declare dependencies, the one that counts first.
    pub dependency_files: Vec<DependencyFile>,
    /// What `requires-python` says, as it is written.
    pub requires_python: Option<String>,
    /// How many files were kept.
    pub files: u64,
    /// How many bytes they have in all.
    pub bytes: u64,
    /// SHA-256 over the names and contents of all files, in hexadecimal.
    pub digest: String,
    /// What was left out and what looks odd, as sentences.
    pub warnings: Vec<String>,
}
