//! The settings of the daemon: what is refused says so at its field, what is taken holds at once.

use mantyx_test_support::{Browser, TestMantyx};
use serde_json::Value;

use super::{visit, wait_for_attribute, wait_until_drawn, within};
use crate::{log_in, sticks_out};

const KEPT: &str = "setting-releases_kept";

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_is_refused_saved_and_put_back() {
    let mantyx = TestMantyx::builder().setting("backups_kept", "3").start().await;
    for (width, height) in [(1440, 900), (360, 740)] {
        let browser = Browser::start_sized(width, height).await;
        log_in(&browser, &mantyx).await;
        visit(&browser, &mantyx, "/system/settings").await;
        let [input, save] = ["setting-input", "setting-save"].map(|part| within(KEPT, part));
        wait_for_attribute(&browser, &save, "aria-disabled", "true").await;
        wait_until_drawn(&browser).await;
        browser.screenshot(&format!("settings-{width}")).await;
        assert!(!sticks_out(&browser).await, "the settings stick out of {width} px");
        assert!(browser.find(&within("setting-backups_kept", "setting-input")).await.is_none());
        browser.wait_for_text("setting-backups_kept", "MANTYX_BACKUPS_KEPT").await;

        browser.fill(&input, "many").await;
        browser.click(&save).await;
        browser.wait_for(&within(KEPT, "setting-error")).await;
        browser.screenshot(&format!("settings-refused-{width}")).await;
        browser.fill(&input, "7").await;
        browser.click(&save).await;
        browser.wait_for_text("toast", "from now on").await;
        browser.wait_for_text(KEPT, "from the file").await;
        assert_eq!(kept(&mantyx).await, 7);
        browser.screenshot(&format!("settings-saved-{width}")).await;

        browser.click(&within(KEPT, "setting-default")).await;
        browser.wait_until_gone(&within(KEPT, "setting-default")).await;
        assert_eq!(kept(&mantyx).await, 5);
    }
}

async fn kept(mantyx: &TestMantyx) -> u64 {
    let settings: Value = mantyx.client().get("/api/settings").await.unwrap();
    let settings = settings["items"].as_array().unwrap();
    let kept = settings.iter().find(|setting| setting["name"] == "releases_kept").unwrap();
    kept["value"].as_u64().unwrap()
}
