//! A log that cannot be written, one that hangs, and what is said of it.

use super::*;
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::time::Instant;

/// Far longer than anything takes, also on a machine that is busy with something else.
const LONG: Duration = Duration::from_secs(120);

/// A process's ends of the pipes, and the output that reads the others.
struct World {
    root: tempfile::TempDir,
    stdout: Option<File>,
    output: Output,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut output = Output::to(&root.path().join("run.log"), Rotation::default());
        let (silent, _) = std::io::pipe().unwrap();
        output.connect(read, silent.into());
        Self { root, stdout: Some(File::from(write)), output }
    }

    fn say(&mut self, text: &str) {
        self.stdout.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// One turn of the loop.
    fn turn(&mut self) {
        let ready: Vec<Source> = {
            let sources: Vec<_> = self.output.open().collect();
            let mut polled: Vec<_> =
                sources.iter().map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
            let soon = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
            poll(&mut polled, Some(&soon)).unwrap();
            let awake: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
            sources.iter().zip(awake).filter(|(_, awake)| *awake).map(|((source, _), _)| *source).collect()
        };
        for source in ready {
            self.output.act(source);
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.root.path().join("run.log")).unwrap()
    }
}

#[test]
fn what_is_written_at_the_very_end_is_in_the_log() {
    let mut world = World::new();
    world.say("one\ntwo");
    world.stdout = None;
    assert_eq!(world.output.finish(), 0);
    let log = world.log();
    assert!(log.contains("stdout F one\n") && log.ends_with("stdout F two\n"), "{log}");
}

/// A question, and the bar of a download: nobody would see them if they waited for their end, and they would be gone
/// with the monitor.
#[test]
fn a_line_that_stays_open_is_written_while_it_is_open() {
    let mut world = World::new();
    let begun = Instant::now();
    let log = world.root.path().join("run.log");
    let comes = |world: &mut World, what: &str| {
        while !std::fs::read_to_string(&log).is_ok_and(|log| log.ends_with(what)) {
            world.turn();
            assert!(begun.elapsed() < LONG, "{:?}", std::fs::read_to_string(&log));
        }
    };
    world.say("first\nPassword: ");
    comes(&mut world, "stdout P Password: \n");
    world.say("secret\n");
    comes(&mut world, "stdout F secret\n");
    world.stdout = None;
    assert_eq!(world.output.finish(), 0);
}

#[test]
fn silence_costs_no_thread_and_no_file() {
    let mut world = World::new();
    world.turn();
    world.stdout = None;
    world.turn();
    assert!(world.output.pump.is_none());
    assert_eq!(world.output.finish(), 0);
    assert_eq!(std::fs::read_dir(world.root.path()).unwrap().count(), 0);
}

/// A log that hangs is a pipe that nobody reads: opening it waits, as a disk that hangs does.
#[test]
fn a_disk_that_hangs_holds_up_nobody_and_what_is_lost_is_said() {
    let mut world = World::new();
    let log = world.root.path().join("run.log");
    rustix::fs::mkfifoat(rustix::fs::CWD, &log, rustix::fs::Mode::RWXU).unwrap();
    // Somebody has it open for reading and writing, so that opening it succeeds and only writing hangs.
    let mut disk = File::options().read(true).write(true).open(&log).unwrap();
    let block = "x".repeat(999) + "\n";
    let begun = Instant::now();
    let mut said = 0_u64;
    // More than both pipes hold: a process whose pipe nobody drains would hang here for ever.
    while said < 1000 {
        world.turn();
        let room = rustix::io::ioctl_fionread(world.output.pipes.get(Stream::Stdout).unwrap()).unwrap();
        if room < 32 * 1024 {
            world.say(&block);
            said += 1;
        }
        assert!(begun.elapsed() < LONG, "the pipe is not drained");
    }
    assert!(begun.elapsed() >= PATIENCE, "it waits for a disk that is slow");
    while world.output.dropped_lines() < 500 {
        world.turn();
        assert!(begun.elapsed() < LONG, "the pipe is not drained");
    }
    // The disk is back: what was lost is said, and what comes is written.
    let reader = std::thread::spawn(move || {
        let (mut text, mut chunk) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&text).contains("stdout F back\n") {
            let read = disk.read(&mut chunk).unwrap();
            text.extend_from_slice(&chunk[..read]);
        }
        String::from_utf8(text).unwrap()
    });
    while world.output.pump.as_ref().unwrap().shared.gate().reader == Reader::Loop {
        world.turn();
        assert!(begun.elapsed() < LONG, "the pump does not come back");
    }
    world.say("\nback\n");
    world.stdout = None;
    let dropped = world.output.finish();
    let text = reader.join().unwrap();
    let notes = text.lines().filter_map(|line| line.split_once("stderr F [mantyx] "));
    let said: u64 = notes.map(|(_, note)| note.split(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(said, dropped);
    assert!(dropped > 500 && dropped < 1500, "{dropped}");
}

/// Without room for a thread, what is left at the end is counted all the same.
#[test]
fn all_that_nobody_could_write_is_counted() {
    let mut world = World::new();
    world.say(&"x\n".repeat(30_000));
    world.output.throw_rest_away(Stream::Stdout);
    assert_eq!(world.output.dropped_lines(), 30_000);
}

#[test]
fn what_the_disk_still_holds_up_at_the_end_is_counted() {
    let mut world = World::new();
    let log = world.root.path().join("run.log");
    rustix::fs::mkfifoat(rustix::fs::CWD, &log, rustix::fs::Mode::RWXU).unwrap();
    let mut disk = File::options().read(true).write(true).open(&log).unwrap();
    // It hangs from the first write on.
    rustix::io::ioctl_fionbio(&disk, true).unwrap();
    while disk.write(&[b'\n'; 4096]).is_ok() {}
    world.say("one\ntw");
    let begun = Instant::now();
    let is_writing = |world: &World| {
        let pump = world.output.pump.as_ref();
        pump.is_some_and(|pump| matches!(pump.shared.gate().work, Work::Writing(_)))
    };
    while !is_writing(&world) {
        world.turn();
        assert!(begun.elapsed() < LONG, "nothing is written");
    }
    world.say("o\nthree\nfour");
    world.stdout = None;
    assert_eq!(world.output.finish(), 4);
}
