//! One module for each table.

pub mod apps;
pub mod backups;
pub mod config_revisions;
pub mod environments;
pub mod events;
pub mod executions;
pub mod instances;
pub mod operations;
pub mod port_leases;
pub mod principals;
pub mod releases;
pub mod replays;
pub mod samples;
pub mod schedules;
pub mod secrets;
pub mod settings;
pub mod ticks;
pub mod trackings;
