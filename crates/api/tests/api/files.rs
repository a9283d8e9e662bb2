//! What a release holds: its files, one by one and compared, and another release with one of them edited.

use mantyx_api_types::{DiffKind, FileChange, FileKind, ReleaseDetail, ReleaseDiff};
use mantyx_core::Code;
use mantyx_test_support::apps::zip;
use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};

use crate::server::{Api, problem, refusal};
use crate::story::Story;

const FILES: &str = "/api/apps/paper/releases/1/files";

/// An app whose files have names of all kinds.
async fn begin() -> Story {
    let story = Story::begin().await;
    upload(&story).await;
    story
}

async fn upload(story: &Story) {
    let archive = zip(&[
        ("main.py", "print('one')\n"),
        ("lib/deep/a b%.txt", "blank and percent"),
        ("page.html", "<script>alert(1)</script>"),
        ("grüße.txt", "grüße"),
        ("data.bin", "a\0b"),
    ]);
    let form = Form::new().part("file", Part::bytes(archive).file_name("paper.zip"));
    let answer = story.send("POST", "/api/apps/upload/archive").multipart(form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_as_text_or_as_a_download_and_never_as_a_page() {
    let story = begin().await;
    let text = "text/plain; charset=utf-8";
    let table = [
        ("main.py", text, "print('one')\n"),
        ("lib/deep/a%20b%25.txt", text, "blank and percent"),
        ("lib%2Fdeep%2Fa%20b%25.txt", text, "blank and percent"),
        ("gr%C3%BC%C3%9Fe.txt", text, "grüße"),
        ("page.html", text, "<script>alert(1)</script>"),
        ("data.bin", "application/octet-stream", "a\0b"),
    ];
    for (path, media_type, content) in table {
        let answer = story.send("GET", &format!("{FILES}/{path}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").unwrap(), media_type, "{path}");
        assert_eq!(header("x-content-type-options").unwrap(), "nosniff");
        assert_eq!(header("content-disposition").is_some(), media_type != text, "{path}");
        assert_eq!(answer.text().await.unwrap(), content, "{path}");
    }
    let head = story.send("HEAD", &format!("{FILES}/lib/deep/a%20b%25.txt")).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "17");
    let wrong = story.send("PATCH", &format!("{FILES}/lib/deep/x")).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong.headers()["allow"], "GET, HEAD, PUT, DELETE");
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_of_a_release_is_not_there() {
    let story = begin().await;
    let paths = [
        "",
        "lib",
        "lib/",
        "absent.txt",
        "a%2F..%2Fmain.py",
        "..%2F..%2Fmain.py",
        "%2Fetc%2Fpasswd",
        "a%5Cb",
        "a%00b",
        "%FF",
        "main.py/x",
    ];
    for path in paths {
        let request = story.send("GET", &format!("{FILES}/{path}"));
        assert_eq!(refusal(request).await, Code::NotFound, "{path}");
    }
    for path in
        ["releases/2", "releases/0", "releases/x", "releases/-1", "releases/4294967296", "releases/1/diff/9"]
    {
        let request = story.send("GET", &format!("/api/apps/paper/{path}"));
        assert_eq!(refusal(request).await, Code::NotFound, "{path}");
    }
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_file_becomes_a_release() {
    let story = begin().await;
    let edited = story.send("PUT", &format!("{FILES}/main.py?wait=60")).body("print('two')\n");
    story.done(edited).await;
    assert_eq!(story.read_text("/api/apps/paper/releases/2/files/main.py").await, "print('two')\n");
    assert_eq!(story.read_text(&format!("{FILES}/main.py")).await, "print('one')\n");

    let stale = story.send("PUT", &format!("{FILES}/main.py")).body("print('three')\n");
    assert_eq!(refusal(stale).await, Code::Stale);
    let active = "/api/apps/paper/releases/2/files";
    story.done(story.send("PUT", &format!("{active}/lib/new.py?wait=60")).body("x = 1\n")).await;
    let active = "/api/apps/paper/releases/3/files";
    story.done(story.send("DELETE", &format!("{active}/data.bin?wait=60"))).await;

    let release: ReleaseDetail = story.read("/api/apps/paper/releases/4").await;
    assert!(release.release.active && !release.release.installed && release.lock.is_none());
    let paths: Vec<&str> = release.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["grüße.txt", "lib/deep/a b%.txt", "lib/new.py", "main.py", "page.html"]);
    assert!(release.files.iter().all(|file| file.kind == FileKind::File));

    let diff: ReleaseDiff = story.read("/api/apps/paper/releases/1/diff/4").await;
    let changes: Vec<_> = diff.files.iter().map(|file| (file.path.as_str(), file.change)).collect();
    let expected = [
        ("data.bin", FileChange::Removed),
        ("lib/new.py", FileChange::Added),
        ("main.py", FileChange::Modified),
    ];
    assert_eq!(changes, expected);
    let lines: Vec<_> =
        diff.files[2].hunks[0].lines.iter().map(|line| (line.kind, line.text.as_str())).collect();
    assert_eq!(lines, [(DiffKind::Removed, "print('one')"), (DiffKind::Added, "print('two')")]);
    let back: ReleaseDiff = story.read("/api/apps/paper/releases/4/diff/1").await;
    assert_eq!((back.from, back.to, back.files.len()), (4, 1, 3));
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_edited_is_refused_and_nothing_changes() {
    let story = begin().await;
    let put = |path: &str, body: Vec<u8>| story.send("PUT", &format!("{FILES}/{path}")).body(body);
    let table = [
        (put("..%2Fmain.py", vec![]), Code::NotFound),
        (put("lib", b"x".to_vec()), Code::EntryDuplicate),
        (put("MAIN.py", b"x".to_vec()), Code::EntryCaseCollision),
        (put(".git/config", b"x".to_vec()), Code::EntryName),
        (put("main.py?wiat=1", b"x".to_vec()), Code::Malformed),
        (put("main.py", vec![b'x'; (4 << 20) + 1]), Code::UploadTooLarge),
        (story.send("DELETE", &format!("{FILES}/absent.py")), Code::NotFound),
        (story.send("DELETE", "/api/apps/paper/releases/2/files/main.py"), Code::Stale),
        (story.send("PUT", "/api/apps/absent/releases/1/files/main.py").body("x"), Code::NotFound),
    ];
    for (number, (request, code)) in table.into_iter().enumerate() {
        assert_eq!(refusal(request).await, code, "row {number}");
    }
    let release: ReleaseDetail = story.read("/api/apps/paper/releases/1").await;
    assert!(release.release.active && release.files.len() == 5);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_edit_the_same_release_one_is_told() {
    let story = begin().await;
    let put = |file: &str| story.send("PUT", &format!("{FILES}/{file}?wait=60")).body("x = 1\n").send();
    let (one, other) = tokio::join!(put("one.py"), put("other.py"));
    let (one, other) = (one.unwrap(), other.unwrap());
    let refused = if one.status() == StatusCode::OK { other } else { one };
    let code = problem(refused).await.code;
    assert!(matches!(code, Code::Stale | Code::OperationInProgress), "{code:?}");
    let release: ReleaseDetail = story.read("/api/apps/paper/releases/2").await;
    assert_eq!(release.files.len(), 6);
    assert_eq!(refusal(story.send("GET", "/api/apps/paper/releases/3")).await, Code::NotFound);
    story.api.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_edited_file_is_larger_than_an_upload() {
    let story = Story::of(Api::with(&[("upload-limit", "64 KiB")]).await).await;
    upload(&story).await;
    let put = |length: usize| story.send("PUT", &format!("{FILES}/data.bin?wait=60")).body(vec![0; length]);
    assert_eq!(refusal(put(65 << 10)).await, Code::UploadTooLarge);
    let endless = futures_util::stream::iter([Ok::<_, std::io::Error>(vec![0; 65 << 10])]);
    let endless = story.send("PUT", &format!("{FILES}/data.bin")).body(reqwest::Body::wrap_stream(endless));
    assert_eq!(refusal(endless).await, Code::UploadTooLarge);
    story.done(put(64 << 10)).await;
    story.api.end().await;
}
