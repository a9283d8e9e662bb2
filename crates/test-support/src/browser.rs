//! A browser that uses the page as a person does: headless Chromium over WebDriver.
//!
//! Elements are found by their `data-testid`, so that a test knows nothing of the page's structure. Each browser
//! has a profile of its own and ends, with everything that it started, when the value does.

mod driver;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::aloud::say;
use crate::places;
use crate::wait::{PATIENCE, insist, wait_until};
use driver::Driver;

/// No window of Chromium is narrower, headless or not.
const NARROWEST_WINDOW: u32 = 500;

/// How often Chromium may fail to start, or be too slow for chromedriver, on a machine that has too much to do.
const STARTS: usize = 3;

/// A running browser with one window.
pub struct Browser {
    client: Client,
    session: String,
    driver: Driver,
}

impl Browser {
    /// Starts one with a window of 1440 × 900.
    pub async fn start() -> Self {
        Self::start_sized(1440, 900).await
    }

    /// Starts one with a window of this size, in CSS pixels. A window narrower than Chromium makes any is that of a
    /// phone, which Chromium imitates.
    pub async fn start_sized(width: u32, height: u32) -> Self {
        for start in 1..=STARTS {
            match Self::try_start(width, height).await {
                Ok(browser) => return browser,
                Err(error) => say(&format!("Chromium could not be started ({start} of {STARTS}): {error}")),
            }
        }
        panic!("Chromium could not be started {STARTS} times; the failures stand above");
    }

    /// Each time with a driver and a profile of its own, so that nothing of a failed start is in the way of the next.
    async fn try_start(width: u32, height: u32) -> Result<Self, String> {
        let driver = Driver::start().await;
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(driver.profile(), width, height));
        let connected = timeout(2 * PATIENCE, builder.connect(&driver.url())).await;
        let client = connected.map_err(|_| "chromedriver does not answer")?.map_err(|e| e.to_string())?;
        let session = client.session_id().await.map_err(|e| e.to_string())?;
        Ok(Self { client, session: session.ok_or("a browser without a session")?, driver })
    }

    /// The WebDriver client, for what the methods below do not do.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) {
        insist(&format!("{url} to open"), PATIENCE, async || self.client.goto(url).await).await;
    }

    /// The address that it shows.
    pub async fn url(&self) -> String {
        insist("the address", PATIENCE, async || self.client.current_url().await).await.to_string()
    }

    /// The element with this test id, if it is there now.
    pub async fn find(&self, testid: &str) -> Option<Element> {
        let answer = async || match self.element(testid).await {
            Ok(element) => Ok(Some(element)),
            Err(error) if error.is_no_such_element() => Ok(None),
            Err(error) => Err(error),
        };
        insist(&format!("a look for `{testid}`"), PATIENCE, answer).await
    }

    /// Every element with this test id.
    pub async fn find_all(&self, testid: &str) -> Vec<Element> {
        let all = selector(testid);
        let look = async || self.client.find_all(Locator::Css(&all)).await;
        insist(&format!("a look for every `{testid}`"), PATIENCE, look).await
    }

    /// Waits for the element with this test id until it is shown.
    pub async fn wait_for(&self, testid: &str) -> Element {
        self.insist_on(&format!("`{testid}` on the page"), testid, shown).await
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
        self.insist_on(&format!("`{testid}` to say «{text}»"), testid, async |element| {
            let shown = element.text().await?;
            if shown.contains(text) { Ok(element) } else { Err(Unlike(format!("it says «{shown}»"))) }
        })
        .await
    }

    /// What the element with this test id shows.
    pub async fn text(&self, testid: &str) -> String {
        let text = async |element| Ok(shown(element).await?.text().await?);
        self.insist_on(&format!("the text of `{testid}`"), testid, text).await
    }

    /// An attribute of the element with this test id.
    pub async fn attribute(&self, testid: &str, name: &str) -> Option<String> {
        let value = async |element: Element| Ok(element.attr(name).await?);
        self.insist_on(&format!("`{name}` of `{testid}`"), testid, value).await
    }

    /// Clicks the element with this test id once it can be clicked.
    pub async fn click(&self, testid: &str) {
        let click = async |element: Element| Ok(element.click().await?);
        self.insist_on(&format!("`{testid}` to take a click"), testid, click).await;
    }

    /// Types into a field, over what it held.
    pub async fn fill(&self, testid: &str, text: &str) {
        let select_all = format!("{}a{}", char::from(Key::Control), char::from(Key::Null));
        let text = if text.is_empty() { char::from(Key::Delete).to_string() } else { text.to_owned() };
        let keys = format!("{select_all}{text}");
        let typed = async |element: Element| Ok(element.send_keys(&keys).await?);
        self.insist_on(&format!("`{testid}` to take «{text}»"), testid, typed).await;
    }

    /// Chooses an option of a `<select>` by its value, once it is there.
    pub async fn select(&self, testid: &str, value: &str) {
        let chosen = async |element: Element| Ok(element.select_by_value(value).await?);
        self.insist_on(&format!("`{value}` to be chosen in `{testid}`"), testid, chosen).await;
    }

    /// Gives a file to an `<input type="file">`, which may be hidden as in a drop area.
    pub async fn choose_file(&self, testid: &str, path: &Path) {
        let path = path.display().to_string();
        let given = async |element: Element| Ok(element.send_keys(&path).await?);
        self.insist_on(&format!("`{testid}` to take `{path}`"), testid, given).await;
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

    /// The same, or nothing when it fails: what it asks for may be about to be drawn. For conditions that are waited
    /// for.
    pub async fn try_script(&self, script: &str) -> Option<Value> {
        self.client.execute(script, Vec::new()).await.ok()
    }

    /// Keeps a picture of the window in `target/screenshots/NAME.png`. A test proves what it does without it.
    pub async fn screenshot(&self, name: &str) {
        match timeout(PATIENCE, self.client.screenshot()).await {
            Ok(Ok(png)) => drop(keep_screenshot(name, &png)),
            Ok(Err(error)) => say(&format!("The screenshot `{name}` is missing: {error}")),
            Err(_) => say(&format!("The screenshot `{name}` is missing: it took longer than {PATIENCE:?}")),
        }
    }

    async fn element(&self, testid: &str) -> Result<Element, CmdError> {
        self.client.find(Locator::Css(&selector(testid))).await
    }

    /// The one way to do something with an element: whatever was found may be drawn anew, or be covered for a moment,
    /// before it is used. Then it is looked for again.
    async fn insist_on<T>(
        &self,
        what: &str,
        testid: &str,
        mut act: impl AsyncFnMut(Element) -> Result<T, Unlike>,
    ) -> T {
        insist(what, PATIENCE, async || act(self.element(testid).await?).await).await
    }
}

