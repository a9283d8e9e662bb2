//! What a person can ask of Mantyx.
//!
//! The engines (ingest, venv, supervisor, scheduler) know neither each other nor the database. This crate joins them
//! with the registry: [`Mantyx`] is a handle with one method for each thing that can be asked, and the API and its
//! clients know nothing else.
//!
//! How an app's processes and its state stay together:
//!
//! - A request checks the table of states, makes the processes do it, and then applies the event, so that a state is
//!   what was observed. One lock for each app keeps requests in order.
//! - The supervisor tells [`conductor`](crate::conductor) what becomes of processes; each report is one change of the
//!   registry, awaited by the supervisor before it goes on.
//! - Long work is an operation: a row that is there before the first step is taken, at most one for each app. What
//!   the daemon's death interrupts is carried on or undone at the next start: see [`saga`](crate::saga).

mod access;
mod actions;
mod alone;
mod arming;
mod backup;
mod clock;
mod conductor;
mod configure;
mod create;
mod data;
mod due;
mod environment;
mod export;
mod files;
mod folding;
mod foresight;
mod hooks;
mod host;
mod house;
mod identity;
mod import;
mod inquiry;
mod install;
mod launch;
mod locks;
mod logs;
mod mantyx;
mod moves;
mod obituary;
mod observation;
mod permission;
mod ports;
mod progress;
mod queries;
mod reconcile;
mod releases;
mod rename;
mod replays;
mod retention;
mod saga;
#[cfg(test)]
mod scene;
mod schedules;
mod secrets;
mod settings;
mod standing;
mod starting;
mod stops;
mod switch;
mod system;
mod throttle;
mod tracking;
mod trash;
mod unclear;
mod update;
mod work;

pub use data::{Condition, Data, DataFile};
pub use export::ExportFile;
pub use hooks::{HookDelivery, HookSignature};
pub use logs::{
    BadPattern, Case, Completeness, Follow, LogQuery, LogStreamer, Pace, Pattern, Place, RawLine, Syntax,
};
pub use mantyx::{Caller, Mantyx};
pub use mantyx_platform::owned::Removal;
pub use mantyx_registry::{Memo, Version};
pub use replays::{Answer, KeyedRequest, Recalled};
pub use saga::fault_points;
