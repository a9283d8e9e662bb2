//! Apps, their states and what becomes of them: load, decide, persist, announce.
//!
//! Everything that changes goes through [`Registry::change`]: one transaction in which rows are read, a pure rule of
//! the core decides, rows and an event are written, and what changed is noted. Once the transaction is committed, and
//! only then, everybody who listens is told, with views that were read back from the database. So what is announced
//! is always true, and nothing is true that was not announced.
//!
//! [`Change::apply`] is the only place that writes the state of an app.

mod change;
mod create;
mod database;
mod lifecycle;
mod memo;
mod ports;
mod registry;
pub mod views;

pub use change::Change;
pub use create::{AppDraft, create_app};
pub use lifecycle::check;
pub use mantyx_store::{Foreign, Json, Read, Store, Word, Write, tables, transfer};
pub use memo::{Memo, Version};
pub use ports::{PortPool, settle_web_port};
pub use registry::Registry;
