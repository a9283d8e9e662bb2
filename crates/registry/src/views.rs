//! Rows as the API shows them.

mod app;
mod rest;
mod row;
mod schedule;

pub use app::{app_subject, configuration, dependencies, find_app, find_app_by_name, release, trashed};
pub use rest::{backup, event, execution, operation};
pub use row::{app, apps};
pub use schedule::{schedule, schedules_of};
