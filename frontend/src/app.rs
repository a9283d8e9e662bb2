//! The frame around every screen: the rail with the places to go, the machine and the connection; and which screen
//! an address shows.

use leptos::prelude::*;
use mantyx_api_types::core::AppState;
use wasm_bindgen::JsCast;

use crate::components::{Icon, dynamic, icon, logo, toasts};
use crate::pages;
use crate::route::{Route, Router};
use crate::state::{Connection, State, effect, memo};
use crate::text::number;

/// The whole page.
pub(crate) fn app() -> impl IntoView {
    let state = State::start();
    guard(state);
    keep_title(state.router);
    let _ = window_event_listener(leptos::ev::online, move |_| state.live.hurry());
    let inside = memo(move || state.session.is_open() && state.router.route() != Route::Login);
    view! {
        {dynamic(move || if inside.get() { shell(state).into_any() } else { pages::login(state).into_any() })}
        {toasts(state)}
    }
}

/// Whoever is not logged in logs in first; whoever is has a connection.
fn guard(state: State) {
    effect(move || {
        if state.session.is_open() {
            state.live.connect();
        } else {
            state.live.disconnect();
            state.store.clear();
            if untrack(|| state.router.route()) != Route::Login {
                let back = window().location().pathname().unwrap_or_default();
                let back = if back == "/" { String::new() } else { format!("?next={back}") };
                state.router.visit(&format!("/login{back}"));
            }
        }
    });
}

/// The title follows the screen, and a new screen begins at its top with the focus on it.
fn keep_title(router: Router) {
    Effect::new(move |before: Option<Route>| {
        let route = router.route();
        document().set_title(&route.title());
        let same_app = matches!((&before, &route), (Some(Route::App(a, _)), Route::App(b, _)) if a == b);
        if before.is_some() && !same_app {
            window().scroll_to_with_x_and_y(0.0, 0.0);
            let main = document().get_element_by_id("main").and_then(|main| main.dyn_into().ok());
            if let Some(main) = main {
                let main: web_sys::HtmlElement = main;
                let _ = main.focus();
            }
        }
        route
    });
}

fn shell(state: State) -> impl IntoView {
    view! {
        <a class="skip" href="#main">"Skip to content"</a>
        <div class="shell">
            {rail(state)}
            <main id="main" class="main" tabindex="-1">
                {lost_banner(state)}
                {dynamic(move || screen(state))}
            </main>
        </div>
    }
}

/// The screen of the address. The tabs of an app are one screen, which stays while they change.
fn screen(state: State) -> AnyView {
    let place = memo(move || match state.router.route() {
        Route::App(app, _) => Route::App(app, crate::route::Tab::Overview),
        route => route,
    });
    dynamic(move || match place.get() {
        Route::Dashboard => pages::dashboard(state).into_any(),
        Route::Login | Route::Nowhere => pages::not_found().into_any(),
        route => pages::later(state, route),
    })
}

fn rail(state: State) -> impl IntoView {
    let failed = move || {
        let apps = state.store.apps().unwrap_or_default();
        apps.iter().filter(|app| app.with(|app| app.state == AppState::Failed)).count()
    };
    let on_apps = move || matches!(state.router.route(), Route::Dashboard | Route::App(..));
    let on_add = move || matches!(state.router.route(), Route::Add | Route::Setup(_));
    let on_trash = move || state.router.route() == Route::Trash;
    let on_system = move || {
        matches!(state.router.route(), Route::System | Route::Settings | Route::Secrets | Route::Transfer)
    };
    let on_activity = move || state.router.route() == Route::Activity;
    view! {
        <nav class="rail" aria-label="Main">
            <a class="brand" href="/" aria-label="Mantyx, all apps">{logo()} <span>"Mantyx"</span></a>
            <div class="places">
                {place("/", "nav-apps", Icon::Apps, "Apps", on_apps, failed)}
                {place("/add", "nav-add", Icon::Add, "Add app", on_add, || 0)}
                {place("/activity", "nav-activity", Icon::Activity, "Activity", on_activity, || 0)}
                {place("/trash", "nav-trash", Icon::Trash, "Trash", on_trash, || 0)}
                {place("/system", "nav-system", Icon::System, "System", on_system, || 0)}
            </div>
            <div class="rail-end">
                {machine(state)}
                {connection(state)}
                <div class="rail-foot">
                    <button type="button" class="quiet" data-testid="log-out" on:click=move |_| state.log_out()>
                        {icon(Icon::Leave)} "Log out"
                    </button>
                    <a class="quiet" href="/docs" title="The API that this page calls">"API"</a>
                    <span class="muted" data-testid="version">{dynamic(move || state.store.version())}</span>
                </div>
            </div>
        </nav>
    }
}

