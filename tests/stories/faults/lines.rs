//! Output that is no text, has no lines, or comes at the very last moment.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use mantyx_api_types::LogStream;
use mantyx_core::{AppState, ExecutionStatus, Exit};
use mantyx_test_support::{PATIENCE, TestMantyx, wait_until};
use serde_json::json;

use super::scene::{Scene, private_memory};

/// 100 MB without a line break, then a line like any other.
const ENDLESS: &str = r"
import time
out = open(1, 'wb', 0, closefd=False)
for _ in range(100):
    out.write(b'y' * 1_000_000)
out.write(b'\nafter it\n')
time.sleep(600)
";

/// Every byte that there is, some of them as broken UTF-8, on both streams.
const BYTES: &str = r"
import os
os.write(1, bytes(range(256)) + b'\n' + b'\xff\xfe half \xe2\x82\n' + b'\0' * 5 + b'\n' + b'\r\n\n' + bytes(reversed(range(256))))
os.write(2, b'\x1b[31mred\x1b[0m')
";

/// Writes as much as a pipe holds, and is gone in the same moment.
const LAST_MOMENT: &str = r"
import os
os.write(2, b'last words\n')
os.write(1, b''.join(b'line %04d\n' % n for n in range(1, 6001)) + b'and half a line')
os._exit(3)
";

/// Closes what it could write to, and goes on.
const CLOSED: &str = r"
import os, time
print('closing', flush=True)
os.close(1)
os.close(2)
beat = os.environ['APP_DATA_DIR'] + '/beat'
for n in range(10_000):
    with open(beat, 'w') as file:
        file.write(str(n))
    time.sleep(0.05)
