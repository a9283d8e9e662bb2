//! What is followed: where an app comes from, and how far that has gone on.

use mantyx_api_types::{CommitView, UpdateCheck};
use mantyx_core::{AppName, Code, Error, Origin, RelativePath, Result, SecretName};
use mantyx_ingest::{Ahead, Commit, GitRequest, Reach, Since};
use mantyx_platform::scratch::Scratch;

use crate::create::CancelOnDrop;
use crate::mantyx::Mantyx;
use crate::work::blocking;

/// No more commits than this are listed.
const COMMITS: u16 = 50;

/// A git origin.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    pub(crate) url: String,
    /// A branch, a tag or a commit; the default branch when there is none.
    pub(crate) reference: Option<String>,
    pub(crate) subdir: Option<RelativePath>,
    /// The commit that is active.
    pub(crate) commit: String,
    /// What of it was edited here since.
    pub(crate) edited: Vec<RelativePath>,
    pub(crate) credential: Option<SecretName>,
    pub(crate) submodules: bool,
}

impl Followed {
    /// Where an app comes from, or `instead` of its branch.
    ///
    /// # Errors
    /// `illegal_state` when that is not git.
    pub(crate) fn of(app: &AppName, origin: Origin, instead: Option<String>) -> Result<Self> {
        match origin {
            Origin::Git { url, reference, commit, subdir, credential, edited, submodules } => {
                let reference = instead.or(reference);
                Ok(Self { url, reference, subdir, commit, edited, credential, submodules })
            }
            Origin::Archive { .. } | Origin::Script { .. } => {
                let detail = format!("`{app}` does not come from git, so there is nothing to look at");
                Err(Error::new(Code::IllegalState, detail).hint("Update it from a file instead"))
            }
        }
    }
}

impl Mantyx {
    /// Whether what is followed has moved on, and by which commits.
    pub(crate) async fn compare(&self, followed: Followed, reach: Reach) -> Result<UpdateCheck> {
        let credential = self.credential(&followed.url, followed.credential.as_ref()).await?;
        let Followed { url, reference, subdir, commit: active, edited, .. } = followed;
        let request = GitRequest { reference, subdir, credential, ..GitRequest::new(&url) };
        let (limits, commit) = (self.ingest_limits(), active.clone());
        let staging = Scratch::make(&self.uploads(), "check-")?;
        let _room = self.inner().inquiries.far().await?;
        let called_off = CancelOnDrop::default();
        let flag = called_off.flag();
        let ahead = blocking(move || {
            let since = Since { commit: &commit, most: COMMITS };
            mantyx_ingest::check(&request, reach, since, staging.path(), &limits, &flag)
        })
        .await?;
        Ok(UpdateCheck { edited, ..in_view(active, ahead) })
    }
}

fn in_view(active: String, ahead: Ahead) -> UpdateCheck {
    let commit = |commit: Commit| CommitView {
        id: commit.id,
        subject: commit.subject,
        author: commit.author,
        at: commit.at,
    };
    UpdateCheck {
        active,
        head: ahead.head,
        reference: ahead.reference,
        commits: ahead.behind.into_iter().map(commit).collect(),
        complete: ahead.complete,
        rewritten: ahead.rewritten,
        edited: Vec::new(),
        checked_at: chrono::Utc::now(),
    }
}
