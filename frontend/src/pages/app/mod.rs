//! One app: its head with what can be done now, and its parts as tabs.

mod configuration;
mod danger;
mod logs;
mod overview;
mod progress;
mod rename;
mod runs;
mod usage;
mod why;

use leptos::html;
use leptos::prelude::*;
use mantyx_api_types::AppView;
use mantyx_api_types::core::{AppEvent, AppId, AppState, Health};
use wasm_bindgen::JsCast;

pub(super) use configuration::save;

use crate::components::{
    Icon, IntoViews, Look, action_button, dynamic, empty, health_badge, icon, keyed, notice, offered, prose,
    skeleton, state_line, type_word,
};
use crate::pages::later::{Change, change};
use crate::route::{Route, Tab};
use crate::state::{State, effect, last_seen, memo};

/// The screen. It stays while the tabs change.
pub(crate) fn app(state: State, name: String) -> impl IntoView {
    let wanted = name.clone();
    let found = memo(move || state.store.app(&wanted));
    let known = memo(move || match (state.store.apps().is_some(), found.with(Option::is_some)) {
        (false, _) => None,
        (true, there) => Some(there),
    });
    let of = name.clone();
    state.keep_loaded(move || state.load_runs(of.clone()));
    follow_name(state, found);
    view! {
        <div class="page">
            {dynamic(move || match known.get() {
                None => view! { <h1>{name.clone()}</h1> {skeleton(8)} }.into_any(),
                Some(false) => gone(name.clone()).into_any(),
                Some(true) => found
                    .get_untracked()
                    .map(|first| screen(state, last_seen(first, move || found.get())))
                    .into_any(),
            })}
        </div>
    }
}

/// An app that gets another name while it is looked at is still looked at.
fn follow_name(state: State, found: Memo<Option<AppView>>) {
    let id = StoredValue::new(None::<AppId>);
    effect(move || {
        if let Some(here) = found.with(|found| found.as_ref().map(|app| app.id)) {
            id.set_value(Some(here));
            return;
        }
        let renamed = id.get_value().and_then(|id| state.store.app_of(id));
        if let (Some(app), Route::App(_, tab)) = (renamed, state.router.now()) {
            state.router.replace(&Route::App(app.name.to_string(), tab));
        }
    });
}

fn gone(name: String) -> impl IntoView {
    view! {
        <h1>{name}</h1>
        {empty("There is no app of this name", view! {
            <p>"It may have another name by now, or be in the trash, from where it can come back."</p>
            <div class="row">
                <a class="button" href="/trash">"Open trash"</a>
                <a class="button primary" href="/">"Show all apps"</a>
            </div>
        })}
    }
}

fn screen(state: State, app: Signal<AppView>) -> impl IntoView {
    let tab = memo(move || match state.router.route() {
        Route::App(_, tab) => tab,
        _ => Tab::Overview,
    });
    view! {
        {head(state, app)}
        {unhealthy(app)}
        {dynamic(move || (tab.get() != Tab::Overview).then(|| reason(app)))}
        {tabs(app, tab)}
        {progress::progress(state, app, tab)}
        {dynamic(move || match tab.get() {
            Tab::Overview => overview::overview(state, app).into_any(),
            Tab::Logs => logs::logs(state, app).into_any(),
            Tab::Runs => runs::runs(state, app).into_any(),
            Tab::Configuration => configuration::configuration(state, app).into_any(),
            part @ (Tab::Releases | Tab::Dependencies | Tab::Files | Tab::Backups) => change(state, Change::Tab(app, part)),
            Tab::Danger => danger::danger(state, app).into_any(),
        })}
    }
}

fn head(state: State, app: Signal<AppView>) -> impl IntoView {
    let legal = memo(move || offered(&app.read()));
    let button = move |event: AppEvent| {
        let look = match event {
            AppEvent::Enable | AppEvent::Start | AppEvent::Run => Look::Primary,
            _ => Look::Full,
        };
        action_button(state, app, event, look)
    };
    view! {
        <header class="head app-head">
            <div class="app-title">
                <h1>{dynamic(move || app.read().name.to_string())}</h1>
                <span class="app-state">{state_line(state, app)}</span>
                {health_badge(app)}
                <p class="facts-line muted">{facts_line(state, app)}</p>
            </div>
            <div class="row app-actions">
                {dynamic(move || open_link(&app.read(), "Open "))}
                {setup_link(app)}
                {keyed(move || legal.get(), ToString::to_string, button)}
            </div>
        </header>
    }
}