";

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_100_mb_is_cut_and_fills_neither_memory_nor_disk() {
    let builder =
        TestMantyx::builder().setting("log_segment_size", "4 MiB").setting("log_execution_size", "16 MiB");
    let scene = Scene::with(builder).await;
    let name = scene.service("endless", ENDLESS, json!({})).await;
    let execution = scene.client().app(&name).await.unwrap().execution.unwrap();
    let monitor = scene.monitor(execution);
    let mut most = 0;
    let last = wait_until("the line after it", PATIENCE, async || {
        most = most.max(private_memory(monitor));
        let lines = scene.lines(&name, "tail=3").await;
        lines.last().is_some_and(|line| line.text == "after it").then_some(lines)
    })
    .await;
    assert!(most < 8 << 20, "the monitor needed {} KiB", most >> 10);
    assert_eq!((last[0].partial, last[1].partial, last[2].partial), (true, false, false));
    assert!(last[0].text.len() > 1000 && last[0].text.bytes().all(|byte| byte == b'y'));
    let records = records(&scene.logs(&name).await, &execution.to_string());
    let size: usize = records.iter().map(|(_, text)| text.len()).sum();
    assert!((8 << 20..=16 << 20).contains(&size), "{size}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_is_kept_as_it_was_written() {
    let scene = Scene::begin().await;
    let name = scene.job("bytes", BYTES, json!({})).await;
    let run = scene.run(&name).await;
    assert_eq!(run.status, ExecutionStatus::Success);
    let records = records(&scene.logs(&name).await, &run.id.to_string());
    let of = |stream: &str| -> Vec<Vec<u8>> {
        let own = records.iter().filter(|(header, _)| header.contains(stream));
        own.map(|(_, text)| text.clone()).collect()
    };
    let up: Vec<u8> = (0..=255).collect();
    let down: Vec<u8> = (0..=255).rev().collect();
    let mut written = [up.as_slice(), b"\n\xff\xfe half \xe2\x82\n\0\0\0\0\0\n\r\n\n", &down].concat();
    // The last line has no line break of its own; the log gives it one.
    written.push(b'\n');
    let kept: Vec<u8> = of("stdout").iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
    assert_eq!(kept, written);
    assert_eq!(of("stderr"), [b"\x1b[31mred\x1b[0m"]);
    let lines = scene.lines(&name, "stream=stdout").await;
    assert!(lines.iter().any(|line| line.text.contains("\u{fffd}\u{fffd} half \u{fffd}")), "{lines:?}");
    let colours = scene.lines(&name, "stream=stderr").await;
    assert_eq!((colours[0].text.as_str(), colours[0].stream), ("\u{1b}[31mred\u{1b}[0m", LogStream::Stderr));
    assert!(scene.text(&name, None).await.contains("half"));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_in_the_last_moment_is_kept_and_silence_is_no_fault() {
    let scene = Scene::begin().await;
    let name = scene.job("last", LAST_MOMENT, json!({})).await;
    let run = scene.run(&name).await;
    assert_eq!((run.status, run.exit), (ExecutionStatus::Failed, Some(Exit::Code(3))));
    let lines = scene.lines(&name, "stream=stdout&tail=10000").await;
    let expected = (1..=6000).map(|n| format!("line {n:04}")).chain(["and half a line".to_owned()]);
    assert!(lines.iter().map(|line| line.text.clone()).eq(expected), "{} lines", lines.len());
    assert_eq!(scene.lines(&name, "stream=stderr").await[0].text, "last words");
    assert!(run.last_lines.iter().any(|line| line == "and half a line"), "{:?}", run.last_lines);

    let silent = scene.job("silent", "pass\n", json!({})).await;
    let run = scene.run(&silent).await;
    assert_eq!((run.status, run.exit, run.dropped_lines), (ExecutionStatus::Success, Some(Exit::Code(0)), 0));
    assert!(scene.lines(&silent, "").await.is_empty());
    assert_eq!(scene.text(&silent, None).await, "");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_closes_its_output_goes_on() {
    let scene = Scene::begin().await;
    let name = scene.service("closed", CLOSED, json!({})).await;
    let pid = scene.pid(&name).await;
    let beat = scene.data(&name, "beat");
    let is_alive = async || fs::read_to_string(&beat).ok()?.parse::<u32>().ok().filter(|beat| *beat > 5);
    wait_until("signs of life", PATIENCE, is_alive).await;
    let app = scene.client().app(&name).await.unwrap();
    assert_eq!((app.state, app.pid, app.restarts), (AppState::Running, Some(pid), 0));
    assert_eq!(scene.lines(&name, "").await.len(), 1);
    scene.end().await;
}

/// The records of a log that are on the disk: what stands before the text, and the text.
fn records(folder: &Path, execution: &str) -> Vec<(String, Vec<u8>)> {
    let mut records = Vec::new();
    for segment in segments(folder, execution) {
        let (bytes, name) = (text_of(&segment), segment.display());
        assert!(bytes.ends_with(b"\n"), "`{name}` ends in the middle of a line");
        for line in bytes[..bytes.len() - 1].split(|byte| *byte == b'\n') {
            let parts: Vec<&[u8]> = line.splitn(4, |byte| *byte == b' ').collect();
            let [at, stream, completeness, text] = parts[..] else {
                panic!("a torn line in `{name}`: {line:?}")
            };
            let header = String::from_utf8([at, stream, completeness].join(&b' ')).unwrap();
            assert!(header.ends_with(" F") || header.ends_with(" P"), "{header}");
            records.push((header, text.to_vec()));
        }
    }
    records
}

/// The files of a log by the names that they have as long as they are not compressed.
fn segments(folder: &Path, execution: &str) -> BTreeSet<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let own = files.filter(|file| file.file_name().unwrap().to_string_lossy().starts_with(execution));
    own.map(|file| if has_ending(&file, "gz") { file.with_extension("") } else { file })
        .filter(|file| has_ending(file, "log"))
        .collect()
}

fn has_ending(file: &Path, ending: &str) -> bool {
    file.extension().is_some_and(|own| own == ending)
}

/// The text of a segment. Its monitor may compress it at any moment, and there is the one before the other goes.
fn text_of(segment: &Path) -> Vec<u8> {
    match fs::read(segment) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let unpacked = Command::new("gzip").arg("-dc").arg(segment.with_extension("log.gz")).output();
            unpacked.unwrap().stdout
        }
        read => read.unwrap(),
    }
}
