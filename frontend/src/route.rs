//! Which screen an address means, and which address a screen has: one enum, read and written in one place.
//!
//! The page has few screens, so a match is its router. The browser's history is the only state that it keeps.

use leptos::ev;
use leptos::prelude::*;

/// A screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// All apps.
    Dashboard,
    /// Where an app begins.
    Add,
    /// The second and third step of adding this app.
    Setup(String),
    /// One app.
    App(String, Tab),
    /// What was deleted.
    Trash,
    /// The daemon and its machine.
    System,
    /// What is under way, what was mended, and what changed.
    Activity,
    /// What the daemon is told.
    Settings,
    /// What opens private repositories.
    Secrets,
    /// Taking all of Mantyx along.
    Transfer,
    /// Who are you?
    Login,
    /// No screen has this address.
    Nowhere,
}

/// A part of an app's screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    /// What it is and how it is.
    Overview,
    /// What it says.
    Logs,
    /// Its executions.
    Runs,
    /// What it is told.
    Configuration,
    /// What it was, is, and can be again.
    Releases,
    /// The packages that it needs.
    Dependencies,
    /// What it keeps itself.
    Files,
    /// What of it was kept.
    Backups,
    /// Renaming it, switching it off and deleting it.
    Danger,
}

impl Tab {
    /// All, in the order of the page.
    pub(crate) const ALL: [Self; 9] = [
        Self::Overview,
        Self::Logs,
        Self::Runs,
        Self::Configuration,
        Self::Releases,
        Self::Dependencies,
        Self::Files,
        Self::Backups,
        Self::Danger,
    ];

    /// The last part of its address; empty for the first tab. Also the end of its test id.
    pub(crate) const fn slug(self) -> &'static str {
        match self {
            Self::Overview => "",
            Self::Logs => "logs",
            Self::Runs => "runs",
            Self::Configuration => "configuration",
            Self::Releases => "releases",
            Self::Dependencies => "dependencies",
            Self::Files => "files",
            Self::Backups => "backups",
            Self::Danger => "danger",
        }
    }

    /// What it is called.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Logs => "Logs",
            Self::Runs => "Runs",
            Self::Configuration => "Configuration",
            Self::Releases => "Releases",
            Self::Dependencies => "Dependencies",
            Self::Files => "Files",
            Self::Backups => "Backups",
            Self::Danger => "Danger zone",
        }
    }
}

impl Route {
    /// Reads the path of an address.
    pub(crate) fn parse(path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            [] => Self::Dashboard,
            ["add"] => Self::Add,
            ["add", app] => Self::Setup((*app).to_owned()),
            ["trash"] => Self::Trash,
            ["system"] => Self::System,
            ["activity"] => Self::Activity,
            ["system", "settings"] => Self::Settings,
            ["system", "secrets"] => Self::Secrets,
            ["system", "transfer"] => Self::Transfer,
            ["login"] => Self::Login,
            ["apps", app] => Self::App((*app).to_owned(), Tab::Overview),
            ["apps", app, slug] => Tab::ALL
                .into_iter()
                .find(|tab| tab.slug() == *slug)
                .map_or(Self::Nowhere, |tab| Self::App((*app).to_owned(), tab)),
            _ => Self::Nowhere,
        }
    }

    /// Its address.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Dashboard | Self::Nowhere => "/".to_owned(),
            Self::Add => "/add".to_owned(),
            Self::Setup(app) => format!("/add/{app}"),
            Self::App(app, Tab::Overview) => format!("/apps/{app}"),
            Self::App(app, tab) => format!("/apps/{app}/{}", tab.slug()),
            Self::Trash => "/trash".to_owned(),
            Self::System => "/system".to_owned(),
            Self::Activity => "/activity".to_owned(),
            Self::Settings => "/system/settings".to_owned(),
            Self::Secrets => "/system/secrets".to_owned(),
            Self::Transfer => "/system/transfer".to_owned(),
            Self::Login => "/login".to_owned(),
        }
    }

    /// What the browser shows as the title of the page.
    pub(crate) fn title(&self) -> String {
        let screen = match self {
            Self::Dashboard => "Apps".to_owned(),
            Self::Add => "Add app".to_owned(),
            Self::Setup(app) => format!("Set up {app}"),
            Self::App(app, Tab::Overview) => app.clone(),
            Self::App(app, tab) => format!("{app}: {}", tab.title()),
            Self::Trash => "Trash".to_owned(),
            Self::System => "System".to_owned(),
            Self::Activity => "Activity".to_owned(),
            Self::Settings => "Settings".to_owned(),
            Self::Secrets => "Secrets".to_owned(),
            Self::Transfer => "Export and import".to_owned(),
            Self::Login => "Log in".to_owned(),
            Self::Nowhere => "Not found".to_owned(),
        };
        format!("{screen} · Mantyx")
    }
}

