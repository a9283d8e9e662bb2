//! A disk that is full: what cannot be written is counted, nothing is torn, and it heals by itself.
//!
//! As root it is a real small file system. Elsewhere it is a limit on the size of files, which ends a write in the
//! middle too; the test starts itself again for that, because the limit holds for a whole process.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::SystemTime;

use mantyx_logs::{LogWriter, Rotation, Span, Stream, records_in, segments};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const TEST: &str = "a_full_disk_costs_only_what_did_not_fit";
/// Set in the process that has the limit, to its folder.
const LIMITED: &str = "MANTYX_TEST_FULL_DISK";
const SIZE: usize = 1 << 20;

#[test]
fn a_full_disk_costs_only_what_did_not_fit() {
    if let Some(folder) = std::env::var_os(LIMITED) {
        return fills_up(
            Path::new(&folder),
            Rotation { segment_size: 4 << 20, ..Rotation::default() },
            || {
                let Rlimit { maximum, .. } = getrlimit(Resource::Fsize);
                setrlimit(Resource::Fsize, Rlimit { current: maximum, maximum }).unwrap();
            },
        );
    }
    let folder = tempfile::tempdir().unwrap();
    match SmallDisk::mount(folder.path()) {
        Some(disk) => {
            let filler = disk.0.join("filler");
            std::fs::write(&filler, vec![0; SIZE / 2]).unwrap();
            let rotation = Rotation { segment_size: 100_000, total_size: 1 << 20, ..Rotation::default() };
            fills_up(&disk.0, rotation, || std::fs::remove_file(&filler).unwrap());
        }
        None => with_a_limit(folder.path()),
    }
}

/// Writes until the disk is full and on, makes room, writes on, and looks at all of it.
fn fills_up(folder: &Path, rotation: Rotation, make_room: impl FnOnce()) {
    let log = folder.join("run.log");
    let mut writer = LogWriter::rotating(&log, rotation).unwrap();
    let (mut said, mut dropped, mut failed) = (0_u64, 0, 0);
    let mut say = |writer: &mut LogWriter, dropped: &mut u64| {
        // Of all lengths, so that the edge is in the middle of one.
        let padding = "x".repeat(usize::try_from(said % 997).unwrap());
        let written =
            writer.write(Stream::Stdout, SystemTime::now(), format!("{said} {padding}\n").as_bytes());
        said += 1;
        *dropped += writer.take_dropped();
        written
    };
    while failed < 100 {
        failed += u32::from(say(&mut writer, &mut dropped).is_err());
    }
    assert!(dropped > 0);
    let before = dropped;
    make_room();
    for _ in 0..300 {
        say(&mut writer, &mut dropped).unwrap();
    }
    assert_eq!(dropped, before, "there is room again");
    let numbers: Vec<u64> = segments(&log).unwrap().iter().flat_map(|one| numbers(&one.plain())).collect();
    assert!(numbers.is_sorted(), "nothing is twice or out of order");
    assert_eq!(numbers.len() as u64 + dropped, said);
    assert_eq!(numbers.last(), Some(&(said - 1)));
}

/// The numbers of the lines, each of which must be whole.
fn numbers(path: &Path) -> Vec<u64> {
    let bytes = std::fs::read(path).unwrap();
    let file = Arc::new(File::open(path).unwrap());
    let whole = Span::whole(&file).unwrap();
    assert_eq!(whole.end, bytes.len() as u64, "the last line is torn");
    let records: Vec<_> = records_in(file, whole, None).map(Result::unwrap).collect();
    assert_eq!(records.len(), bytes.split(|byte| *byte == b'\n').count() - 1, "a line is torn");
    let number = |text: Vec<u8>| {
        let text = String::from_utf8(text).unwrap();
        let (number, padding) = text.split_once(' ').unwrap();
        let number: u64 = number.parse().unwrap();
        assert_eq!(padding.len() as u64, number % 997);
        number
    };
    records.into_iter().map(|record| number(record.text)).collect()
}

/// The remark about removed lines needs room that only their removal makes.
#[test]
fn a_full_disk_hides_nothing_when_old_lines_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path()) else { return };
    let log = disk.0.join("run.log");
    let rotation = Rotation { segment_size: 100_000, total_size: 1 << 26, ..Rotation::default() };
    let mut writer = LogWriter::rotating(&log, rotation).unwrap();
    for n in 0..5000_u64 {
        let line = format!("{n} {}\n", "x".repeat(usize::try_from(n % 997).unwrap()));
        let _ = writer.write(Stream::Stdout, SystemTime::now(), line.as_bytes());
    }
    let before = segments(&log).unwrap();
    mantyx_logs::remove_oldest(&log, 0, 0).unwrap();
    mantyx_logs::remove_oldest(&log, 1, 2).unwrap();
    let after = segments(&log).unwrap();
    assert!(after[0].is_remark() && after[1..] == before[3..], "{after:?}");
    let remark = std::fs::read_to_string(&log).unwrap();
    assert!(remark.contains("[mantyx] ") && !remark.contains("[mantyx] 0 "), "{remark}");
}

fn with_a_limit(folder: &Path) {
    let script = format!("trap '' XFSZ; ulimit -S -f {}; exec \"$0\" --exact {TEST}", SIZE / 512);
    let test = std::env::current_exe().unwrap();
    let status = Command::new("sh").args(["-c", &script]).arg(test).env(LIMITED, folder).status().unwrap();
    assert!(status.success());
}

/// A file system of its own, as long as this lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where that is not allowed.
    fn mount(folder: &Path) -> Option<Self> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={SIZE}"), "tmpfs"])
            .arg(folder)
            .output()
            .ok()?;
        mount.status.success().then(|| Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
