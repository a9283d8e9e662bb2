//! An app's own files: read, written and removed, and nothing beyond them.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use mantyx_api_types::{DataEntry, DataKind, EventView, Page};
use mantyx_core::{Code, EventKind, Scope};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::json;

use crate::server::{Api, refusal};
use crate::story::{Story, saying};

const DATA: &str = "/api/apps/paper/data";

/// An app that never ran.
async fn begin() -> Story {
    let story = Story::begin().await;
    story.upload("paper", &saying("hello")).await;
    story
}

fn at(story: &Story, path: &str) -> PathBuf {
    story.api.root().join("apps/paper/data").join(path)
}

fn put(story: &Story, path: &str, content: &str) -> RequestBuilder {
    story.send("PUT", &format!("{DATA}/{path}")).body(content.to_owned())
}

async fn written(story: &Story, path: &str, content: &str) -> DataEntry {
    let answer = put(story, path, content).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

async fn removed(story: &Story, path: &str) {
    let answer = story.send("DELETE", &format!("{DATA}/{path}")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{path}");
}

async fn list(story: &Story, path: &str) -> Page<DataEntry> {
    story.read(&format!("{DATA}{path}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_written_read_and_removed_and_the_record_says_so() {
    let story = begin().await;
    assert_eq!(list(&story, "").await.items, []);
    assert_eq!(refusal(story.send("GET", &format!("{DATA}/none"))).await, Code::NotFound);
    let entry = written(&story, "notes/first%20one.txt", "hello").await;
    assert_eq!((entry.name.as_str(), entry.bytes, entry.kind), ("first one.txt", 5, DataKind::File));
    let top = list(&story, "").await.items;
    assert_eq!((top.len(), top[0].name.as_str(), top[0].kind), (1, "notes", DataKind::Folder));
    assert_eq!(list(&story, "/notes").await.items, [entry]);
    assert_eq!(story.read_text(&format!("{DATA}/notes/first%20one.txt")).await, "hello");
    let owner = fs::metadata(at(&story, "")).unwrap().uid();
    assert_eq!(fs::metadata(at(&story, "notes/first one.txt")).unwrap().uid(), owner);
    let full = story.send("DELETE", &format!("{DATA}/notes"));
    assert_eq!(refusal(full).await, Code::IllegalState);
    removed(&story, "notes?recursive=true").await;
    assert!(!at(&story, "notes").exists());
    let events: Page<EventView> = story.read("/api/events?order=newest&limit=2").await;
    let told = |event: &EventView| (event.kind, event.subject.name.clone(), event.payload["path"].clone());
    assert_eq!(told(&events.items[0]), (EventKind::FileRemoved, "paper".into(), json!("notes")));
    assert_eq!(
        told(&events.items[1]),
        (EventKind::FileWritten, "paper".into(), json!("notes/first one.txt"))
    );
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_has_changed_meanwhile_is_refused() {
    let story = begin().await;
    written(&story, "state.json", "{}").await;
    let read = story.send("GET", &format!("{DATA}/state.json")).send().await.unwrap();
    let (tag, media_type) = (read.headers()["etag"].clone(), read.headers()["content-type"].clone());
    assert_eq!(media_type, "text/plain; charset=utf-8");
    // The app writes it.
    fs::write(at(&story, "state.json"), "{\"n\": 1}").unwrap();
    assert_eq!(refusal(put(&story, "state.json", "mine").header("if-match", tag.clone())).await, Code::Stale);
    let gone = story.send("DELETE", &format!("{DATA}/state.json")).header("if-match", tag.clone());
    assert_eq!(refusal(gone).await, Code::Stale);
    assert_eq!(refusal(put(&story, "new", "mine").header("if-match", tag)).await, Code::Stale);
    assert_eq!(story.read_text(&format!("{DATA}/state.json")).await, "{\"n\": 1}");
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_there_or_not_to_be_there_is_looked_at_first() {
    let story = begin().await;
    let asking = |path: &str, header: &'static str, value: &'static str| {
        put(&story, path, "mine").header(header, value)
    };
    // Nothing is made for what is refused, not even the folder of all of them.
    fs::remove_dir(at(&story, "")).unwrap();
    for value in ["*", "\"stale\""] {
        assert_eq!(refusal(asking("a/b/c/x", "if-match", value)).await, Code::Stale, "{value}");
    }
    assert!(!at(&story, "").exists());
    let made = asking("a/x", "if-none-match", "*").send().await.unwrap();
    assert_eq!(made.status(), StatusCode::OK);
    assert_eq!(refusal(asking("a/x", "if-none-match", "*")).await, Code::Stale);
    for value in ["*", "\"stale\""] {
        assert_eq!(refusal(asking("a/b/c/x", "if-match", value)).await, Code::Stale, "{value}");
    }
    assert!(!at(&story, "a/b").exists());
    assert_eq!(asking("a/x", "if-match", "*").send().await.unwrap().status(), StatusCode::OK);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leads_out_of_the_folder_and_nothing_special_is_opened() {
    let story = begin().await;
    written(&story, "real", "x").await;
    let secret = story.api.root().join("config/key");
    fs::write(&secret, "secret").unwrap();
    symlink(&secret, at(&story, "link")).unwrap();
    symlink(story.api.root(), at(&story, "out")).unwrap();
    assert!(Command::new("mkfifo").arg(at(&story, "pipe")).status().unwrap().success());
    let odd = at(&story, "").join(std::ffi::OsStr::from_bytes(b"\xff\\odd"));
    fs::write(&odd, "").unwrap();
    for path in
        ["link", "out/config/key", "out", "pipe", "..%2fmetadata.json", "a/..%2f..%2fx", "%ff", "real/x"]
    {
        let read = story.send("GET", &format!("{DATA}/{path}"));
        assert_eq!(refusal(read).await, Code::NotFound, "GET {path}");
        let write = refusal(put(&story, path, "evil")).await;
        assert!(matches!(write, Code::IllegalState | Code::NotFound), "PUT {path}: {write:?}");
    }
    let below = story.send("DELETE", &format!("{DATA}/out/config/key?recursive=true"));
    assert_eq!(refusal(below).await, Code::NotFound);
    let shown = list(&story, "").await.items;
    let kind = |name: &str| shown.iter().find(|entry| entry.name == name).map(|entry| entry.kind);
    assert_eq!([kind("link"), kind("pipe")], [Some(DataKind::Link), Some(DataKind::Special)]);
    let odd = shown.iter().find(|entry| entry.name.ends_with("odd")).unwrap();
    assert_eq!((odd.name.as_str(), &odd.path), ("\u{fffd}\\odd", &None));
    for path in ["link", "out?recursive=true", "pipe"] {
        removed(&story, path).await;
    }
    assert_eq!(fs::read_to_string(secret).unwrap(), "secret");
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_file_is_read_in_parts_and_a_folder_in_pages() {
    let story = begin().await;
    written(&story, "many/a", "").await;
    for name in ["b", "c"] {
        fs::write(at(&story, "many").join(name), "").unwrap();
    }
    let first = list(&story, "/many?limit=2").await;
    let rest = list(&story, &format!("/many?limit=2&cursor={}", first.next_cursor.unwrap())).await;
    let names: Vec<_> = first.items.iter().chain(&rest.items).map(|entry| entry.name.as_str()).collect();
    assert_eq!((names, rest.next_cursor), (vec!["a", "b", "c"], None));
    for query in ["limit=0", "cursor=x", "colour=red"] {
        assert_eq!(
            refusal(story.send("GET", &format!("{DATA}/many?{query}"))).await,
            Code::Malformed,
            "{query}"
        );
    }
    // All holes but for the end: nobody has it in memory.
    let file = fs::OpenOptions::new().append(true).open(at(&story, "many/b")).unwrap();
    file.set_len(20 << 30).unwrap();
    std::io::Write::write_all(&mut &file, b"the end").unwrap();
    let path = format!("{DATA}/many/b");
    let head = story.send("HEAD", &path).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], ((20_u64 << 30) + 7).to_string());
    assert_eq!(head.headers()["content-disposition"], "attachment; filename=\"b\"");
    let part = story.send("GET", &path).header("range", "bytes=-7").send().await.unwrap();
    assert_eq!(
        (part.status(), part.text().await.unwrap().as_str()),
        (StatusCode::PARTIAL_CONTENT, "the end")
    );
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_fetches_once_and_too_much_is_not_taken() {
    let story = Story::of(Api::with(&[("upload-limit", "64 KiB")]).await).await;
    story.upload("paper", &saying("hello")).await;
    assert_eq!(refusal(put(&story, "big", &"x".repeat(65 << 10))).await, Code::UploadTooLarge);
    written(&story, "small", "fits").await;
    assert_eq!(
        fs::read_dir(story.api.mantyx.uploads()).unwrap().count(),
        0,
        "nothing stays of what was received"
    );
    let ticket = story.send("POST", "/api/live/ticket").send().await.unwrap();
    let ticket: serde_json::Value = ticket.json().await.unwrap();
    let address = format!("{DATA}/small?ticket={}", ticket["ticket"].as_str().unwrap());
    let fetched = story.api.request("GET", &address).send().await.unwrap();
    assert_eq!(fetched.text().await.unwrap(), "fits");
    assert_eq!(refusal(story.api.request("GET", &address)).await, Code::Unauthenticated);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_an_app_that_was_given_more_are_for_administrators() {
    let story = begin().await;
    let operator = story.api.token(Scope::Operate).await;
    let write = || story.api.request("PUT", &format!("{DATA}/x")).bearer_auth(&operator).body("x");
    assert_eq!(write().send().await.unwrap().status(), StatusCode::OK);
    let more = json!({ "configuration": { "user": "root" } });
    assert_eq!(
        story.send("PATCH", "/api/apps/paper").json(&more).send().await.unwrap().status(),
        StatusCode::OK
    );
    assert_eq!(refusal(write()).await, Code::Forbidden);
    let remove = story.api.request("DELETE", &format!("{DATA}/x")).bearer_auth(&operator);
    assert_eq!(refusal(remove).await, Code::Forbidden);
    written(&story, "x", "by an administrator").await;
    story.api.end().await;
}
