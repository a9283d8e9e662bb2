//! New releases: dropped as a file, taken from git, edited in place; how they are compared, and how one that does not
//! do goes back.

use std::fs;

use mantyx_api_types::ReleaseDetail;
use mantyx_core::AppState;
use mantyx_test_support::apps::{self, GitRepository};
use mantyx_test_support::{Browser, TestMantyx};
use serde_json::{Value, json};

use super::{
    BROKEN, configuration, in_folder, its_file, look_at, saying, shop, visit, wait_for_attribute,
    wait_for_number, wait_for_operation, wait_until_healthy, within,
};
use crate::{log_in, sticks_out};

/// Lets a file fall on the page, as from a folder of the desktop.
async fn drop_script(browser: &Browser, script: &str) {
    let drop = format!(
        "const data = new DataTransfer(); data.items.add(new File([{}], 'app.py'));\
         const place = document.querySelector('dialog[open] .drop');\
         place.dispatchEvent(new DragEvent('drop', {{ dataTransfer: data, bubbles: true, cancelable: true }}))",
        json!(script)
    );
    browser.run_script(&drop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_dropped_and_followed_to_its_end() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = shop(client).await;
    let browser = look_at(&mantyx, &name, "releases").await;
    browser.wait_for_text("release-row-1", "Active").await;
    assert!(browser.find("compare").await.is_none(), "one release can be compared with no other");

    let shut = its_file(&mantyx, &name, "shut");
    fs::write(&shut, "").unwrap();
    browser.click("update").await;
    wait_for_attribute(&browser, "update-submit", "aria-disabled", "true").await;
    drop_script(&browser, &saying("two")).await;
    browser.wait_for_text("upload-name", "app.py").await;
    browser.screenshot("update-file").await;
    browser.click("update-submit").await;

    wait_for_attribute(&browser, "step-watch", "data-status", "under way").await;
    for step in ["stage", "place", "build", "back_up", "stop", "activate", "start"] {
        wait_for_attribute(&browser, &format!("step-{step}"), "data-status", "done").await;
    }
    wait_for_attribute(&browser, "step-tidy", "data-status", "to do").await;
    browser.screenshot("update-under-way").await;
    fs::remove_file(&shut).unwrap();
    wait_for_operation(&browser, "Update", "Done in").await;
    browser.wait_for_text("release-row-2", "Active").await;
    browser.screenshot("update-done").await;
    let app = client.app(&name).await.unwrap();
    assert_eq!((app.release, app.state), (Some(2), AppState::Running));

    browser.click("progress-hide").await;
    browser.wait_until_gone("progress").await;
    browser.click("compare").await;
    browser.wait_for_text("diff-summary", "1 file").await;
    let diff = browser.wait_for_text("diff-file", "WORD = \"two\"").await;
    assert!(diff.text().await.unwrap().contains("WORD = \"one\""));
    browser.screenshot("diff").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_does_not_do_goes_back_by_itself() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = shop(client).await;
    let browser = look_at(&mantyx, &name, "releases").await;
    let phone = Browser::start_sized(360, 740).await;
    log_in(&phone, &mantyx).await;
    visit(&phone, &mantyx, &format!("/apps/{name}/releases")).await;
    for window in [&browser, &phone] {
        window.wait_for("release-row-1").await;
    }

    let folder = tempfile::tempdir().unwrap();
    browser.click("update").await;
    browser.choose_file("upload-file", &in_folder(&folder, BROKEN)).await;
    browser.wait_for_text("upload-name", "app.py").await;
    browser.click("update-submit").await;
    for (window, picture) in [(&browser, "update-undone"), (&phone, "update-undone-360")] {
        wait_for_operation(window, "Update", "Failed: everything is as it was before").await;
        wait_for_attribute(window, "step-watch", "data-status", "failed").await;
        for step in ["stage", "place", "build", "stop", "activate", "start"] {
            wait_for_attribute(window, &format!("step-{step}"), "data-status", "undone").await;
        }
        window.wait_for_text("progress", "did not stay alive").await;
        window.wait_for_text("progress", "the table 'orders' is missing").await;
        window.wait_for_text("release-row-1", "Active").await;
        window.screenshot(picture).await;
        assert!(!sticks_out(window).await, "{picture}");
    }
    assert!(browser.find("release-row-2").await.is_none(), "what did not do is no release");
    wait_until_healthy(client, &name).await;
    assert_eq!(client.app(&name).await.unwrap().release, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_in_git_is_seen_and_taken() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let repository = GitRepository::create(&[("main.py", &saying("one"))]);
    let name = client.import_git(json!({"url": repository.url(), "name": "shop"})).await.unwrap().app.name;
    let patch = json!({"configuration": configuration()});
    let _: Value = client.patch(&format!("/api/apps/{name}"), "\"1\"", patch).await.unwrap();
    client.install_and_enable(&name).await;
    wait_until_healthy(client, &name).await;
    repository.commit("Say two", &[("main.py", &saying("two"))]);
    repository.commit("Say three, which is a word longer than two", &[("main.py", &saying("three"))]);

    let browser = look_at(&mantyx, &name, "releases").await;
    browser.click("update").await;
    browser.click("update-check").await;
    browser.wait_for_text("update-news", "2 commits ahead").await;
    browser.screenshot("update-git").await;
    browser.click("update-submit").await;
    wait_for_operation(&browser, "Update", "Done in").await;
    browser.wait_for_text("release-row-2", "Active").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_release_is_read_edited_and_removed() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let script = saying("one");
    let archive = apps::zip(&[("shop/main.py", &script), ("shop/notes/plan.txt", "Say two.\n")]);
    let app = json!({"name": "shop", "type": "perpetual", "configuration": configuration()}).to_string();
    let name = client.upload_archive("shop.zip", archive, &[("app", &app)]).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    wait_until_healthy(client, &name).await;

    let browser = look_at(&mantyx, &name, "releases?release=1").await;
    wait_for_number(&browser, "release-file", 2).await;
    browser.screenshot("release").await;
    browser.click("release-file").await;
    browser.wait_for_text("file-text", "WORD = \"one\"").await;
    browser.screenshot("release-file").await;
    browser.click("file-edit").await;
    wait_for_attribute(&browser, "file-save", "aria-disabled", "true").await;
    browser.fill("file-source", &saying("two")).await;
    browser.screenshot("release-edit").await;
    browser.click("file-save").await;
    wait_for_operation(&browser, "Update", "Done in").await;
    browser.wait_for_text("release-row-2", "Active").await;
    let text = client.get_text(&format!("/api/apps/{name}/releases/2/files/main.py")).await.unwrap();
    assert_eq!(text, saying("two"));

    browser.click(&within("release-row-2", "changes")).await;
    browser.wait_for_text("diff-file", "WORD = \"two\"").await;
    visit(&browser, &mantyx, &format!("/apps/{name}/releases?release=1&file=main.py")).await;
    browser.wait_for_text("file", "Only the active release can be edited").await;
    assert!(browser.find("file-edit").await.is_none());

    visit(&browser, &mantyx, &format!("/apps/{name}/releases?release=2&file=notes%2Fplan.txt")).await;
    browser.click("file-remove").await;
    browser.wait_for("file-remove-submit").await;
    browser.screenshot("release-remove").await;
    browser.click("file-remove-submit").await;
    wait_for_operation(&browser, "Update", "Done in").await;
    browser.wait_for_text("release-row-3", "Active").await;
    let release: ReleaseDetail = client.get(&format!("/api/apps/{name}/releases/3")).await.unwrap();
    let files: Vec<_> = release.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["main.py"]);
}
