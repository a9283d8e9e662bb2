//! More output than a disk has room for: logs rotate, are compressed and capped, and nothing that is kept has a gap.

use std::fs;
use std::path::Path;

use mantyx_core::AppName;
use mantyx_test_support::{PATIENCE, TestMantyx, wait_until};
use reqwest::{Method, Response};
use serde_json::json;

use super::scene::{Scene, private_memory};

const MIB: u64 = 1 << 20;
/// 200 MB, 200 bytes each.
const LINES: u64 = 1_000_000;
/// Enough for two or three more segments.
const MORE: u64 = 12_000;
/// In one of the oldest segments that are kept, which are the first to be compressed.
const NEEDLE: u64 = 975_000;

/// Floods its log, waits, and goes on when it is told.
const FLOOD: &str = r"
import os, sys, time
out = open(1, 'wb', 1 << 16, closefd=False)
def flood(first, count, fill=b'x' * 185):
    for n in range(first, first + count):
        out.write(b'line %08d %s\n' % (n, fill if n != 975_000 else b'needle in a haystack'))
    out.flush()
flood(1, 1_000_000)
print('burst over', flush=True)
while not os.path.exists(os.environ['APP_DATA_DIR'] + '/more'):
    time.sleep(0.05)
flood(1_000_001, 12_000)
print('really over', flush=True)
time.sleep(600)
";

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_200_mb_is_rotated_compressed_and_capped_without_a_gap() {
    let builder =
        TestMantyx::builder().setting("log_segment_size", "1 MiB").setting("log_execution_size", "8 MiB");
    let scene = Scene::with(builder).await;
    let name = scene.service("flood", FLOOD, json!({})).await;
    let execution = scene.client().app(&name).await.unwrap().execution.unwrap();
    let (monitor, daemon) = (scene.monitor(execution), scene.mantyx.pid());
    let daemon_before = private_memory(daemon);
    let mut most = 0;
    wait_until("the end of the burst", PATIENCE, async || {
        most = most.max(private_memory(monitor));
        let last = scene.lines(&name, "tail=1").await;
        last.last().is_some_and(|line| line.text == "burst over").then_some(())
    })
    .await;
    assert!(most < 8 * MIB, "the monitor needed {} KiB", most >> 10);
    let logs = scene.logs(&name).await;
    let size = usage(&logs, &execution.to_string());
    assert!(size <= 8 * MIB, "{} KiB on the disk", size >> 10);

    assert_only_the_oldest_are_gone(&scene, &name).await;
    assert_needle(&scene, &name).await;
    wait_until("the needle to be compressed", PATIENCE, async || is_compressed(&logs).then_some(())).await;
    assert_needle(&scene, &name).await;
    assert_follows_over_segments(&scene, &name).await;
    let growth = private_memory(daemon).saturating_sub(daemon_before);
    assert!(growth < 48 * MIB, "the daemon grew by {} KiB", growth >> 10);
    let last = private_memory(monitor);
    assert!(last < 8 * MIB, "the monitor needs {} KiB", last >> 10);
    scene.end().await;
}

async fn assert_only_the_oldest_are_gone(scene: &Scene, name: &AppName) {
    let text = scene.text(name, None).await;
    let first = text.lines().next().unwrap();
    assert!(first.contains("[mantyx] ") && first.ends_with("removed to keep within the limits"), "{first}");
    let kept = numbers(&text);
    let expected: Vec<u64> = (LINES + 1 - kept.len() as u64..=LINES).collect();
    // 4 MiB at least, compressed or not.
    assert!(
        kept.len() > 17_500 && kept == expected,
        "from {:?} to {:?}, {}",
        kept.first(),
        kept.last(),
        kept.len()
    );
}

async fn assert_needle(scene: &Scene, name: &AppName) {
    for query in ["grep=needle%20in", "grep=n.{2}dle%20in&regex=true", "grep=NEEDLE&ignore_case=true"] {
        let found = scene.lines(name, query).await;
        assert_eq!(found.len(), 1, "{query}");
        assert_eq!(found[0].text, format!("line {NEEDLE:08} needle in a haystack"));
    }
}

/// A reader that follows sees each line once, however many segments are begun meanwhile.
async fn assert_follows_over_segments(scene: &Scene, name: &AppName) {
    let path = format!("/api/apps/{name}/logs?follow=true&tail=1");
    let request = scene.client().request(Method::GET, &path).header("Accept", "text/event-stream");
    let mut stream = request.send().await.unwrap();
    let mut text = String::new();
    read_until(&mut stream, &mut text, "burst over").await;
    scene.tell(name, "more", "");
    read_until(&mut stream, &mut text, "really over").await;
    let expected: Vec<u64> = (LINES + 1..=LINES + MORE).collect();
    let seen = numbers(&text);
    assert!(seen == expected, "{} lines, from {:?} to {:?}", seen.len(), seen.first(), seen.last());
}

async fn read_until(stream: &mut Response, text: &mut String, what: &str) {
    loop {
        let chunk = tokio::time::timeout(PATIENCE, stream.chunk()).await.expect(what);
        let from = text.len().saturating_sub(what.len());
        text.push_str(&String::from_utf8_lossy(&chunk.unwrap().expect("the stream ended")));
        let from = (0..=from).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        if text[from..].contains(what) {
            return;
        }
    }
}

fn numbers(text: &str) -> Vec<u64> {
    text.lines().filter_map(|line| line.split("line ").nth(1)?.get(..8)?.parse().ok()).collect()
}

/// The bytes that a log takes.
fn usage(folder: &Path, execution: &str) -> u64 {
    let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let own = files.filter(|file| file.file_name().to_string_lossy().starts_with(execution));
    own.map(|file| file.metadata().map_or(0, |file| file.len())).sum()
}

/// Whether the needle is in no file any more that can be read as it is.
fn is_compressed(folder: &Path) -> bool {
    let needle = format!("line {NEEDLE:08}");
    let texts = fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap_or_default());
    texts.into_iter().all(|text| !text.windows(needle.len()).any(|window| window == needle.as_bytes()))
}