fn place(
    address: &'static str,
    id: &'static str,
    picture: Icon,
    title: &'static str,
    here: impl Fn() -> bool + Send + 'static,
    failed: impl Fn() -> usize + Send + Copy + 'static,
) -> impl IntoView {
    view! {
        <a class="place" href=address data-testid=id aria-current=move || here().then_some("page")>
            {icon(picture)}
            <span>{title}</span>
            {dynamic(move || (failed() > 0).then(|| view! {
                <span class="place-count">{failed()} <span class="hidden">" failed"</span></span>
            }))}
        </a>
    }
}

/// Processor, memory and disk. A meter that is nearly at its end says so in a word as well.
fn machine(state: State) -> impl IntoView {
    dynamic(move || {
        state.store.host().map(|host| {
            let memory = number::share(host.memory_used, host.memory_total);
            let disk = number::share(host.disk_used, host.disk_total);
            let of = |used, total| format!("{} of {}", number::bytes(used), number::bytes(total));
            let processors = number::plural(host.cpu_count as usize, "processor", "processors");
            view! {
                <div class="machine" aria-label="This machine" role="group">
                    {meter("CPU", host.cpu, "busy", processors)}
                    {meter("Memory", memory, "full", of(host.memory_used, host.memory_total))}
                    {meter("Disk", disk, "full", of(host.disk_used, host.disk_total))}
                </div>
            }
        })
    })
}

fn meter(title: &'static str, share: f64, at_end: &'static str, words: String) -> impl IntoView {
    let full = share >= 0.9;
    view! {
        <div class="meter" class:full=full title=words>
            <span>{title}</span>
            <span class="meter-bar"><span style:width=number::length(share)></span></span>
            <span class="meter-value">{number::percent(share)} {full.then(|| format!(" {at_end}"))}</span>
        </div>
    }
}

fn connection(state: State) -> impl IntoView {
    let (class, words) = (
        move || match state.live.connection() {
            Connection::Live => "connection live",
            Connection::Lost(_) => "connection lost",
            Connection::Connecting | Connection::Off => "connection",
        },
        move || match state.live.connection() {
            Connection::Live => "Live",
            Connection::Lost(_) => "Connection lost",
            Connection::Connecting | Connection::Off => "Connecting",
        },
    );
    view! { <p class=class role="status" data-testid="connection">{dynamic(words)}</p> }
}

/// What is shown may be old: the page says so, and when it tries again.
fn lost_banner(state: State) -> impl IntoView {
    dynamic(move || match state.live.connection() {
        Connection::Lost(next) => Some(view! {
            <div class="banner" data-testid="connection-lost">
                {icon(Icon::Alert)}
                <p>
                    <b>"The connection to Mantyx is lost."</b>
                    " What you see may be old. Your apps are not affected. Next attempt "
                    {dynamic(move || state.clock.until(next))} "."
                </p>
                <button type="button" class="button" on:click=move |_| state.live.hurry()>"Try now"</button>
            </div>
        }),
        _ => None,
    })
}
