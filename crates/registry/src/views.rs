//! Rows as the API shows them.

mod app;
mod rest;
mod schedule;

pub use app::{app, app_subject, configuration, dependencies, find_app, find_app_by_name, release, trashed};
pub use rest::{event, execution, operation};
pub use schedule::{next_run, schedule, schedules_of};
