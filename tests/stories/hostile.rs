//! Every hostile archive is refused with its own code and entry, and nothing is left behind.

use std::path::Path;

use mantyx_api_types::{AppView, Page};
use mantyx_core::Code;
use mantyx_test_support::{TestMantyx, apps, archives};

/// The daemon's memory may grow by this much over the whole corpus, which unpacks to gigabytes.
const FLAT: u64 = 64 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_corpus_is_refused_and_leaves_nothing() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    // The first upload makes the daemon load what every upload needs.
    client.upload_script("first.py", apps::hello_script(), &[("name", "first")]).await.unwrap();
    let before = resident(mantyx.pid());
    for archive in archives::corpus() {
        let refused = client.upload_archive(archive.file_name, archive.bytes, &[]).await.unwrap_err();
        let problem = refused.problem.unwrap_or_else(|| panic!("{}: {}", archive.name, refused.body));
        assert_eq!(problem.code, archive.code, "{}: {}", archive.name, problem.detail);
        assert_eq!(problem.status, mantyx_api_types::Problem::status_of(archive.code), "{}", archive.name);
        if archive.entry.is_some() {
            assert_eq!(problem.entry.as_deref(), archive.entry, "{}: {}", archive.name, problem.detail);
        }
    }
    let grown = resident(mantyx.pid()).saturating_sub(before);
    assert!(grown < FLAT, "the daemon's memory grew by {} MiB", grown >> 20);
    assert_clean(mantyx.root(), &["first"]);
    let page: Page<AppView> = client.get("/api/apps").await.unwrap();
    assert_eq!(page.items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_beyond_the_limit_is_refused_while_it_arrives() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let before = resident(mantyx.pid());
    let refused = client.upload_archive("huge.zip", vec![7; 101 << 20], &[]).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::UploadTooLarge), "{refused}");
    assert_eq!(refused.status, 413);
    let grown = resident(mantyx.pid()).saturating_sub(before);
    assert!(grown < FLAT, "the daemon's memory grew by {} MiB", grown >> 20);
    assert_clean(mantyx.root(), &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_and_git_addresses_that_are_none_are_refused() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let binary = client.upload_script("x.py", "a\0b", &[]).await.unwrap_err();
    assert_eq!(binary.code(), Some(Code::NotAScript));
    for url in ["http://example.com/x.git", "https://user:s3cr3t@example.com/x.git", "--upload-pack=evil", ""]
    {
        let refused = client.import_git(serde_json::json!({ "url": url })).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::GitAddress), "{url}: {refused}");
        assert!(!refused.body.contains("s3cr3t"), "{}", refused.body);
    }
    let gone = client.import_git(serde_json::json!({ "url": "file:///nowhere/at/all" })).await.unwrap_err();
    assert_eq!(gone.code(), Some(Code::GitRemote), "{gone}");
    assert_clean(mantyx.root(), &[]);
}

fn assert_clean(root: &Path, apps: &[&str]) {
    let names = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names("cache/uploads"), Vec::<String>::new());
    assert_eq!(names("apps"), apps);
}

/// Resident memory in bytes (proc(5), VmRSS).
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes << 10
}
