//! Compressing old segments beside the writing, in a thread that anybody else goes before.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

use crate::segment::Segment;

/// The niceness of one who can wait (sched(7)). On Linux it is that of the thread alone.
const LAST: i32 = 19;
/// As much as compressing needs, and plenty to spare: what is not touched costs nothing.
const STACK: usize = 1024 * 1024;

/// At most one thread.
#[derive(Default)]
pub(crate) struct Compressor {
    running: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Compressor {
    /// Whether it was started and its end was not noticed yet.
    pub(crate) fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Notices that it is done.
    pub(crate) fn look(&mut self) {
        self.running.take_if(|(_, thread)| thread.is_finished());
    }

    /// Compresses these one after the other, unless it is busy. One that cannot be, on a full disk for example, stays
    /// as it is.
    pub(crate) fn start(&mut self, segments: Vec<Segment>) {
        let wanted = Arc::new(AtomicBool::new(true));
        let go_on = Arc::clone(&wanted);
        let thread = begin(segments, move || go_on.load(Relaxed));
        self.running = thread.ok().map(|thread| (wanted, thread));
    }

    /// Lets it end soon. What is half done is taken back.
    pub(crate) fn stop(&mut self) {
        if let Some((wanted, _)) = &self.running {
            wanted.store(false, Relaxed);
        }
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Compresses segments that nobody writes to any more, one after the other, in a thread that anybody else goes
/// before. One that cannot be compressed stays as it is.
pub fn compress_all(segments: Vec<Segment>) -> io::Result<JoinHandle<()>> {
    begin(segments, || true)
}

fn begin(segments: Vec<Segment>, go_on: impl Fn() -> bool + Send + 'static) -> io::Result<JoinHandle<()>> {
    let work = move || {
        // A thread that could not step back still does its work.
        let _ = rustix::process::setpriority_process(None, LAST);
        for segment in segments.into_iter().take_while(|_| go_on()) {
            let _ = segment.compress(&go_on);
        }
    };
    thread::Builder::new().name("compress".into()).stack_size(STACK).spawn(work)
}
