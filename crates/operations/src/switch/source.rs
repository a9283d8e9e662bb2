//! Where the source of a new release comes from.

use std::path::{Path, PathBuf};

use mantyx_bundle::backup::{self, Id};
use mantyx_core::{RelativePath, Result, SecretName};
use mantyx_ingest::{GitRequest, Reach, Staged};
use mantyx_platform::folders;
use serde::{Deserialize, Serialize};

use crate::backup::Facts;
use crate::environment::KeptLock;
use crate::saga::Task;
use crate::secrets::fetched_with;
use crate::tracking::Followed;
use crate::work::blocking_until;

/// Where the source of a new release comes from. No secret is part of it: the database remembers it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum NewSource {
    /// It was let in when it was asked for, and lies in this folder.
    Staged(PathBuf, Box<Staged>),
    /// It is fetched.
    Git {
        url: String,
        reference: Option<String>,
        subdir: Option<RelativePath>,
        /// The name of the secret that opens it.
        credential: Option<SecretName>,
        #[serde(default)]
        submodules: bool,
        /// The commit that was found, where somebody has looked.
        #[serde(default)]
        found: Option<String>,
        from: Distance,
    },
    /// It was kept.
    Backup(Id, Box<Facts>),
}

/// How far away a repository may be, or how near.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Distance {
    Network,
    ThisMachine,
}

impl NewSource {
    /// A source that was let in.
    pub(crate) fn staged(staging: PathBuf, staged: Staged) -> Self {
        Self::Staged(staging, Box::new(staged))
    }

    /// The commit that was found at the head of what is followed.
    pub(crate) fn followed(followed: Followed, head: String, reach: Reach) -> Self {
        let Followed { url, reference, subdir, credential, submodules, .. } = followed;
        Self::Git { url, reference, subdir, credential, submodules, found: Some(head), from: reach.into() }
    }

    /// The folder that it lies in already.
    pub(super) fn staging(&self) -> Option<PathBuf> {
        match self {
            Self::Staged(staging, _) => Some(staging.clone()),
            Self::Git { .. } | Self::Backup(..) => None,
        }
    }

    /// What its packages were resolved to, where that is known.
    pub(super) fn lock(&self) -> Option<KeptLock> {
        match self {
            Self::Backup(_, facts) => facts.lock.clone(),
            Self::Staged(..) | Self::Git { .. } => None,
        }
    }

    /// Gets it, as far as it is not there yet.
    pub(super) async fn stage(&self, task: &Task, staging: &Path) -> Result<Staged> {
        folders::create(staging, 0o700)?;
        match self {
            Self::Staged(_, staged) => Ok(staged.as_ref().clone()),
            Self::Git { url, reference, subdir, credential: name, submodules, found, from } => {
                let credential = task.credential(url, name.as_ref()).await?;
                let request = GitRequest {
                    reference: reference.clone(),
                    subdir: subdir.clone(),
                    credential,
                    submodules: (*submodules).into(),
                    found: found.clone(),
                    url: url.clone(),
                };
                let staged = fetch(task, request, (*from).into(), staging).await?;
                Ok(fetched_with(staged, name.clone()))
            }
            Self::Backup(id, facts) => take_out(task, *id, facts, staging).await,
        }
    }
}

async fn fetch(task: &Task, request: GitRequest, reach: Reach, staging: &Path) -> Result<Staged> {
    let (limits, staging) = (task.ingest_limits(), staging.to_owned());
    blocking_until(&task.cancel, move |cancel| mantyx_ingest::git(&request, reach, &staging, &limits, cancel))
        .await
}

/// The source of a backup, once it is what it was when it was kept.
async fn take_out(task: &Task, id: Id, facts: &Facts, staging: &Path) -> Result<Staged> {
    let place = task.layout().backups_of(&facts.name);
    let (folder, facts) = (staging.join("source"), facts.clone());
    blocking_until(&task.cancel, move |cancel| {
        backup::verify(&place, id, cancel)?;
        backup::stage_source(&place, id, &folder)?;
        Ok(Staged { folder, found: facts.found, origin: facts.origin, scm_version: facts.scm_version })
    })
    .await
}

impl From<Distance> for Reach {
    fn from(from: Distance) -> Self {
        match from {
            Distance::Network => Self::Network,
            Distance::ThisMachine => Self::ThisMachine,
        }
    }
}

impl From<Reach> for Distance {
    fn from(reach: Reach) -> Self {
        match reach {
            Reach::Network => Self::Network,
            Reach::ThisMachine => Self::ThisMachine,
        }
    }
}
