//! What is the same for every app: where things lie, how the daemon is reached, what of its environment is passed on.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use mantyx_core::{Error, Result};
use mantyx_platform::environment;
use mantyx_settings::{Layout, Settings};
use mantyx_supervisor::Reach;

/// What is the same for every app.
#[derive(Clone, Debug)]
pub(crate) struct House {
    pub(crate) layout: Layout,
    pub(crate) settings: Settings,
    /// The address of the daemon.
    pub(crate) url: String,
    /// From where the daemon is reached.
    pub(crate) reach: Reach,
    /// What of the daemon's environment is passed on.
    pub(crate) passed_on: BTreeMap<String, String>,
}

impl House {
    pub(crate) fn new(settings: &Settings) -> Self {
        let url = settings.public_url.clone().unwrap_or_else(|| format!("http://{}", settings.bind));
        let reach = reach(settings.bind.ip());
        Self { layout: settings.layout(), settings: settings.clone(), url, reach, passed_on: passed_on() }
    }
}

/// A word for a root that no other root of this machine has, however it is called: its place on the disk.
pub(crate) fn mark(root: &Path) -> Result<String> {
    let found = std::fs::metadata(root);
    let found = found.map_err(|error| Error::io(format!("look at the root `{}`", root.display()), error))?;
    Ok(format!("{:x}-{:x}", found.dev(), found.ino()))
}

/// A daemon behind a proxy of this machine listens on loopback; then its apps are reached from here as well.
fn reach(address: IpAddr) -> Reach {
    if address.is_loopback() { Reach::Machine } else { Reach::Network }
}

fn passed_on() -> BTreeMap<String, String> {
    let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
    environment::passed_on().into_iter().map(|(name, value)| (text(name), text(value))).collect()
}
