//! The settings of the daemon and the places of its files.
//!
//! A setting is declared once, in the table of `settings.rs`; the struct, the reader, the nearest-name hints and
//! the reference page all come from that row. Values come from `config/mantyx.toml`, which the environment
//! overrides (`MANTYX_*`), which flags override.

mod layers;
mod layout;
mod reference;
mod root;
mod settings;
mod value;
pub mod variables;

pub use layout::Layout;
pub use reference::reference;
pub use settings::{SETTINGS, Setting, Settings};
pub use value::{LogFormat, LogLevel, OnShutdown};
