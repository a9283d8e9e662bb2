//! How busy the machine is.
//!
//! The disk is asked about apart from everything else: a file system can take for ever to answer, and whoever asks how
//! the processors do must not wait for that.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mantyx_api_types::{HostView, LiveMessage};
use mantyx_core::{Error, Result};
use mantyx_registry::Registry;
use sysinfo::System;

use crate::mantyx::Mantyx;

/// How often listeners are told.
const PERIOD: Duration = Duration::from_secs(5);

/// For how long what is known of the disk is good enough.
const FRESH: Duration = Duration::from_secs(3);

/// Reads the machine's meters.
#[derive(Clone)]
pub(crate) struct HostMeter {
    root: PathBuf,
    system: Arc<Mutex<System>>,
    disk: Arc<Mutex<Option<(Disk, Instant)>>>,
}

/// The disk that the root is on, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disk {
    /// What Mantyx could not write to any more.
    pub(crate) used: u64,
    pub(crate) total: u64,
}

impl HostMeter {
    pub(crate) fn new(root: &Path) -> Result<Self> {
        let mut system =
            System::new().map_err(|error| Error::internal("read the meters of the machine", error))?;
        system.refresh_cpu_usage();
        Ok(Self { root: root.to_owned(), system: Arc::new(Mutex::new(system)), disk: Arc::default() })
    }

    /// How many processors there are.
    pub(crate) fn processors(&self) -> u32 {
        u32::try_from(lock(&self.system).cpus().len()).unwrap_or_default()
    }

    /// The machine now. How busy the processors are is a mean since the last time that somebody asked.
    pub(crate) async fn now(&self) -> HostView {
        let meter = self.clone();
        tokio::task::spawn_blocking(move || meter.read()).await.unwrap_or_default()
    }

    /// The disk of the root, as it was a few seconds ago at most.
    pub(crate) async fn disk(&self) -> Disk {
        if let Some(disk) = self.known_disk() {
            return disk;
        }
        let meter = self.clone();
        tokio::task::spawn_blocking(move || meter.read_disk()).await.unwrap_or_default()
    }

    fn read(&self) -> HostView {
        let disk = self.known_disk().unwrap_or_else(|| self.read_disk());
        let mut system = lock(&self.system);
        system.refresh_cpu_usage();
        system.refresh_memory();
        HostView {
            cpu: f64::from(system.global_cpu_usage() / 100.0).clamp(0.0, 1.0),
            cpu_count: u32::try_from(system.cpus().len()).unwrap_or_default(),
            memory_used: system.used_memory(),
            memory_total: system.total_memory(),
            disk_used: disk.used,
            disk_total: disk.total,
        }
    }

    fn known_disk(&self) -> Option<Disk> {
        lock(&self.disk).filter(|(_, read_at)| read_at.elapsed() < FRESH).map(|(disk, _)| disk)
    }

    /// No lock is held while the file system thinks.
    fn read_disk(&self) -> Disk {
        let disk = Disk::of(&self.root);
        *lock(&self.disk) = Some((disk, Instant::now()));
        disk
    }
}

impl Disk {
    /// Of the one file system that a folder is on, and of no other: one that is mounted elsewhere may be dead.
    fn of(folder: &Path) -> Self {
        let Ok(found) = rustix::fs::statvfs(folder) else { return Self::default() };
        let total = found.f_blocks.saturating_mul(found.f_frsize);
        Self { used: total.saturating_sub(found.f_bavail.saturating_mul(found.f_frsize)), total }
    }

    pub(crate) fn free(self) -> u64 {
        self.total.saturating_sub(self.used)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mantyx {
    /// Tells whoever listens how busy the machine is; asleep as long as nobody does.
    pub(crate) fn spawn_host_meter(&self) {
        tokio::spawn(tell(self.registry().clone(), self.inner().host.clone(), PERIOD));
    }
}

/// Who comes is greeted with the state of the machine, and hears of it again a period later.
async fn tell(registry: Registry, meter: HostMeter, period: Duration) {
    loop {
        registry.heard().await;
        tokio::time::sleep(period).await;
        if registry.is_heard() {
            registry.tell(LiveMessage::Host { host: meter.now().await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_registry::Store;

    #[tokio::test]
    async fn the_disk_of_the_root_is_told_and_read_again_when_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let meter = HostMeter::new(folder.path()).unwrap();
        let host = meter.now().await;
        assert!(host.disk_total > 0 && host.disk_used <= host.disk_total, "{host:?}");
        assert!(host.cpu_count > 0 && host.memory_total > 0);
        let made_up = Disk { used: 1, total: 2 };
        *lock(&meter.disk) = Some((made_up, Instant::now()));
        assert_eq!(meter.disk().await, made_up);
        let old = Instant::now().checked_sub(FRESH).unwrap();
        *lock(&meter.disk) = Some((made_up, old));
        assert_eq!(meter.disk().await.total, host.disk_total);
    }

    #[test]
    fn a_folder_that_is_gone_has_no_disk() {
        assert_eq!(Disk::of(Path::new("/no/such/folder")), Disk::default());
    }

    #[test]
    fn a_file_system_that_does_not_answer_holds_no_lock_of_the_processors() {
        let folder = tempfile::tempdir().unwrap();
        let meter = HostMeter::new(folder.path()).unwrap();
        // Somebody waits for the disk.
        let _waiting = lock(&meter.disk);
        assert!(meter.processors() > 0);
    }

    #[tokio::test]
    async fn listeners_are_told_how_the_machine_is() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::new(Store::open(&folder.path().join("mantyx.db")).unwrap());
        let (meter, period) = (HostMeter::new(folder.path()).unwrap(), Duration::from_millis(1));
        let teller = tokio::spawn(tell(registry.clone(), meter.clone(), period));
        // Nothing was read before anybody listened.
        tokio::task::yield_now().await;
        assert_eq!(*lock(&meter.disk), None);
        let mut listener = registry.subscribe();
        assert!(matches!(listener.recv().await, Ok(LiveMessage::Host { .. })));
        teller.abort();
    }
}
