//! The three apps of `assets/examples/`, one for each way into Mantyx.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use mantyx_api_types::core::AppType;
use serde_json::{Value, json};

use super::repository;
use crate::workspace;

/// An app to be deployed.
pub(super) struct Example {
    /// Its name.
    pub(super) name: &'static str,
    /// What it shows, for people.
    pub(super) title: &'static str,
    /// Scheduled or perpetual.
    pub(super) app_type: AppType,
    /// How it gets in.
    pub(super) source: Source,
}

/// A way into Mantyx, with the fields that are given along.
pub(super) enum Source {
    /// An upload to this address.
    Upload {
        /// `/api/apps/upload/archive` or `…/script`.
        path: &'static str,
        /// The name of the file.
        file: &'static str,
        /// Its content.
        bytes: Vec<u8>,
        /// Further fields of the form.
        fields: &'static [(&'static str, &'static str)],
    },
    /// An import, by this request.
    Git(Value),
}

/// Makes the sources ready: packs one, reads one, makes a repository of one.
pub(super) fn prepare(scratch: &Path) -> Result<[Example; 3]> {
    let repository = scratch.join("pulse.git");
    repository::create(&repository, &workspace::path("assets/examples/pulse"))?;
    Ok([
        Example {
            name: "guestbook",
            title: "a web service, from an archive",
            app_type: AppType::Perpetual,
            source: Source::Upload {
                path: "/api/apps/upload/archive",
                file: "guestbook.tar.gz",
                bytes: pack("guestbook")?,
                fields: &[("type", "perpetual"), ("web_port", "auto")],
            },
        },
        Example {
            name: "machine-report",
            title: "a scheduled script with its dependencies inside",
            app_type: AppType::Scheduled,
            source: Source::Upload {
                path: "/api/apps/upload/script",
                file: "machine-report.py",
                bytes: read("machine-report.py")?,
                fields: &[("type", "scheduled"), ("schedule", "*/15 * * * *")],
            },
        },
        Example {
            name: "pulse",
            title: "a service, from a git repository",
            app_type: AppType::Perpetual,
            source: Source::Git(json!({
                "url": format!("file://{}", repository.display()), "name": "pulse", "type": "perpetual",
            })),
        },
    ])
}

/// A folder of the examples as `tar.gz`.
fn pack(name: &str) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let folder = workspace::path("assets/examples").join(name);
    for file in workspace::files_below(&folder)? {
        archive.append_path_with_name(&file, file.strip_prefix(&folder)?)?;
    }
    Ok(archive.into_inner()?.finish()?)
}

fn read(name: &str) -> Result<Vec<u8>> {
    let path = workspace::path("assets/examples").join(name);
    fs::read(&path).with_context(|| format!("Could not read `{}`", path.display()))
}
