//! A zip of a Flask app, from the file chooser to the trash.

use mantyx_core::{AppName, AppState};
use mantyx_test_support::{Browser, PATIENCE, TestMantyx, apps, wait_until};
use rustix::process::{Pid, Signal, kill_process};

use crate::{log_in, wait_until_installed};

#[tokio::test(flavor = "multi_thread")]
async fn a_flask_app_is_uploaded_installed_followed_opened_restarted_and_deleted() {
    let mantyx = TestMantyx::start().await;
    let browser = Browser::start().await;
    log_in(&browser, &mantyx).await;
    browser.screenshot("dashboard-empty").await;

    browser.click("add-app").await;
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("shop.zip");
    std::fs::write(&archive, apps::flask_zip()).unwrap();
    browser.choose_file("upload-file", &archive).await;
    browser.wait_for_text("upload-name", "shop.zip").await;
    browser.screenshot("add-file").await;
    browser.click("upload-submit").await;
    browser.wait_for_text("found", "requirements.txt").await;
    browser.click("type-perpetual").await;
    browser.click("web-port-auto").await;
    browser.screenshot("add-setup-service").await;

    browser.click("install").await;
    let name: AppName = "shop".parse().unwrap();
    wait_until_installed(mantyx.client(), &name).await;
    browser.wait_for_text("log-lines", "flask").await;
    browser.screenshot("add-install").await;
    browser.click("enable").await;
    browser.wait_for_text("app-state", "Running").await;
    browser.screenshot("app-overview").await;

    browser.click("tab-logs").await;
    browser.wait_for_text("log-lines", "serving on").await;
    browser.screenshot("app-logs").await;
    open_its_own_page(&browser).await;

    let before = mantyx.client().app(&name).await.unwrap();
    let pid = Pid::from_raw(i32::try_from(before.pid.unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    browser.wait_for_text("restarts", "1").await;
    mantyx
        .client()
        .wait_for_app(&name, "have another process", |app| app.pid.is_some() && app.pid != before.pid)
        .await;
    browser.click("tab-runs").await;
    wait_until("both runs in the table", PATIENCE, async || {
        (browser.find_all("run-row").await.len() == 2).then_some(())
    })
    .await;
    browser.screenshot("app-runs").await;
    delete_it(&browser, &mantyx, &name).await;
}

/// Through the link, in the tab that it opens.
async fn open_its_own_page(browser: &Browser) {
    browser.click("open-web").await;
    browser
        .in_other_tab(async |browser| {
            wait_until("the greeting of the app", PATIENCE, async || {
                let text = browser.try_script("return document.body.innerText").await?;
                text.as_str()?.contains("Hello from shop").then_some(())
            })
            .await;
        })
        .await;
}

async fn delete_it(browser: &Browser, mantyx: &TestMantyx, name: &AppName) {
    browser.click("tab-danger").await;
    browser.screenshot("app-danger").await;
    let disabled = browser.attribute("delete-submit", "aria-disabled").await;
    assert_eq!(disabled.as_deref(), Some("true"), "it can be deleted without its name");
    browser.fill("delete-confirm", name.as_str()).await;
    browser.click("delete-submit").await;
    browser.wait_until_gone(&format!("app-row-{name}")).await;
    wait_until("the app to be gone", PATIENCE, async || {
        mantyx.client().app(name).await.is_err_and(|refusal| refusal.status == 404).then_some(())
    })
    .await;
    browser.open(&format!("{}/trash", mantyx.url())).await;
    browser.wait_for(&format!("trash-row-{name}")).await;
    browser.screenshot("trash").await;
    browser.click("restore").await;
    mantyx.client().wait_for_state(name, AppState::Disabled).await;
}