/// The address bar.
#[derive(Clone, Copy)]
pub(crate) struct Router {
    route: RwSignal<Route>,
    /// What stands behind the question mark: what of a screen is shown.
    query: RwSignal<String>,
}

impl Router {
    /// Reads the address and listens to the browser's back, forward and links.
    pub(crate) fn start() -> Self {
        let router = Self {
            route: RwSignal::new(Route::parse(&current_path())),
            query: RwSignal::new(current_query()),
        };
        let _ = window_event_listener(ev::popstate, move |_| router.read());
        let _ = window_event_listener(ev::click, move |event| router.follow(&event));
        router
    }

    /// The screen that is shown.
    pub(crate) fn route(self) -> Route {
        self.route.get()
    }

    /// The screen that is shown, without following it.
    pub(crate) fn now(self) -> Route {
        self.route.get_untracked()
    }

    /// A parameter of the address, such as `release` of `?release=3`.
    pub(crate) fn parameter(self, name: &str) -> Option<String> {
        web_sys::UrlSearchParams::new_with_str(&self.query.read()).ok()?.get(name)
    }

    /// Goes to a screen.
    pub(crate) fn go(self, route: &Route) {
        self.visit(&route.path());
    }

    /// Goes to a screen that takes the place of this one in the history.
    pub(crate) fn replace(self, route: &Route) {
        let _ = history().and_then(|history| {
            history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(&route.path()))
        });
        self.read();
    }

    /// Goes to an address of the page.
    pub(crate) fn visit(self, address: &str) {
        let _ = history()
            .and_then(|history| history.push_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(address)));
        self.read();
    }

    fn read(self) {
        let (route, query) = (Route::parse(&current_path()), current_query());
        if self.query.with_untracked(|now| *now != query) {
            self.query.set(query);
        }
        if self.now() != route {
            self.route.set(route);
        }
    }

    /// A plain click on a link within the page is a change of screen, not a new load.
    fn follow(self, event: &ev::MouseEvent) {
        use wasm_bindgen::JsCast;
        let modified = event.meta_key() || event.ctrl_key() || event.shift_key() || event.alt_key();
        if event.default_prevented() || event.button() != 0 || modified {
            return;
        }
        let link = event
            .target()
            .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
            .and_then(|element| element.closest("a[href]").ok().flatten());
        let Some(address) = link.and_then(|link| internal_address(&link)) else { return };
        event.prevent_default();
        self.visit(&address);
    }
}

/// The address of a link, when it leads to a screen of this page in this window.
fn internal_address(link: &web_sys::Element) -> Option<String> {
    let address = link.get_attribute("href")?;
    let elsewhere = link.has_attribute("target") || link.has_attribute("download");
    let page = address.starts_with('/') && !address.starts_with("//") && !address.starts_with("/docs");
    (page && !elsewhere).then_some(address)
}

fn history() -> Result<web_sys::History, wasm_bindgen::JsValue> {
    window().history()
}

fn current_path() -> String {
    window().location().pathname().unwrap_or_default()
}

fn current_query() -> String {
    window().location().search().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_screen_has_an_address_that_leads_back() {
        let app = || "photo-index".to_owned();
        let mut routes = vec![
            Route::Dashboard,
            Route::Add,
            Route::Setup(app()),
            Route::Trash,
            Route::System,
            Route::Activity,
            Route::Settings,
            Route::Secrets,
            Route::Transfer,
            Route::Login,
        ];
        routes.extend(Tab::ALL.map(|tab| Route::App(app(), tab)));
        for route in routes {
            assert_eq!(Route::parse(&route.path()), route);
        }
    }

    #[test]
    fn other_addresses_lead_nowhere() {
        for path in ["/apps", "/apps/a/b/c", "/apps/a/metrics", "/settings"] {
            assert_eq!(Route::parse(path), Route::Nowhere, "{path}");
        }
    }
}
