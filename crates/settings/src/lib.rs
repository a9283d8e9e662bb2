//! The settings of the daemon and the places of its files.
//!
//! A setting is declared once, in the table of `settings.rs`; the struct, the reader, the nearest-name hints and
//! the reference page all come from that row. Values come from `config/mantyx.toml`, which the environment
//! overrides (`MANTYX_*`), which flags override. Settings that are live can be changed while the daemon runs, through
//! [`Live`], which writes them into the file.

mod change;
mod document;
mod layers;
mod layout;
mod listing;
mod live;
mod reference;
mod root;
mod settings;
mod units;
mod value;
pub mod variables;

pub use change::{Change, Changed, Patch};
pub use layers::Source;
pub use layout::Layout;
pub use listing::Listed;
pub use live::Live;
pub use reference::reference;
pub use settings::{Effect, SETTINGS, Setting, Settings};
pub use value::{LogFormat, LogLevel, OnShutdown};
