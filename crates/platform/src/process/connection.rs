//! A child that blocking code talks to over its input and output.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use mantyx_core::Result;

use super::{Command, Group, score};

/// How much of what the child says about its troubles is kept, in bytes.
const KEPT: u64 = 4096;

/// The two ends of the child's pipes. Dropping it kills the child with everything that it started.
#[derive(Debug)]
pub struct Connection {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    complaints: Option<JoinHandle<String>>,
    group: Arc<Mutex<Group>>,
}

/// Ends a connection from another thread, which wakes up whoever waits for it.
#[derive(Clone, Debug)]
pub struct Breaker(Arc<Mutex<Group>>);

impl Breaker {
    /// Kills the child and everything that it started.
    pub fn trip(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }
}

impl Command {
    /// Starts it with pipes for its input and output.
    pub fn connect(self) -> Result<Connection> {
        let mut command = self.build();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| self.not_started(&error))?;
        score::do_not_spare(Some(child.id()));
        let group = Arc::new(Mutex::new(Group::of(Some(child.id()))));
        let (Some(stdin), Some(stdout), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(self.not_started(&std::io::ErrorKind::BrokenPipe.into()));
        };
        let complaints = std::thread::spawn(move || {
            let mut kept = Vec::new();
            let _ = stderr.by_ref().take(KEPT).read_to_end(&mut kept);
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
            String::from_utf8_lossy(&kept).trim().to_owned()
        });
        Ok(Connection { child, stdin, stdout, complaints: Some(complaints), group })
    }
}

impl Connection {
    /// A handle that ends it from another thread.
    pub fn breaker(&self) -> Breaker {
        Breaker(Arc::clone(&self.group))
    }

    /// Ends it, and says what the child wrote to its standard error.
    pub fn complaints(&mut self) -> String {
        self.end();
        self.complaints.take().and_then(|reader| reader.join().ok()).unwrap_or_default()
    }

    fn end(&mut self) {
        self.breaker().trip();
        let _ = self.child.wait();
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stdout.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.stdin.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stdin.flush()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn talks_both_ways() {
        let mut cat = Command::new("/bin/cat").connect().unwrap();
        cat.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        cat.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
    }

    #[test]
    fn a_breaker_wakes_the_reader() {
        let mut silent = Command::new("/bin/sh").args(["-c", "echo why >&2; exec cat"]).connect().unwrap();
        let breaker = silent.breaker();
        let tripped = std::thread::spawn(move || breaker.trip());
        assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
        tripped.join().unwrap();
    }

    #[test]
    fn complaints_are_kept() {
        let mut child = Command::new("/bin/sh").args(["-c", "echo no key >&2"]).connect().unwrap();
        assert_eq!(child.read(&mut [0; 1]).unwrap(), 0);
        assert_eq!(child.complaints(), "no key");
    }
}
