//! Fixtures: a running Mantyx in a temporary folder, a browser, sample apps, hostile archives.
//!
//! They are made to be read in a test as a story:
//!
//! ```no_run
//! # async fn story() {
//! use mantyx_core::AppState;
//! use mantyx_test_support::{TestMantyx, apps};
//!
//! let mut mantyx = TestMantyx::start().await;
//! let app = mantyx.client().upload_script("ticker.py", apps::ticker_script(), &[]).await.unwrap().app;
//! mantyx.client().install_and_enable(&app.name).await;
//! mantyx.kill_9();
//! mantyx.start_again().await;
//! mantyx.client().wait_for_state(&app.name, AppState::Running).await;
//! # }
//! ```
//!
//! Whatever a fixture started ends with it, also when the test fails; then the log of the daemon and the console of
//! the browser are shown.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "a fixture that cannot do its work fails the test that uses it, and says why"
)]

mod aloud;
pub mod apps;
pub mod archives;
mod browser;
mod client;
mod disk;
mod groups;
mod leftovers;
mod mantyx;
mod places;
mod ports;
mod wait;

pub use browser::Browser;
pub use client::{Answer, Client, Refusal, http_client};
pub use disk::with_disks;
pub use groups::control_groups;
pub use mantyx::{Builder, TestMantyx, fault_points};
pub use places::workspace;
pub use wait::{PATIENCE, insist, wait_until};
