//! Ports for the daemon of a fixture and for the web apps that it leases ports to. No two fixtures that are alive have
//! one in common, in whichever program and of whichever user they are: each holds the lock of a file for its ports.
//!
//! They lie below those that the system gives away by itself (ip(7), `ip_local_port_range`), so that a port stays free
//! while the daemon that had it is being started again.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

/// The first that is given.
const FIRST: u16 = 20_001;
/// The first that the system may give away by itself.
const END: u16 = 32_768;
/// How many a fixture has: one for its daemon and twenty for apps.
const SIZE: u16 = 21;
/// How many fixtures can be alive at once.
const BLOCKS: u16 = (END - FIRST) / SIZE;

/// The ports of one fixture, as long as it has this.
pub(crate) struct Ports {
    first: u16,
    // Closing it gives the ports back, also when the test is killed.
    _lock: File,
}

impl Ports {
    /// Takes some that nobody has.
    pub(crate) fn take() -> Self {
        // Beginning somewhere else each time, so that ports that were just given back rest for a while.
        static TAKEN: AtomicU16 = AtomicU16::new(0);
        let own = u16::try_from(std::process::id() % u32::from(BLOCKS)).expect("less than the blocks");
        let begin = own + TAKEN.fetch_add(1, Ordering::Relaxed) % BLOCKS;
        let folder = lock_folder();
        let blocks = (0..BLOCKS).map(|step| FIRST + (begin + step) % BLOCKS * SIZE);
        let mut free = blocks.filter_map(|first| Some(Self { first, _lock: lock(&folder, first).ok()? }));
        free.find(Self::are_free).expect("no ports are left for a daemon: all are locked or in use")
    }

    /// Where the daemon listens.
    pub(crate) fn daemon(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.first).into()
    }

    /// The first and the last of those for web apps.
    pub(crate) fn pool(&self) -> (u16, u16) {
        (self.first + 1, self.first + SIZE - 1)
    }

    /// A program that is no fixture may listen on one of them.
    fn are_free(&self) -> bool {
        (self.first..self.first + SIZE).all(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok())
    }
}

/// One for all users, of which each can lock what another has made.
fn lock_folder() -> PathBuf {
    let folder = std::env::temp_dir().join("mantyx-test-ports");
    fs::create_dir_all(&folder).expect("a folder for locks");
    // Whoever made it has opened it to all.
    let _ = fs::set_permissions(&folder, Permissions::from_mode(0o777));
    folder
}

/// Opened for reading if it is there, which everybody may; a file that is locked is refused.
fn lock(folder: &Path, first: u16) -> io::Result<File> {
    let path = folder.join(first.to_string());
    let make = |_| OpenOptions::new().write(true).create_new(true).open(&path);
    let file = File::open(&path).or_else(make)?;
    file.try_lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::{PATIENCE, insist};

    #[test]
    fn two_fixtures_have_none_in_common() {
        let (one, other) = (Ports::take(), Ports::take());
        let of = |ports: &Ports| ports.daemon().port()..=ports.pool().1;
        assert!(of(&one).all(|port| !of(&other).contains(&port)), "{:?} {:?}", of(&one), of(&other));
        assert!([one, other].iter().all(|ports| ports.daemon().port() > 20_000 && ports.pool().1 < 32_768));
    }

    #[tokio::test]
    async fn they_are_held_as_long_as_they_are_had() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path(), 1).unwrap();
        assert_eq!(lock(folder.path(), 1).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(lock(folder.path(), 2).is_ok());
        drop(held);
        // Another test may be starting a process, which has every open file until it is another program.
        insist("the lock that was given back", PATIENCE, async || lock(folder.path(), 1)).await;
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_given() {
        let ports = Ports::take();
        let somebody = TcpListener::bind((Ipv4Addr::LOCALHOST, ports.pool().1)).unwrap();
        assert!(!ports.are_free());
        drop(somebody);
    }
}
