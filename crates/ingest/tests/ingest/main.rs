//! The crate from outside: sources of all kinds go in, and what comes out is looked at on disk.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work fails, and says where")]

mod bench;
mod good;
mod hostile;
mod releases;
