//! What lies around apps: their own files, secrets, the repository that one follows, all of Mantyx in one archive, and the
//! record of what happened.

use std::fs;

use mantyx_api_types::ExportView;
use mantyx_test_support::apps::GitRepository;
use mantyx_test_support::{Browser, PATIENCE, TestMantyx, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

use super::{its_file, look_at, saying, visit, wait_for_attribute, wait_for_number, within};
use crate::{log_in, sticks_out};

/// A browser that shows a screen.
async fn at(mantyx: &TestMantyx, screen: &str) -> Browser {
    let browser = Browser::start().await;
    log_in(&browser, mantyx).await;
    visit(&browser, mantyx, screen).await;
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn own_files_are_looked_at_changed_and_removed() {
    let mantyx = TestMantyx::start().await;
    let name =
        mantyx.client().upload_script("app.py", &saying("one"), &[("name", "shop")]).await.unwrap().app.name;
    let orders = its_file(&mantyx, &name, "notes/orders.txt");
    fs::create_dir_all(orders.parent().unwrap()).unwrap();
    fs::write(&orders, "one order\n").unwrap();
    std::os::unix::fs::symlink("/etc", its_file(&mantyx, &name, "out")).unwrap();
    let browser = look_at(&mantyx, &name, "files").await;
    browser.wait_for_text("data-row-out", "Link, not followed").await;
    let folder = tempfile::tempdir().unwrap();
    let bytes = folder.path().join("table.bin");
    fs::write(&bytes, b"\0\xff").unwrap();
    browser.choose_file("data-upload", &bytes).await;
    browser.wait_for_text("data-row-table.bin", "2 B").await;
    browser.screenshot("files").await;

    visit(&browser, &mantyx, "/apps/shop/files?file=notes%2Forders.txt").await;
    browser.wait_for_text("file-text", "one order").await;
    browser.screenshot("files-file").await;
    browser.click("data-edit").await;
    browser.fill("data-source", "two orders\n").await;
    // The app is quicker.
    fs::write(&orders, "one order, paid\n").unwrap();
    browser.click("data-save").await;
    browser.wait_for("data-reread").await;
    browser.screenshot("files-stale").await;
    browser.click("data-reread").await;
    browser.wait_for_text("file-text", "paid").await;
    browser.click("data-edit").await;
    browser.fill("data-source", "two orders\n").await;
    browser.click("data-save").await;
    browser.wait_for_text("file-text", "two orders").await;
    assert_eq!(fs::read_to_string(&orders).unwrap(), "two orders\n");

    visit(&browser, &mantyx, "/apps/shop/files").await;
    browser.click(&within("data-row-notes", "data-remove")).await;
    browser.wait_for("data-remove-submit").await;
    browser.screenshot("files-remove").await;
    browser.click("data-remove-submit").await;
    browser.wait_until_gone("data-row-notes").await;
    assert!(!orders.exists());
    let phone = Browser::start_sized(360, 740).await;
    log_in(&phone, &mantyx).await;
    visit(&phone, &mantyx, "/apps/shop/files").await;
    phone.wait_for("data-row-table.bin").await;
    phone.screenshot("files-360").await;
    assert!(!sticks_out(&phone).await, "the files stick out of 360 px");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_set_replaced_and_removed_and_never_shown() {
    let mantyx = TestMantyx::start().await;
    let browser = at(&mantyx, "/system/secrets").await;
    browser.click("secret-add").await;
    browser.fill("secret-name", "deploy").await;
    browser.fill("secret-value", "the-token-itself").await;
    browser.fill("secret-host", "gitlab.com").await;
    browser.screenshot("secret-set").await;
    browser.click("secret-submit").await;
    browser.wait_for_text("secret-row-deploy", "gitlab.com").await;
    browser.click(&within("secret-row-deploy", "secret-replace")).await;
    browser.wait_for_text("secret-value", "").await;
    wait_for_attribute(&browser, "secret-submit", "aria-disabled", "true").await;
    browser.fill("secret-value", "another-token").await;
    browser.fill("secret-host", "github.com").await;
    browser.click("secret-submit").await;
    browser.wait_for_text("secret-row-deploy", "github.com").await;
    browser.screenshot("secrets").await;
    let shown = browser.run_script("return document.documentElement.outerHTML").await;
    let shown = shown.as_str().unwrap();
    assert!(
        !shown.contains("token-itself") && !shown.contains("another-token"),
        "nothing shows what it holds"
    );
    browser.click(&within("secret-row-deploy", "secret-remove")).await;
    browser.click("secret-remove-submit").await;
    browser.wait_until_gone("secret-row-deploy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_followed_and_looked_at() {
    let mantyx = TestMantyx::start().await;
    let repository = GitRepository::create(&[("main.py", &saying("one"))]);
    let source = json!({"url": repository.url(), "name": "shop"});
    let name = mantyx.client().import_git(source).await.unwrap().app.name;
    let browser = look_at(&mantyx, &name, "releases").await;
    browser.wait_for_text("tracking-checked", "Nobody has looked yet").await;
    browser.click("tracking-change").await;
    browser.click("tracking-notify").await;
    browser.fill("tracking-cron", "0 4 * * *").await;
    browser.wait_for_text("tracking-preview", "04:00").await;
    browser.screenshot("tracking-set").await;
    browser.click("tracking-submit").await;
    browser.wait_for_text("tracking-schedule", "0 4 * * *").await;
    repository.commit("Say two", &[("main.py", &saying("two"))]);
    browser.click("tracking-check").await;
    browser.wait_for_text("tracking", "Say two").await;
    browser.wait_for_text("tracking", "1 commit ahead").await;
    browser.screenshot("tracking").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_mantyx_is_taken_along_and_the_record_tells_of_it() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    client.upload_script("app.py", &saying("one"), &[("name", "shop")]).await.unwrap();
    let browser = at(&mantyx, "/system/transfer").await;
    browser.wait_for_text("import-taken", "1 app").await;
    browser.click("export-begin").await;
    wait_for_number(&browser, "export-row", 1).await;
    browser.screenshot("export").await;

    let exports: Value = client.get("/api/exports").await.unwrap();
    let export: ExportView = serde_json::from_value(exports["items"][0].clone()).unwrap();
    let fetch = client.request(Method::GET, &format!("/api/exports/{}", export.id));
    let archive = fetch.send().await.unwrap().bytes().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(&export.file_name);
    fs::write(&file, archive).unwrap();
    taken_over_by_another(&file).await;

    // More than comes at once.
    for number in 0..55 {
        let token = json!({"name": format!("token {number}"), "scope": "read"});
        let _: Value = client.post("/api/tokens", token).await.unwrap();
    }
    visit(&browser, &mantyx, "/activity").await;
    browser.wait_for_text("changes-told", "token 54").await;
    wait_for_number(&browser, "event", 50).await;
    browser.screenshot("activity").await;
    browser.click("events-older").await;
    browser.wait_for_text("changes-told", "Fetched an export of everything").await;
    browser.wait_for_text("changes-told", "Mantyx came up").await;
    let token = json!({"name": "while it is looked at", "scope": "read"});
    let _: Value = client.post("/api/tokens", token).await.unwrap();
    browser.wait_for_text("changes-told", "while it is looked at").await;
}

/// An empty Mantyx takes over what was exported.
async fn taken_over_by_another(file: &std::path::Path) {
    let mantyx = TestMantyx::start().await;
    let browser = at(&mantyx, "/system/transfer").await;
    browser.choose_file("upload-file", file).await;
    wait_for_attribute(&browser, "import-submit", "aria-disabled", "false").await;
    browser.screenshot("import").await;
    browser.click("import-submit").await;
    let shop = "shop".parse().unwrap();
    wait_until("the app to be here", PATIENCE, async || mantyx.client().app(&shop).await.ok()).await;
    browser.wait_for_text("import-taken", "1 app").await;
    browser.screenshot("import-done").await;
}
