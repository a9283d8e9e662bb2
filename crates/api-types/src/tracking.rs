//! Following the git origin of an app: how, and what came of it.

use std::fmt;

use chrono::{DateTime, Utc};
use mantyx_core::{AppName, OperationId, RelativePath, SecretName, TrackingMode};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::release::UpdateCheck;

/// How the git origin of an app is to be followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TrackingRequest {
    /// What is done when it has moved on.
    pub mode: TrackingMode,
    /// A cron line that says when somebody looks, in the time zone of Mantyx. Without one nobody does but for a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The branch or tag that is followed, if it is not the one that the active release came from.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// How the git origin of an app is followed, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrackingView {
    /// The app.
    pub app: AppName,
    /// The address of the repository.
    pub url: String,
    /// The branch, tag or commit that is followed; the default branch when there is none.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// The same, where it was set here.
    pub r#override: Option<String>,
    /// The folder of the repository that is the app.
    pub subdir: Option<RelativePath>,
    /// The secret that opens the repository.
    pub credential: Option<SecretName>,
    /// The commit that is active.
    pub active: String,
    /// What is done when it has moved on.
    pub mode: TrackingMode,
    /// The cron line that says when somebody looks.
    pub schedule: Option<String>,
    /// The same in words.
    pub words: Option<String>,
    /// The time zone that it is read in.
    pub timezone: String,
    /// When somebody looks next.
    pub next_check: Option<DateTime<Utc>>,
    /// The webhook, if there is one.
    pub hook: Option<HookView>,
    /// What the last look found.
    pub last_check: Option<UpdateCheck>,
    /// When somebody last looked, whether that came to anything or not.
    pub checked_at: Option<DateTime<Utc>>,
    /// Why the last look, or the update after it, could not be done.
    pub problem: Option<Problem>,
    /// The commit that was taken into use once and is not any more, or was never any good: it is left alone until what
    /// is followed moves on.
    pub held_back: Option<String>,
    /// Whether an update waits for another operation to end.
    pub waiting: bool,
    /// When it was last set; absent when nobody ever did.
    pub set_at: Option<DateTime<Utc>>,
    /// By whom.
    pub set_by: Option<String>,
}

/// A webhook, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HookView {
    /// When it was made, or got another secret.
    pub made_at: DateTime<Utc>,
}

/// A webhook with its secret. Nothing shows it a second time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HookCreated {
    /// Its path below the address of Mantyx.
    pub path: String,
    /// What signs its deliveries: the last part of the path.
    pub secret: String,
}

impl fmt::Debug for HookCreated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookCreated").finish_non_exhaustive()
    }
}

/// What a look at a git origin came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrackingResult {
    /// A webhook was only tried.
    Ping,
    /// A webhook told of something that is not followed.
    Ignored,
    /// A webhook told of a push, and what is followed is looked at soon.
    Queued,
    /// The newest commit is active.
    UpToDate,
    /// There is a newer commit.
    Available,
    /// It is being taken into use.
    Updating,
    /// It will be taken into use when another operation has ended.
    Waiting,
    /// It was tried before, and is left alone.
    HeldBack,
}

/// What a look at a git origin came to, in words too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrackingOutcome {
    /// In one word.
    pub result: TrackingResult,
    /// As a sentence.
    pub detail: String,
    /// The newest commit, where somebody looked.
    pub head: Option<String>,
    /// The update that was begun.
    pub operation: Option<OperationId>,
}
