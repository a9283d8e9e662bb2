//! What travels over HTTP between the daemon and its clients: the page, the command line, and anybody's programs.
//!
//! Views are what Mantyx answers, requests what it is asked. Times are RFC 3339 in UTC, durations are seconds,
//! sizes are bytes. The words are those of [`mantyx_core`], which is re-exported so that a client needs one crate.

mod access;
mod app;
mod backup;
mod data;
mod event;
mod execution;
mod live;
mod log;
mod metrics;
mod operation;
mod page;
mod problem;
mod reconcile;
mod release;
mod schedule;
mod secret;
mod setting;
mod system;
mod tracking;
mod transfer;

pub use access::{
    LoginCode, LoginLink, NewPassword, NewToken, TokenAnswer, TokenCreated, TokenForm, TokenView,
};
pub use app::{
    AppCreated, AppFilter, AppPatch, AppSummaryCounts, AppView, ConfigurationView, GitSource, NewApp,
    RenameRequest, RestoreRequest, TrashedAppView,
};
pub use backup::{BackupRequest, BackupRestoreRequest, BackupView};
pub use data::{DataEntry, DataKind};
pub use event::EventView;
pub use execution::{ExecutionView, LastExecution};
pub use live::{LiveMessage, LiveRequest, LiveTicket, LogGap};
pub use log::{LogLine, LogSource, LogStream};
pub use mantyx_core as core;
pub use metrics::{AppMetrics, AppUsage, Life, Sparkline, UsagePoint, UsageSpan};
pub use operation::{OperationView, StepView};
pub use page::Page;
pub use problem::Problem;
pub use reconcile::{Finding, Outcome, ReconcileView};
pub use release::{
    CommitView, DependenciesView, DiffHunk, DiffKind, DiffLine, FileChange, FileDiff, FileEntry, FileKind,
    GitUpdate, InstalledPackage, OutdatedPackage, PackageChange, ReleaseDetail, ReleaseDiff, ReleaseView,
    RollbackRequest, UpdateCheck,
};
pub use schedule::{NewSchedule, SchedulePatch, SchedulePreview, ScheduleView};
pub use secret::{SecretRequest, SecretView};
pub use setting::{SettingSource, SettingView};
pub use system::{HealthView, HostView, LimitsView, PythonView, SystemView};
pub use tracking::{HookCreated, HookView, TrackingOutcome, TrackingRequest, TrackingResult, TrackingView};
pub use transfer::{ExportRequest, ExportView};
