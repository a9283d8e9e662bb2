//! The domain of Mantyx: what exists, what may happen to it, and how a refusal is said.
//!
//! Everything here is a value or a total function from values to values. There is no input or output, no clock
//! and no process, so that the daemon, the command line and the page (in WebAssembly) share the same words and
//! the same rules, and so that every rule can be tested by calling it.

mod app;
mod configuration;
mod error;
mod event;
mod execution;
mod health;
mod ids;
mod labels;
mod launch;
mod lifecycle;
mod limits;
mod name;
mod operation;
mod path;
mod restart;
mod scope;
mod secret;
mod stop_signal;
mod tracking;
mod web_port;

pub use app::{AppType, DependencyFile, DependencyFormat, Found, Origin};
pub use configuration::{Configuration, NeedsAdmin};
pub use error::{Code, Error, FieldError, Kind, Result};
pub use event::{Actor, EventKind, Subject};
pub use execution::{Ending, ExecutionStatus, Exit, Trigger};
pub use health::{Changed, Health, HealthCheck, HealthRecord, IsLookedAt, Observation, Probe, Readiness};
pub use ids::{
    AppId, BackupId, ConfinementId, EnvironmentId, ExecutionId, InstanceId, OperationId, ReleaseId,
    RevisionId, ScheduleId, TokenId,
};
pub use labels::{check_description, check_display_name, tidy_tags};
pub use launch::{Launch, LaunchError};
pub use lifecycle::{AppEvent, AppState, Effect, Facts, Illegal, Next, legal_events, transition};
pub use limits::{Cores, Identity, LimitMechanism, Limits, is_account_name};
pub use name::{AppName, NameError};
pub use operation::{BackupReason, OperationKind, OperationStatus, StepStatus};
pub use path::{RelativePath, RelativePathError};
pub use restart::{AfterGivingUp, Fared, RestartDecision, RestartHistory, RestartPolicy, RestartRule};
pub use schedule::{CatchUp, Overlap, ScheduleSpec, Timing};
pub use scope::Scope;
pub use secret::{SecretKind, SecretName};
pub use stop_signal::StopSignal;
pub use tracking::TrackingMode;
pub use web_port::{Auto, WebPort};

mod schedule;

/// An instant in universal time. The database and the API keep microseconds.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
