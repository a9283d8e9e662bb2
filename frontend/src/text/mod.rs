//! How values read: times, sizes, states, log lines. Pure functions, tested without a browser.

pub(crate) mod ansi;
pub(crate) mod level;
pub(crate) mod number;
pub(crate) mod prose;
pub(crate) mod time;
pub(crate) mod words;