/// Why an element is not yet what it should be.
#[derive(Debug)]
struct Unlike(String);

impl fmt::Display for Unlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<CmdError> for Unlike {
    fn from(error: CmdError) -> Self {
        Self(error.to_string())
    }
}

async fn shown(element: Element) -> Result<Element, Unlike> {
    if element.is_displayed().await? { Ok(element) } else { Err(Unlike("it is hidden".to_owned())) }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("── the browser's console ──\n{}\n──", self.driver.console(&self.session));
            if let Some(png) = self.driver.screenshot(&self.session) {
                let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
                let kept = keep_screenshot(&format!("failed-{name}"), &png);
                eprintln!("the window as it was: {}", kept.display());
            }
        }
    }
}

fn selector(testid: &str) -> String {
    format!("[data-testid=\"{testid}\"]")
}

fn keep_screenshot(name: &str, png: &[u8]) -> PathBuf {
    let folder = places::target().join("screenshots");
    let path = folder.join(format!("{name}.png"));
    let kept = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, png));
    kept.unwrap_or_else(|error| say(&format!("The screenshot `{}` is missing: {error}", path.display())));
    path
}

fn capabilities(profile: &Path, width: u32, height: u32) -> Map<String, Value> {
    let flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-proxy-server",
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
        let file = browser.driver.profile().join("app.zip");
        fs::write(&file, "").unwrap();
        browser.choose_file("file", &file).await;
        browser.wait_for_text("out", "app.zip").await;
        assert!(browser.find("nothing").await.is_none());
        assert!(browser.driver.console(&browser.session).contains("from the page"));
        assert!(browser.driver.screenshot(&browser.session).unwrap().starts_with(b"\x89PNG"));
    }

    #[tokio::test]
    async fn waits_for_what_is_drawn_a_moment_later() {
        const LATE: &str = "data:text/html,<select data-testid=run><option value=a>A</option></select>\
            <script>setTimeout(() => { document.querySelector('select').outerHTML =\
            '<select data-testid=run><option value=a>A</option><option value=b>B</option></select>'; }, 300)</script>";
        let browser = Browser::start_sized(800, 600).await;
        browser.open(LATE).await;
        browser.select("run", "b").await;
        let chosen = browser.run_script("return document.querySelector('select').value").await;
        assert_eq!(chosen, "b");
        assert_eq!(browser.attribute("run", "data-testid").await.as_deref(), Some("run"));
        assert_eq!(browser.try_script("return document.querySelector('form').action").await, None);
    }

    #[tokio::test]
    async fn leaves_no_process_behind() {
        let browser = Browser::start().await;
        let folder = browser.driver.profile().to_path_buf();
        drop(browser);
        let left = std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(folder.to_str().unwrap())
        });
        assert_eq!(left.count(), 0);
        assert!(!folder.exists());
    }
}
