//! The monitor as its daemon sees it: real processes, real signals, real files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fixture that fails is a test that fails")]

mod endings;
mod fixture;
mod identity;
mod lifecycle;
mod limits;
mod logs;
mod notices;
mod standby;
mod versions;
