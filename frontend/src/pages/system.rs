//! The daemon and its machine: what it is, what it found, how apps are held to their limits, and what stands in the
//! way of something.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::{LimitsView, PythonView, SystemView};

use crate::api::Answer;
use crate::components::{Icon, IntoViews, dynamic, failure_notice, icon, prose, skeleton};
use crate::route::Route;
use crate::state::State;
use crate::text::{number, words};

/// The screen.
pub(crate) fn system(state: State) -> impl IntoView {
    let read = RwSignal::new(None::<Answer<SystemView>>);
    state.keep_loaded(move || {
        spawn_local(async move {
            read.try_set(Some(state.client.system().await));
        });
    });
    view! {
        <div class="page narrow">
            <header class="head"><h1>"System"</h1></header>
            {tabs(Route::System)}
            {dynamic(move || match read.get() {
                None => skeleton(8).into_any(),
                Some(Err(failure)) => failure_notice(&failure).into_any(),
                Some(Ok(system)) => facts(state, &system).into_any(),
            })}
        </div>
    }
}

/// The parts of the screen.
pub(super) fn tabs(now: Route) -> AnyView {
    let tab = |(route, title, id): (Route, &'static str, &'static str)| {
        let here = (route == now).then_some("page");
        view! { <a href=route.path() data-testid=id aria-current=here>{title}</a> }
    };
    let all = [
        (Route::System, "Machine", "tab-machine"),
        (Route::Settings, "Settings", "tab-settings"),
        (Route::Secrets, "Secrets", "tab-secrets"),
        (Route::Transfer, "Transfer", "tab-transfer"),
    ];
    view! { <nav class="tabs" aria-label="Parts of the system">{all.map(tab).into_views()}</nav> }.into_any()
}

fn facts(state: State, system: &SystemView) -> impl IntoView + use<> {
    view! { {warnings(&system.warnings)} {how_apps_run(system)} {machine(state, system)} }
}

fn how_apps_run(system: &SystemView) -> AnyView {
    let uv = system
        .uv
        .clone()
        .unwrap_or_else(|| "not found: environments are built by pip, which takes longer".to_owned());
    let user = system
        .app_user
        .clone()
        .unwrap_or_else(|| "the user of Mantyx: only one that runs as root can change users".to_owned());
    let pythons = system.pythons.iter().map(python).into_views();
    view! {
        <section class="panel" data-testid="system-apps">
            <h2 class="panel-title">"How apps run"</h2>
            <dl class="facts">
                <dt>"Limits"</dt>
                <dd data-testid="system-limits">{limits(system.limits)}</dd>
                <dt>"User"</dt>
                <dd data-testid="system-user">{user}</dd>
                <dt>"Python"</dt>
                <dd><ul>{pythons}</ul></dd>
                <dt>"uv"</dt>
                <dd>{uv}</dd>
            </dl>
        </section>
    }
    .into_any()
}

fn machine(state: State, system: &SystemView) -> AnyView {
    let (start, host) = (system.started_at, &system.host);
    let machine = format!(
        "{}, {}, {} of memory",
        system.host_name,
        number::plural(host.cpu_count as usize, "processor", "processors"),
        number::bytes(host.memory_total)
    );
    view! {
        <section class="panel">
            <h2 class="panel-title">"Mantyx and its machine"</h2>
            <dl class="facts">
                <dt>"Version"</dt>
                <dd>{system.version.clone()} <span class="muted">{dynamic(move || format!(", up {}", state.clock.since(start)))}</span></dd>
                <dt>"Folder"</dt>
                <dd><code>{system.root.clone()}</code></dd>
                <dt>"Machine"</dt>
                <dd>{machine}</dd>
                <dt>"Time zone"</dt>
                <dd>{system.timezone.clone()}</dd>
                <dt>"Uploads"</dt>
                <dd>{format!("up to {}", number::bytes(system.upload_limit))}</dd>
                <dt>"Password"</dt>
                <dd>{if system.password_set { "is set" } else { "is not set: one logs in by the link that Mantyx prints" }}</dd>
            </dl>
        </section>
    }
    .into_any()
}

fn warnings(warnings: &[String]) -> AnyView {
    let lines = warnings.iter().map(|warning| view! { <li>{prose(warning)}</li> }).into_views();
    let shown = !warnings.is_empty();
    shown
        .then(|| view! {
            <section class="warnings" aria-label="Warnings" data-testid="system-warnings">{icon(Icon::Alert)} <ul>{lines}</ul></section>
        })
        .into_any()
}

fn python(python: &PythonView) -> impl IntoView + use<> {
    view! { <li>{python.version.clone()} " " <code>{python.path.clone()}</code></li> }
}

/// By what means, and which of them hold for everything that an app started together.
fn limits(limits: LimitsView) -> impl IntoView {
    let of = [(limits.memory, "memory"), (limits.cpu, "CPU"), (limits.processes, "processes")];
    let names = |held: bool| {
        let names: Vec<&str> = of.iter().filter(|(is, _)| *is == held).map(|(_, name)| *name).collect();
        names.join(", ")
    };
    let (held, missing) = (names(true), names(false));
    let held = if held.is_empty() {
        String::new()
    } else {
        format!(": {held} of everything that an app starts together")
    };
    let missing = (!missing.is_empty()).then(|| format!("Not of an app as a whole: {missing}"));
    view! { <p>{words::mechanism(limits.mechanism)} {held}</p> {missing.map(|missing| view! { <p class="muted">{missing}</p> })} }
}
