//! How values read: times, sizes, states, log lines. Pure functions, tested without a browser.

pub(crate) mod ansi;
pub(crate) mod difference;
pub(crate) mod events;
pub(crate) mod git;
pub(crate) mod level;
pub(crate) mod number;
pub(crate) mod operations;
pub(crate) mod prose;
pub(crate) mod setting;
pub(crate) mod time;
pub(crate) mod words;
