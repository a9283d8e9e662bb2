//! Stories told against the real daemon, with real Python, real archives and real git.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a story that goes wrong fails its test"
)]

mod access;
mod brake;
mod changes_by_command;
mod command_line;
mod configuration;
mod faults;
mod first_app;
mod git;
mod hostile;
mod identity;
mod install;
mod logs;
mod metrics;
mod operations;
mod replays;
mod rest;
mod retries;
mod rights;
mod schedules;
mod services;
mod survival;
mod transfer;
mod trash;
mod visitor;
