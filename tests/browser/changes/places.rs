//! Each place and each question about changes, in a window of a desk and in that of a phone.

use mantyx_core::AppName;
use mantyx_test_support::{Browser, PATIENCE, TestMantyx, wait_until};
use serde_json::{Value, json};

use super::{its_file, saying, shop, update, visit, wait_until_drawn, wait_until_healthy};
use crate::{log_in, sticks_out};

/// A picture, where it is taken, and what is there once all is drawn.
const PLACES: &[(&str, &str, &str)] = &[
    ("releases", "releases", "roll-back"),
    ("release", "releases?release=1", "release-file"),
    ("release-file", "releases?release=2&file=app.py", "file-edit"),
    ("diff", "releases?from=1&to=2", "diff-file"),
    ("dependencies", "dependencies", "declared"),
    ("backups", "backups", "backup-row"),
    ("files", "files", "data-row-orders"),
    ("danger", "danger", "rename"),
];

/// A picture, where it is taken, what is pressed, and what is there then.
const QUESTIONS: &[(&str, &str, &str, &str)] = &[
    ("update", "releases", "update", "update-submit"),
    ("roll-back", "releases", "roll-back", "roll-back-submit"),
    ("file-editor", "releases?release=2&file=app.py", "file-edit", "file-source"),
    ("file-remove", "releases?release=2&file=app.py", "file-remove", "file-remove-submit"),
    ("packages-update", "dependencies", "update-dependencies", "update-dependencies-submit"),
    ("backup", "backups", "backup", "backup-submit"),
    ("backup-restore", "backups", "backup-restore", "restore-data"),
    ("backup-remove", "backups", "backup-remove", "backup-remove-submit"),
    ("rename", "danger", "rename", "rename-submit"),
];

/// A service that was updated and backed up.
async fn changed_shop(mantyx: &TestMantyx) -> AppName {
    let client = mantyx.client();
    let name = shop(client).await;
    std::fs::write(its_file(mantyx, &name, "orders"), "one order").unwrap();
    let two = saying("two").replace(
        "import time\n",
        "import time  # for the wait, which is told in a line that is rather long\n",
    );
    update(client, &name, &two).await;
    wait_until_healthy(client, &name).await;
    let backup = json!({"data": true});
    let _: Value = client.post(&format!("/api/apps/{name}/backups?wait=60"), backup).await.unwrap();
    name
}

/// Keeps a picture of what fits into its window.
async fn keep(browser: &Browser, picture: &str, width: u32) {
    wait_until_drawn(browser).await;
    browser.screenshot(&format!("changes-{picture}-{width}")).await;
    assert!(!sticks_out(browser).await, "{picture} sticks out of {width} px");
    let dialog = "const open = document.querySelector('dialog[open]');\
        return open !== null && open.scrollWidth > open.clientWidth";
    assert_eq!(browser.run_script(dialog).await, false, "{picture} sticks out of its question at {width} px");
}

/// A driver takes what lies below the bar at the foot of a phone for seen.
async fn bring_into_sight(browser: &Browser, testid: &str) {
    browser.wait_for(testid).await;
    let scroll =
        format!("document.querySelector('[data-testid={testid}]').scrollIntoView({{ block: 'center' }})");
    wait_until(&format!("`{testid}` in sight"), PATIENCE, async || browser.try_script(&scroll).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_place_fits_a_desk_and_a_phone() {
    let mantyx = TestMantyx::start().await;
    let name = changed_shop(&mantyx).await;
    for (width, height) in [(1440, 900), (360, 740)] {
        let browser = Browser::start_sized(width, height).await;
        log_in(&browser, &mantyx).await;
        for (picture, place, sign) in PLACES {
            visit(&browser, &mantyx, &format!("/apps/{name}/{place}")).await;
            browser.wait_for(sign).await;
            keep(&browser, picture, width).await;
        }
        for (picture, place, opener, sign) in QUESTIONS {
            visit(&browser, &mantyx, &format!("/apps/{name}/{place}")).await;
            bring_into_sight(&browser, opener).await;
            browser.click(opener).await;
            browser.wait_for(sign).await;
            keep(&browser, &format!("ask-{picture}"), width).await;
        }
    }
}
