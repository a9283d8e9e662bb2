//! inotify(7): being woken when a file changes, with no polling.
//!
//! The kernel gives each user 128 inotify instances for all of their programs (`fs.inotify.max_user_instances`), but
//! very many watches in each. So there is one instance in the whole process, made when it is first needed, and a
//! thread that sleeps in it and wakes those whose file changed.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::sync::Notify;

/// What one follower waits for. It waits for nothing any more when it is dropped.
pub(crate) struct Watch {
    hub: Arc<Hub>,
    wake: Arc<Notify>,
    descriptors: Vec<i32>,
    /// The one of these that is a file.
    file: Option<i32>,
    /// The number of that segment.
    newest: u32,
}

impl Watch {
    /// Makes one that watches nothing yet.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { hub: Hub::shared()?, wake: Arc::default(), descriptors: Vec::new(), file: None, newest: 0 })
    }

    /// Wakes from now on when this segment is written to, and no more for the one before it. Whoever comes late with
    /// an earlier one changes nothing.
    pub(crate) fn file(&mut self, path: &Path, number: u32) -> io::Result<()> {
        if number < self.newest {
            return Ok(());
        }
        let file = self.add(path, WatchFlags::MODIFY)?;
        self.newest = number;
        // The same file has the same descriptor, and is watched without a break.
        if let Some(before) = self.file.replace(file).filter(|before| *before != file) {
            self.descriptors.retain(|descriptor| *descriptor != before);
            self.hub.remove(&[before], &self.wake);
        }
        Ok(())
    }

    /// Wakes from now on when something new appears in the folder, whatever is written to files in it.
    pub(crate) fn folder(&mut self, path: &Path) -> io::Result<()> {
        self.add(path, WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR).map(drop)
    }

    fn add(&mut self, path: &Path, what: WatchFlags) -> io::Result<i32> {
        let descriptor = self.hub.add(path, what, &self.wake)?;
        if !self.descriptors.contains(&descriptor) {
            self.descriptors.push(descriptor);
        }
        Ok(descriptor)
    }

    /// What is told when something happens, or has happened since the last time: the file itself says what is new.
    pub(crate) fn waker(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hub.remove(&self.descriptors, &self.wake);
    }
}

/// The one instance, and who is to be woken by which of its watches. One watch is shared by all who watch the same
/// file.
struct Hub {
    events: OwnedFd,
    waiting: Mutex<HashMap<i32, Vec<Arc<Notify>>>>,
}

static SHARED: Mutex<Option<Arc<Hub>>> = Mutex::new(None);

impl Hub {
    fn shared() -> io::Result<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hub) = &*shared {
            return Ok(Arc::clone(hub));
        }
        let hub = Arc::new(Self { events: inotify::init(CreateFlags::CLOEXEC)?, waiting: Mutex::default() });
        let listener = Arc::clone(&hub);
        thread::Builder::new().name("log-watch".into()).spawn(move || listener.listen())?;
        Ok(Arc::clone(shared.insert(hub)))
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<i32, Vec<Arc<Notify>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock is taken first: the listener finds everybody whose watch has an event.
    fn add(&self, path: &Path, what: WatchFlags, wake: &Arc<Notify>) -> io::Result<i32> {
        let mut waiting = self.waiting();
        let descriptor = inotify::add_watch(&self.events, path, what)?;
        let woken = waiting.entry(descriptor).or_default();
        if !woken.iter().any(|other| Arc::ptr_eq(other, wake)) {
            woken.push(Arc::clone(wake));
        }
        Ok(descriptor)
    }

    fn remove(&self, descriptors: &[i32], wake: &Arc<Notify>) {
        let mut waiting = self.waiting();
        for descriptor in descriptors {
            let Some(others) = waiting.get_mut(descriptor) else { continue };
            others.retain(|other| !Arc::ptr_eq(other, wake));
            if others.is_empty() {
                waiting.remove(descriptor);
                // It fails when the file is gone, and then the watch is gone with it.
                let _ = inotify::remove_watch(&self.events, *descriptor);
            }
        }
    }

    /// Runs until the process ends: reading fails for no other reason than a signal.
    fn listen(&self) {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut events = Reader::new(&self.events, &mut buffer);
        loop {
            match events.next() {
                Ok(event) => self.wake(event.wd(), event.events()),
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn wake(&self, descriptor: i32, what: ReadFlags) {
        let mut waiting = self.waiting();
        if what.contains(ReadFlags::QUEUE_OVERFLOW) {
            // Events were lost: everybody looks.
            waiting.values().flatten().for_each(|wake| wake.notify_one());
            return;
        }
        waiting.get(&descriptor).into_iter().flatten().for_each(|wake| wake.notify_one());
        if what.contains(ReadFlags::IGNORED) {
            // The file is gone; the kernel uses the number for no other.
            waiting.remove(&descriptor);
        }
    }
}
