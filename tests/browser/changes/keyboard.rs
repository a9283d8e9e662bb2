//! Every question about a change is asked, left and answered without a mouse.

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::key::Key;
use mantyx_test_support::{Browser, PATIENCE, TestMantyx, wait_until};
use serde_json::{Value, json};

use super::{look_at, saying, shop, update, visit, wait_for_operation, wait_until_healthy, within};

/// What asks, where, and what answers.
const QUESTIONS: &[(&str, &str, &str)] = &[
    ("releases", "update", "update-submit"),
    ("releases?release=2&file=app.py", "file-remove", "file-remove-submit"),
    ("dependencies", "update-dependencies", "update-dependencies-submit"),
    ("backups", "backup", "backup-submit"),
    ("backups", "backup-restore", "backup-restore-submit"),
    ("backups", "backup-remove", "backup-remove-submit"),
    ("danger", "rename", "rename-submit"),
    ("releases", "roll-back", "roll-back-submit"),
];

/// The most stops that a dialog here has.
const STOPS: usize = 12;

/// Presses a key where the focus is.
async fn press(browser: &Browser, key: Key) {
    let value = char::from(key);
    let strokes = KeyActions::new("keyboard".to_owned());
    let strokes = strokes.then(KeyAction::Down { value }).then(KeyAction::Up { value });
    browser.client().perform_actions(strokes).await.unwrap();
}

/// The test id of what has the focus, unless that is outside of the open dialog.
async fn focused(browser: &Browser) -> String {
    let script = "const now = document.activeElement, open = document.querySelector('dialog[open]');\
        return open && now !== document.body && !open.contains(now) ? 'outside' : now.dataset.testid ?? ''";
    let now = browser.run_script(script).await;
    now.as_str().unwrap_or_default().to_owned()
}

/// Asks a question by Enter on its button, and goes by Tab to what answers it.
async fn ask(browser: &Browser, opener: &str, answer: &str) {
    browser.wait_for(opener).await;
    let focus = format!("document.querySelector('[data-testid=\"{opener}\"]').focus()");
    wait_until("the focus", PATIENCE, async || browser.try_script(&focus).await).await;
    press(browser, Key::Enter).await;
    browser.wait_for(answer).await;
    for _ in 0..STOPS {
        match focused(browser).await.as_str() {
            now if now == answer => return,
            now => assert_ne!(now, "outside", "the focus leaves the question of `{opener}`"),
        }
        press(browser, Key::Tab).await;
    }
    panic!("`{answer}` is not reached from `{opener}`");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_question_is_answered_with_the_keyboard() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = shop(client).await;
    update(client, &name, &saying("two")).await;
    wait_until_healthy(client, &name).await;
    let _: Value =
        client.post(&format!("/api/apps/{name}/backups?wait=60"), json!({"data": false})).await.unwrap();

    let browser = look_at(&mantyx, &name, "releases").await;
    for (place, opener, answer) in QUESTIONS {
        visit(&browser, &mantyx, &format!("/apps/{name}/{place}")).await;
        ask(&browser, opener, answer).await;
        press(&browser, Key::Escape).await;
        wait_until("the question to be left", PATIENCE, async || {
            let open = browser.try_script("return document.querySelector('dialog[open]') === null").await?;
            open.as_bool()?.then_some(())
        })
        .await;
        assert_eq!(focused(&browser).await, *opener, "the focus comes back to what asked");
    }
    ask(&browser, &within("release-row-1", "roll-back"), "roll-back-submit").await;
    browser.screenshot("roll-back").await;
    press(&browser, Key::Enter).await;
    wait_for_operation(&browser, "Rollback", "Done in").await;
    browser.wait_for_text("release-row-1", "Active").await;
    browser.screenshot("roll-back-done").await;
    assert_eq!(client.app(&name).await.unwrap().release, Some(1));
}
