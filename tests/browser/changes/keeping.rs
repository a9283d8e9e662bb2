//! What is kept of an app and comes back: its packages, its backups, its configuration, its name.

use std::fs;

use mantyx_core::AppName;
use mantyx_test_support::{Browser, PATIENCE, TestMantyx, wait_until};
use serde_json::{Value, json};

use super::{
    its_file, look_at, shop, visit, wait_for_attribute, wait_for_number, wait_for_operation,
    wait_until_drawn, wait_until_healthy, within,
};
use crate::begin;

/// A script that asks for a package which is not the newest one.
const PINNED: &str = "# /// script\n# dependencies = [\"tomli-w==1.0.0\"]\n# ///\nimport tomli_w\n";

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_listed_looked_up_and_updated() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = begin(client, PINNED, &[("name", "writer"), ("type", "scheduled")], json!({})).await;
    let browser = look_at(&mantyx, &name, "dependencies").await;
    browser.wait_for_text("package-row", "tomli-w").await;
    browser.wait_for_text("package-row", "tomli-w==1.0.0").await;
    browser.click("look-for-newer").await;
    browser.wait_for_text("newer-words", "1 package has a newer version").await;
    browser.click("build-log").await;
    browser.wait_for_text("log-lines", "tomli-w").await;
    browser.screenshot("dependencies").await;

    browser.click("update-dependencies").await;
    browser.wait_for("update-dependencies-submit").await;
    browser.screenshot("dependencies-update").await;
    browser.click("update-dependencies-submit").await;
    wait_for_operation(&browser, "Update", "Done in").await;
    browser.click("tab-releases").await;
    browser.wait_for_text("release-row-2", "Active").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_restored_and_removed() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = shop(client).await;
    let orders = its_file(&mantyx, &name, "orders");
    fs::write(&orders, "one order").unwrap();
    let browser = look_at(&mantyx, &name, "backups").await;
    browser.wait_for("backup").await;
    wait_until_drawn(&browser).await;
    browser.screenshot("backups-none").await;

    browser.click("backup").await;
    browser.click("backup-data").await;
    browser.wait_for("backup-submit").await;
    browser.screenshot("backup").await;
    browser.click("backup-submit").await;
    wait_for_operation(&browser, "Backup", "Done in").await;
    browser.wait_for_text("backup-row", "By hand").await;
    browser.wait_for_text("backup-row", "app and data").await;

    fs::write(&orders, "gone").unwrap();
    browser.click("backup-restore").await;
    browser.click("restore-data").await;
    browser.screenshot("backup-restore").await;
    browser.click("backup-restore-submit").await;
    wait_for_operation(&browser, "Restore of a backup", "Done in").await;
    wait_for_number(&browser, "backup-row", 2).await;
    browser.screenshot("backups").await;
    assert_eq!(fs::read_to_string(&orders).unwrap(), "one order");
    wait_until_healthy(client, &name).await;

    browser.click("backup-remove").await;
    browser.wait_for("backup-remove-submit").await;
    browser.screenshot("backup-remove").await;
    browser.click("backup-remove-submit").await;
    wait_for_number(&browser, "backup-row", 1).await;
    browser.wait_for_text("backup-row", "By hand").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_taken_into_use_or_taken_back() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = shop(client).await;
    let before = client.app(&name).await.unwrap().pid;
    let browser = look_at(&mantyx, &name, "configuration").await;
    browser.click("env-add").await;
    browser.fill("env-name", "COLOUR").await;
    browser.fill("env-value", "green").await;
    browser.click("save-and-restart").await;
    wait_for_operation(&browser, "New configuration", "Done in").await;
    browser.wait_for_text("toast", "runs with its new configuration").await;
    assert_ne!(client.app(&name).await.unwrap().pid, before, "it runs anew");

    wait_until("the form as it was saved", PATIENCE, async || {
        let said = browser.try_script("return document.querySelector('main').innerText").await?;
        said.as_str()?.contains("This is revision 3. Nothing was changed.").then_some(())
    })
    .await;
    browser.fill("env-name", "REFUSE").await;
    browser.click("save-and-restart").await;
    wait_for_operation(&browser, "New configuration", "Failed: everything is as it was before").await;
    browser.wait_for_text("progress", "it was told to refuse").await;
    browser.screenshot("save-and-restart-undone").await;
    wait_for_attribute(&browser, "save-and-restart", "aria-disabled", "false").await;
    let read: Value = client.get(&format!("/api/apps/{name}/configuration")).await.unwrap();
    assert_eq!(read["configuration"]["env"], json!({"COLOUR": "green"}));
    wait_until_healthy(client, &name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_gets_another_name_and_comes_back_under_a_third() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = shop(client).await;
    let browser = look_at(&mantyx, &name, "danger").await;
    browser.click("rename").await;
    wait_for_attribute(&browser, "rename-submit", "aria-disabled", "true").await;
    browser.fill("rename-name", "My Shop").await;
    browser.click("rename-submit").await;
    browser.wait_for("rename-name-error").await;
    browser.screenshot("rename-refused").await;
    browser.fill("rename-name", "store").await;
    browser.click("rename-submit").await;
    wait_for_operation(&browser, "Rename", "Done in").await;
    browser.screenshot("rename-done").await;
    assert!(browser.url().await.ends_with("/apps/store/danger"));
    let name: AppName = "store".parse().unwrap();
    wait_until_healthy(client, &name).await;

    browser.fill("delete-confirm", "store").await;
    browser.click("delete-submit").await;
    visit(&browser, &mantyx, "/trash").await;
    restore_as(&browser, "kiosk").await;
    visit(&browser, &mantyx, "/").await;
    browser.wait_for("app-row-kiosk").await;
}

async fn restore_as(browser: &Browser, name: &str) {
    browser.click(&within("trash-row-store", "restore-as")).await;
    browser.fill("restore-name", name).await;
    browser.screenshot("restore-as").await;
    browser.click("restore-submit").await;
    browser.wait_until_gone("trash-row-store").await;
}
