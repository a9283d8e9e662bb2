//! A browser that uses the page as a person does: headless Chromium over WebDriver.
//!
//! Elements are found by their `data-testid`, so that a test knows nothing of the page's structure. Each browser
//! has a profile of its own and ends, with everything that it started, when the value does.

mod driver;

use std::fs;
use std::path::{Path, PathBuf};

use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::leftovers::end_all_that_mention;
use crate::places;
use crate::wait::{PATIENCE, wait_until};
use driver::Driver;

/// No window of Chromium is narrower, headless or not.
const NARROWEST_WINDOW: u32 = 500;

/// A running browser with one window.
pub struct Browser {
    client: Client,
    session: String,
    // Dropped in this order: first the driver, then the profile that its processes are known by.
    driver: Driver,
    profile: TempDir,
}

impl Browser {
    /// Starts one with a window of 1440 × 900.
    pub async fn start() -> Self {
        Self::start_sized(1440, 900).await
    }

    /// Starts one with a window of this size, in CSS pixels. A window narrower than Chromium makes any is that of a
    /// phone, which Chromium imitates.
    pub async fn start_sized(width: u32, height: u32) -> Self {
        let profile =
            tempfile::Builder::new().prefix("mantyx-browser-").tempdir().expect("a temporary folder");
        let driver = Driver::start(profile.path());
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(profile.path(), width, height));
        let client = builder.connect(&driver.url()).await;
        let client = client.unwrap_or_else(|error| panic!("Chromium could not be started: {error}"));
        let session = client.session_id().await.ok().flatten().expect("a browser has a session");
        Self { client, session, driver, profile }
    }

    /// The WebDriver client, for what the methods below do not do.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("open {url}: {error}"));
    }

    /// The address that it shows.
    pub async fn url(&self) -> String {
        self.client.current_url().await.expect("a window has an address").to_string()
    }

    /// The element with this test id, if it is there now.
    pub async fn find(&self, testid: &str) -> Option<Element> {
        self.client.find(Locator::Css(&selector(testid))).await.ok()
    }

    /// Every element with this test id.
    pub async fn find_all(&self, testid: &str) -> Vec<Element> {
        self.client.find_all(Locator::Css(&selector(testid))).await.unwrap_or_default()
    }

    /// Waits for the element with this test id until it is shown.
    pub async fn wait_for(&self, testid: &str) -> Element {
        wait_until(&format!("`{testid}` on the page"), PATIENCE, async || {
            let element = self.find(testid).await?;
            element.is_displayed().await.is_ok_and(|shown| shown).then_some(element)
        })
        .await
    }

    /// Waits until the element with this test id is gone.
    pub async fn wait_until_gone(&self, testid: &str) {
        wait_until(&format!("`{testid}` to vanish"), PATIENCE, async || {
            self.find(testid).await.is_none().then_some(())
        })
        .await;
    }

    /// Waits until the element with this test id shows a text that contains this one.
    pub async fn wait_for_text(&self, testid: &str, text: &str) -> Element {
        wait_until(&format!("`{testid}` to say «{text}»"), PATIENCE, async || {
            let element = self.find(testid).await?;
            element.text().await.is_ok_and(|shown| shown.contains(text)).then_some(element)
        })
        .await
    }

    /// What the element with this test id shows.
    pub async fn text(&self, testid: &str) -> String {
        self.wait_for(testid).await.text().await.unwrap_or_default()
    }

    /// Clicks the element with this test id once it can be clicked.
    pub async fn click(&self, testid: &str) {
        wait_until(&format!("`{testid}` to take a click"), PATIENCE, async || {
            self.find(testid).await?.click().await.ok()
        })
        .await;
    }

    /// Types into a field, over what it held.
    pub async fn fill(&self, testid: &str, text: &str) {
        let select_all = format!("{}a{}", char::from(Key::Control), char::from(Key::Null));
        let text = if text.is_empty() { char::from(Key::Delete).to_string() } else { text.to_owned() };
        let field = self.wait_for(testid).await;
        let typed = field.send_keys(&format!("{select_all}{text}")).await;
        typed.unwrap_or_else(|error| panic!("type into `{testid}`: {error}"));
    }

    /// Chooses an option of a `<select>` by its value.
    pub async fn select(&self, testid: &str, value: &str) {
        let chosen = self.wait_for(testid).await.select_by_value(value).await;
        chosen.unwrap_or_else(|error| panic!("choose `{value}` in `{testid}`: {error}"));
    }

    /// Gives a file to an `<input type="file">`, which may be hidden as in a drop area.
    pub async fn choose_file(&self, testid: &str, path: &Path) {
        let input =
            wait_until(&format!("`{testid}` on the page"), PATIENCE, async || self.find(testid).await).await;
        let given = input.send_keys(&path.display().to_string()).await;
        given.unwrap_or_else(|error| panic!("give a file to `{testid}`: {error}"));
    }

    /// Looks at the tab that a link has just opened, closes it, and comes back.
    pub async fn in_other_tab(&self, look: impl AsyncFnOnce(&Self)) {
        let own = self.client.window().await.expect("a browser has a tab");
        let other = wait_until("another tab", PATIENCE, async || {
            self.client.windows().await.ok()?.into_iter().find(|tab| *tab != own)
        })
        .await;
        self.client.switch_to_window(other).await.expect("the other tab is there");
        look(self).await;
        self.client.close_window().await.expect("the other tab can be closed");
        self.client.switch_to_window(own).await.expect("the first tab is there");
    }

    /// Runs JavaScript and answers what it returns.
    pub async fn run_script(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Keeps a picture of the window in `target/screenshots/NAME.png`.
    pub async fn screenshot(&self, name: &str) -> PathBuf {
        let png = self.client.screenshot().await.expect("a window can be pictured");
        keep_screenshot(name, &png)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("── the browser's console ──\n{}\n──", self.driver.console(&self.session));
            if let Some(png) = self.driver.screenshot(&self.session) {
                let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
                eprintln!(
                    "the window as it was: {}",
                    keep_screenshot(&format!("failed-{name}"), &png).display()
                );
            }
        }
        self.driver.end();
        end_all_that_mention(self.profile.path());
    }
}

