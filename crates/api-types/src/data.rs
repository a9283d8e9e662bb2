//! An app's own files, as they lie in its data folder.

use chrono::{DateTime, Utc};
use mantyx_core::RelativePath;
use serde::{Deserialize, Serialize};

/// What an entry of a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DataKind {
    /// Other entries.
    Folder,
    /// A file.
    File,
    /// A symbolic link, which is never followed.
    Link,
    /// A pipe, a socket or a device, which is never opened.
    Special,
}

/// Something among an app's own files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DataEntry {
    /// Its name. What of it is not UTF-8 is replaced.
    pub name: String,
    /// Where it is in the data folder; none when its name is one that no address can say.
    pub path: Option<RelativePath>,
    /// What it is.
    pub kind: DataKind,
    /// How many bytes it has; 0 for what is no file.
    pub bytes: u64,
    /// When it was written to.
    pub modified_at: DateTime<Utc>,
}