/// What one wants to know at a glance, separated by dots.
fn facts_line(state: State, app: Signal<AppView>) -> impl IntoView {
    let display_name = move || Some(app.read().display_name.clone()).filter(|name| !name.is_empty());
    let release = move || app.read().release.map(|release| format!("release {release}"));
    let pid = move || app.read().pid.map(|pid| format!("pid {pid}"));
    let up = move || app.read().started_at.map(|start| format!("up {}", state.clock.since(start)));
    let next = move || app.read().next_run.map(|next| format!("next run {}", state.clock.until(next)));
    let restarts = move || match app.read().restarts {
        0 => None,
        1 => Some("1 restart".to_owned()),
        many => Some(format!("{many} restarts")),
    };
    let status = move || app.read().status_text.clone();
    view! {
        {dynamic(move || status().map(|text| view! { <span data-testid="app-status">"“" {text} "”"</span> }))}
        {dynamic(move || display_name().map(|name| view! { <span>{name}</span> }))}
        <span>{dynamic(move || type_word(app.read().r#type))}</span>
        {dynamic(move || release().map(|text| view! { <span>{text}</span> }))}
        {dynamic(move || pid().map(|text| view! { <span data-testid="pid">{text}</span> }))}
        {dynamic(move || app.read().started_at.is_some().then(|| view! { <span>{dynamic(up)}</span> }))}
        {dynamic(move || app.read().next_run.is_some().then(|| view! { <span>{dynamic(next)}</span> }))}
        {dynamic(move || restarts().map(|text| view! { <span data-testid="restarts">{text}</span> }))}
    }
}

/// What the last look at it said, when it was not well; as long as it gets ready that is no fault.
fn unhealthy(app: Signal<AppView>) -> impl IntoView {
    let detail = memo(move || {
        let app = app.read();
        app.health_detail.clone().map(|detail| (detail, app.health == Health::Unhealthy))
    });
    dynamic(move || {
        detail.get().map(|(detail, bad)| {
            view! {
                <p class="health-detail" class:bad=bad data-testid="health-detail">
                    {icon(if bad { Icon::Alert } else { Icon::Clock })}
                    <span>{prose(&detail)}</span>
                </p>
            }
        })
    })
}

/// Why it is in its state, when there is something to say. The overview says it with all that belongs to it.
fn reason(app: Signal<AppView>) -> impl IntoView {
    let failed = memo(move || {
        let app = app.read();
        app.reason.clone().filter(|_| app.state == AppState::Failed)
    });
    dynamic(move || failed.get().map(|reason| notice(&reason, None)))
}

fn setup_link(app: Signal<AppView>) -> impl IntoView {
    dynamic(move || {
        let app = app.read();
        let path = Route::Setup(app.name.to_string()).path();
        let installable =
            app.legal_events.contains(&AppEvent::Install) && !app.legal_events.contains(&AppEvent::Enable);
        installable.then(|| view! { <a class="button primary" href=path>"Set up and install"</a> })
    })
}

/// The link to the app's own web page: the same host as this page, the app's own port.
pub(super) fn open_link(app: &AppView, word: &'static str) -> Option<impl IntoView + use<>> {
    let port = app.web_port?;
    let host = window().location().hostname().ok()?;
    let live = app.state == AppState::Running;
    let label = format!("Open the web page of {} on port {port}", app.name);
    live.then(|| {
        view! {
            <a
                class="open-web"
                href=format!("http://{host}:{port}/")
                target="_blank"
                rel="noopener"
                data-testid="open-web"
                aria-label=label
            >
                {icon(Icon::Open)}
                {format!("{word}:{port}")}
            </a>
        }
    })
}

fn tabs(app: Signal<AppView>, now: Memo<Tab>) -> impl IntoView {
    let name = memo(move || app.read().name.to_string());
    let tab = move |tab: Tab| {
        let id = if tab == Tab::Overview { "overview" } else { tab.slug() };
        view! {
            <a
                href=move || Route::App(name.get(), tab).path()
                data-testid=format!("tab-{id}")
                aria-current=move || (now.get() == tab).then_some("page")
            >
                {tab.title()}
            </a>
        }
    };
    let bar = NodeRef::<html::Nav>::new();
    effect(move || {
        now.track();
        if bar.get().is_some() {
            request_animation_frame(move || show_current(bar));
        }
    });
    view! { <nav node_ref=bar class="tabs" aria-label="Parts of this app">{Tab::ALL.map(tab).into_views()}</nav> }
}

/// Where the bar is wider than the window, it is scrolled so that the tab that is open is in its middle.
fn show_current(bar: NodeRef<html::Nav>) {
    let Some(bar) = bar.try_get_untracked().flatten() else { return };
    let tab = bar.query_selector("[aria-current]").ok().flatten();
    if let Some(tab) = tab.and_then(|tab| tab.dyn_into::<web_sys::HtmlElement>().ok()) {
        let room = bar.client_width() - tab.offset_width();
        bar.set_scroll_left(tab.offset_left() - bar.offset_left() - room / 2);
    }
}
