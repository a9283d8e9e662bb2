//! A pasted script with a schedule, and what the form says on the way.

use mantyx_core::{AppName, AppType, ExecutionStatus};
use mantyx_test_support::{Browser, PATIENCE, TestMantyx, wait_until};

use crate::{log_in, wait_until_installed};

const SCRIPT: &str = "print('the weather is fine')";

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_pasted_scheduled_and_run() {
    let mantyx = TestMantyx::start().await;
    let browser = Browser::start().await;
    log_in(&browser, &mantyx).await;

    browser.click("add-app").await;
    browser.click("paste-script").await;
    browser.fill("script-source", SCRIPT).await;
    browser.fill("script-name", "weather.py").await;
    browser.screenshot("add-paste").await;
    browser.click("upload-submit").await;
    browser.wait_for_text("found", "weather.py").await;

    browser.click("type-scheduled").await;
    browser.fill("app-name", "Weather Report").await;
    browser.fill("cron", "30 7 * * 1-8").await;
    browser.wait_for_text("cron-error", "0 to 7").await;
    browser.screenshot("add-setup-wrong-cron").await;
    browser.fill("cron", "30 7 * * 1-5").await;
    browser.wait_for_text("schedule-preview", "07:30").await;
    browser.click("install").await;
    browser.wait_for("app-name-error").await;
    browser.fill("app-name", "weather-report").await;
    browser.screenshot("add-setup-scheduled").await;
    browser.click("install").await;
    let name: AppName = "weather-report".parse().unwrap();
    wait_until_installed(mantyx.client(), &name).await;
    browser.click("enable").await;
    browser.wait_for_text("app-state", "Enabled").await;

    let app = mantyx.client().app(&name).await.unwrap();
    assert_eq!(app.r#type, AppType::Scheduled);
    assert!(app.next_run.is_some());
    browser.click("action-run").await;
    browser.click("tab-runs").await;
    browser.wait_for_text("run-row", "exit 0").await;
    let runs = mantyx.client().executions(&name).await.unwrap();
    assert_eq!(runs[0].status, ExecutionStatus::Success);
    browser.screenshot("app-runs-scheduled").await;
    browser.click("tab-logs").await;
    browser.wait_for_text("log-lines", "the weather is fine").await;
    browser.click("tab-configuration").await;
    browser.wait_for("save-configuration").await;
    browser.screenshot("app-configuration").await;
    browser.open(&mantyx.url()).await;
    browser.wait_for("app-row-weather-report").await;
    browser.screenshot("dashboard").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upload_says_why_and_what_to_do() {
    let mantyx = TestMantyx::start().await;
    let browser = Browser::start().await;
    log_in(&browser, &mantyx).await;
    browser.open(&format!("{}/add", mantyx.url())).await;
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("evil.zip");
    std::fs::write(&archive, mantyx_test_support::apps::zip(&[("../evil.py", "x"), ("main.py", "x")]))
        .unwrap();
    browser.choose_file("upload-file", &archive).await;
    browser.click("upload-submit").await;
    wait_until("the refusal on the page", PATIENCE, async || {
        let text = browser.try_script("return document.querySelector('main').innerText").await?;
        text.as_str()?.contains("../evil.py").then_some(())
    })
    .await;
    browser.screenshot("add-refused").await;
}
