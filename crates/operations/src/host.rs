//! How busy the machine is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mantyx_api_types::{HostView, LiveMessage};
use mantyx_core::{Error, Result};
use sysinfo::{Disks, System};

use crate::mantyx::Mantyx;

/// How often listeners are told.
const PERIOD: Duration = Duration::from_secs(5);

/// Reads the machine's meters.
#[derive(Clone)]
pub(crate) struct HostMeter {
    root: PathBuf,
    system: Arc<Mutex<System>>,
}

impl HostMeter {
    pub(crate) fn new(root: &Path) -> Result<Self> {
        let mut system =
            System::new().map_err(|error| Error::internal("read the meters of the machine", error))?;
        system.refresh_cpu_usage();
        Ok(Self { root: root.to_owned(), system: Arc::new(Mutex::new(system)) })
    }

    /// How many processors there are.
    pub(crate) fn processors(&self) -> u32 {
        u32::try_from(self.meters().cpus().len()).unwrap_or_default()
    }

    /// The machine now. How busy the processors are is a mean since the last time that somebody asked.
    pub(crate) async fn now(&self) -> HostView {
        let meter = self.clone();
        tokio::task::spawn_blocking(move || meter.read()).await.unwrap_or_default()
    }

    fn meters(&self) -> MutexGuard<'_, System> {
        self.system.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> HostView {
        let mut system = self.meters();
        system.refresh_cpu_usage();
        system.refresh_memory();
        let (disk_used, disk_total) = disk(&self.root);
        HostView {
            cpu: f64::from(system.global_cpu_usage() / 100.0).clamp(0.0, 1.0),
            cpu_count: u32::try_from(system.cpus().len()).unwrap_or_default(),
            memory_used: system.used_memory(),
            memory_total: system.total_memory(),
            disk_used,
            disk_total,
        }
    }
}

/// The disk that a folder is on: the one whose mount point is the longest prefix of its path.
fn disk(folder: &Path) -> (u64, u64) {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let Ok(disks) = Disks::new_with_refreshed_list() else { return (0, 0) };
    let on = disks.iter().filter(|disk| folder.starts_with(disk.mount_point()));
    on.max_by_key(|disk| disk.mount_point().as_os_str().len())
        .map(|disk| (disk.total_space() - disk.available_space(), disk.total_space()))
        .unwrap_or_default()
}

impl Mantyx {
    /// Tells whoever listens how busy the machine is; asleep as long as nobody does.
    pub(crate) fn spawn_host_meter(&self) {
        let (registry, meter) = (self.registry().clone(), self.inner().host.clone());
        tokio::spawn(async move {
            let mut clock = tokio::time::interval(PERIOD);
            clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                clock.tick().await;
                if registry.is_heard() {
                    registry.tell(LiveMessage::Host { host: meter.now().await });
                }
            }
        });
    }
}