fn selector(testid: &str) -> String {
    format!("[data-testid=\"{testid}\"]")
}

fn keep_screenshot(name: &str, png: &[u8]) -> PathBuf {
    let folder = places::target().join("screenshots");
    let path = folder.join(format!("{name}.png"));
    let kept = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, png));
    kept.unwrap_or_else(|error| eprintln!("{}: {error}", path.display()));
    path
}

fn capabilities(profile: &Path, width: u32, height: u32) -> Map<String, Value> {
    let flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--force-color-profile=srgb",
    ];
    let mut flags: Vec<String> = flags.map(str::to_owned).to_vec();
    flags.push(format!("--user-data-dir={}", profile.display()));
    flags.push(format!("--window-size={width},{height}"));
    let mut options = json!({"args": flags});
    if width < NARROWEST_WINDOW {
        let phone = json!({"width": width, "height": height, "pixelRatio": 1});
        options["mobileEmulation"] = json!({"deviceMetrics": phone});
    }
    let json = json!({
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"browser": "ALL"},
    });
    serde_json::from_value(json).expect("an object")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "data:text/html,<input data-testid=name value=old oninput=out.textContent=this.value>\
        <p data-testid=out id=out></p><input type=file data-testid=file hidden onchange=out.textContent=this.files[0].name>\
        <button data-testid=go onclick=\"out.textContent='clicked';console.error('from the page')\">Go</button>";

    #[tokio::test]
    async fn uses_a_page_as_a_person_does() {
        let browser = Browser::start_sized(800, 600).await;
        browser.open(PAGE).await;
        browser.fill("name", "new").await;
        assert_eq!(browser.text("out").await, "new");
        browser.click("go").await;
        browser.wait_for_text("out", "clicked").await;
        let file = browser.profile.path().join("app.zip");
        fs::write(&file, "").unwrap();
        browser.choose_file("file", &file).await;
        browser.wait_for_text("out", "app.zip").await;
        assert!(browser.find("nothing").await.is_none());
        assert!(browser.driver.console(&browser.session).contains("from the page"));
        assert!(browser.driver.screenshot(&browser.session).unwrap().starts_with(b"\x89PNG"));
    }

    #[tokio::test]
    async fn leaves_no_process_behind() {
        let browser = Browser::start().await;
        let folder = browser.profile.path().to_path_buf();
        drop(browser);
        let left = std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(folder.to_str().unwrap())
        });
        assert_eq!(left.count(), 0);
        assert!(!folder.exists());
    }
}
