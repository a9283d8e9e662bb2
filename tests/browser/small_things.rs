//! Logging in, small windows, what needs attention, and a connection that comes and goes.

use mantyx_core::AppState;
use mantyx_test_support::{Browser, PATIENCE, TestMantyx, apps, wait_until};

use crate::{log_in, sticks_out};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_who_is_there() {
    let mantyx =
        TestMantyx::builder().variable("MANTYX_OWNER_PASSWORD", "correct horse battery").start().await;
    let browser = Browser::start().await;
    browser.open(&mantyx.url()).await;
    browser.wait_for("login-form").await;
    browser.screenshot("login").await;
    browser.fill("login-password", "wrong").await;
    browser.click("login-submit").await;
    browser.wait_for_text("notice", "wrong").await;
    browser.screenshot("login-refused").await;
    browser.fill("login-password", "correct horse battery").await;
    browser.click("login-submit").await;
    browser.wait_for("add-app").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_on_top_with_its_cause() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("name", "mailer"), ("restart_limit", "1"), ("restart_delay", "0")];
    let name = client.upload_script("mailer.py", "import jinja3\n", &fields).await.unwrap().app.name;
    client.install(&name).await.unwrap();
    client.event(&name, "enable").await.unwrap();
    client.wait_for_state(&name, AppState::Failed).await;
    let browser = Browser::start().await;
    log_in(&browser, &mantyx).await;
    browser.wait_for_text("attention", "jinja3").await;
    browser.screenshot("dashboard-attention").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_sticks_out_of_a_phone_or_a_wall() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("name", "a-name-that-is-rather-long-for-a-small-window"), ("web_port", "auto")];
    let name = client.upload_script("s.py", apps::sleeper_script(), &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    for (width, height) in [(360, 740), (3840, 2000)] {
        let browser = Browser::start_sized(width, height).await;
        log_in(&browser, &mantyx).await;
        let screens = [
            ("dashboard", String::from("/")),
            ("add", "/add".to_owned()),
            ("overview", format!("/apps/{name}")),
            ("logs", format!("/apps/{name}/logs")),
            ("runs", format!("/apps/{name}/runs")),
            ("configuration", format!("/apps/{name}/configuration")),
            ("danger", format!("/apps/{name}/danger")),
            ("system", "/system".to_owned()),
        ];
        for (screen, path) in screens {
            browser.open(&format!("{}{path}", mantyx.url())).await;
            // On a phone the words about the connection are not shown, but they are there once the page is.
            wait_until("the page", PATIENCE, async || browser.find("connection").await.map(drop)).await;
            let full = "return document.querySelector('.skeleton') === null";
            wait_until("what the page shows", PATIENCE, async || {
                browser.try_script(full).await?.as_bool()?.then_some(())
            })
            .await;
            browser.screenshot(&format!("{screen}-{width}")).await;
            assert!(!sticks_out(&browser).await, "{screen} sticks out of {width} px");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_that_was_opened_without_an_answer_fills_once_there_is_one() {
    let mut mantyx = TestMantyx::start().await;
    let name = mantyx.client().upload_script("s.py", apps::hello_script(), &[]).await.unwrap().app.name;
    mantyx.client().install(&name).await.unwrap();
    let browser = Browser::start().await;
    log_in(&browser, &mantyx).await;
    // The screens behind the dashboard come with the first of them.
    browser.click("nav-system").await;
    browser.wait_for("system-limits").await;
    browser.click("nav-apps").await;
    browser.wait_for(&format!("app-row-{name}")).await;
    mantyx.kill_9();
    browser.click(&format!("app-row-{name}")).await;
    browser.wait_for("connection-lost").await;
    browser.wait_for_text("overview-facts", "does not answer").await;
    mantyx.start_again().await;
    browser.wait_for_text("overview-facts", "Entrypoint").await;
    browser.wait_for_text("overview-runs", "has not run yet").await;
    browser.wait_for_text("overview-environment", "Built by").await;
    browser.wait_until_gone("toast").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_that_could_not_be_fetched_comes_by_itself() {
    let mut mantyx = TestMantyx::start().await;
    let name = mantyx.client().upload_script("s.py", apps::hello_script(), &[]).await.unwrap().app.name;
    mantyx.client().install(&name).await.unwrap();
    let browser = Browser::start().await;
    log_in(&browser, &mantyx).await;
    browser.wait_for(&format!("app-row-{name}")).await;
    mantyx.kill_9();
    browser.click(&format!("app-row-{name}")).await;
    browser.wait_for_text("notice", "does not answer").await;
    mantyx.start_again().await;
    browser.wait_for_text("overview-facts", "Entrypoint").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_said_and_comes_back() {
    let mut mantyx = TestMantyx::start().await;
    let browser = Browser::start().await;
    log_in(&browser, &mantyx).await;
    mantyx.kill_9();
    browser.wait_for("connection-lost").await;
    browser.screenshot("connection-lost").await;
    mantyx.start_again().await;
    browser.wait_until_gone("connection-lost").await;
    let name = mantyx.client().upload_script("s.py", apps::hello_script(), &[]).await.unwrap().app.name;
    browser.wait_for(&format!("app-row-{name}")).await;
}
