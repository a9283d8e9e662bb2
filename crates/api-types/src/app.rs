//! Apps, their configuration, releases and dependencies.

use chrono::{DateTime, Utc};
use mantyx_core::{
    AppEvent, AppId, AppName, AppState, AppType, Configuration, ExecutionId, Found, Health, OperationId,
    Origin, RelativePath, SecretName,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::execution::LastExecution;
use crate::schedule::ScheduleView;

/// Everything that a row or the head of a page says about an app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AppView {
    /// The identity that never changes.
    pub id: AppId,
    /// The name in addresses and on disk.
    pub name: AppName,
    /// A free text for people; empty when none was given.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// Words to group by.
    pub tags: Vec<String>,
    /// Scheduled or perpetual.
    pub r#type: AppType,
    /// Where it is in its life, as observed.
    pub state: AppState,
    /// Why it is in that state, when there is something to say: the reason of a failure, in a sentence.
    pub reason: Option<String>,
    /// Whether it is well, as observed; `unknown` when nothing looks at it.
    pub health: Health,
    /// What the last look at it said, when it was not well.
    pub health_detail: Option<String>,
    /// What it says of itself (`STATUS=`, sd_notify(3)).
    pub status_text: Option<String>,
    /// What was asked for and cannot be done here, such as a limit that this machine cannot enforce, as sentences.
    pub warnings: Vec<String>,
    /// What can be asked for now.
    pub legal_events: Vec<AppEvent>,
    /// The operation that has the app.
    pub operation: Option<OperationId>,
    /// The process of a perpetual app.
    pub pid: Option<u32>,
    /// The execution that the process belongs to.
    pub execution: Option<ExecutionId>,
    /// When that process began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it is started again, while it waits for a restart or was given up for now.
    pub restarts_at: Option<DateTime<Utc>>,
    /// How often it was started again by itself since a person last started it.
    pub restarts: u32,
    /// The number of the active release.
    pub release: Option<u32>,
    /// Where the active release came from.
    pub origin: Origin,
    /// The newest execution that has ended.
    pub last_execution: Option<LastExecution>,
    /// When a schedule is due next.
    pub next_run: Option<DateTime<Utc>>,
    /// The port of its own web page.
    pub web_port: Option<u16>,
    /// The address of its own web page, as seen from where the request came.
    pub web_url: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When anything about it changed.
    pub updated_at: DateTime<Utc>,
}

/// How many apps there are in each state that a dashboard counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AppSummaryCounts {
    /// All of them, the trash left out.
    pub all: u32,
    /// With a live process.
    pub running: u32,
    /// Of type scheduled.
    pub scheduled: u32,
    /// Stopped.
    pub stopped: u32,
    /// Failed.
    pub failed: u32,
}

/// Which apps a list is about. Filters combine by *and*.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema, utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct AppFilter {
    /// Only apps in this state.
    pub state: Option<AppState>,
    /// Only apps of this type.
    pub r#type: Option<AppType>,
    /// Only apps with this tag.
    pub tag: Option<String>,
    /// Only apps whose name, display name or description contains this text.
    pub text: Option<String>,
    /// At most this many, 1 to 500; 100 when not given.
    pub limit: Option<u32>,
    /// Where the page before this one ended.
    pub cursor: Option<String>,
}

/// What a new app can be told at once; everything has a default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewApp {
    /// The name; made from the file or the address when not given.
    pub name: Option<AppName>,
    /// A free text for people.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Words to group by.
    pub tags: Vec<String>,
    /// Scheduled or perpetual; perpetual when not given, scheduled when there is a `schedule`.
    pub r#type: Option<AppType>,
    /// A five-field cron line, read in the time zone of the machine.
    pub schedule: Option<String>,
    /// Any fields of the configuration, beside those that were found.
    pub configuration: Map<String, Value>,
}

/// A git repository to import, with everything that any new app can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GitSource {
    /// `https://…`, `ssh://…`, `git@host:path` or `file://…`, without credentials.
    pub url: String,
    /// A branch, a tag or a commit; the remote's default branch when not given.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The folder of the repository that is the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subdir: Option<RelativePath>,
    /// The name of the secret that opens a private repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<SecretName>,
    /// Whether the repositories that are parts of it (git's submodules) are fetched too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub submodules: bool,
    /// What any new app can be told.
    #[serde(flatten)]
    pub app: NewApp,
}

/// A new app and what was found in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AppCreated {
    /// The app.
    pub app: AppView,
    /// What was found in its source.
    pub found: Found,
    /// The configuration that it starts with.
    pub configuration: Configuration,
}

/// The configuration that is active, with the revision to name in `If-Match`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigurationView {
    /// The number of the revision, counted from 1; also the `ETag`.
    pub revision: u32,
    /// What is set.
    pub configuration: Configuration,
    /// What was found in the source of the active release.
    pub found: Found,
    /// The schedules of the app.
    pub schedules: Vec<ScheduleView>,
    /// Whether the live process was started with an earlier revision.
    pub restart_needed: bool,
}

/// A merge patch (RFC 7396) on an app. Absent fields stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AppPatch {
    /// A free text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Words to group by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Scheduled or perpetual. It changes only while nothing of the app is alive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<AppType>,
    /// A merge patch on the configuration.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub configuration: Map<String, Value>,
}

/// Another name for an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RenameRequest {
    /// The new name.
    pub name: AppName,
}

/// An app in the trash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrashedAppView {
    /// The identity that never changes; restore and purge take it.
    pub id: AppId,
    /// The name that it had.
    pub name: AppName,
    /// A free text for people.
    pub display_name: String,
    /// Scheduled or perpetual.
    pub r#type: AppType,
    /// When it went there.
    pub deleted_at: DateTime<Utc>,
    /// Whether the name is still free.
    pub name_free: bool,
}

/// How an app comes back from the trash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RestoreRequest {
    /// Another name, needed when the old one is taken.
    pub name: Option<AppName>,
}
