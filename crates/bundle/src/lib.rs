//! Backups, and the one archive of a whole Mantyx: written, and read back by somebody who trusts neither.
//!
//! This crate knows files and how they are packed, and nothing of apps: what a backup or an export is *about* is a
//! value of the caller's that travels with it, in an envelope that says who wrote it and in which format.
//!
//! ```text
//! release, data ─ hard links, copy ─ <id>.part ─ rename ─ backups/<app>/<id>/   backup.json, source/, data/
//!
//! folders, files ─ names ─ tar ─ gzip ─ x.part ─ rename ─ x.tar.gz              mantyx-export.json first,
//! staging ─ folders' modes ─ links last ─ limits, names, digests ─ x.tar.gz     digests.json last
//! ```
//!
//! Both appear whole or not at all, and what died in between is named so that the next boot finds it. What is read
//! may have been written by an app, or made up by anybody: trees are read as [`mantyx_platform::reading`] does, and
//! [`import`] takes nothing from an archive but what [`export`] would have put there.

pub mod backup;
mod digest;
mod envelope;
pub mod export;
pub mod import;
mod links;
mod name;
mod watch;

pub use digest::Tally;
pub use envelope::Head;
pub use watch::Watch;

/// This Mantyx, as what it writes says.
const MANTYX: &str = env!("CARGO_PKG_VERSION");
/// The first entry of an export.
const HEAD: &str = "mantyx-export.json";
/// The last one.
const DIGESTS: &str = "digests.json";
