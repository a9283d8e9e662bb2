//! What an app is and how it is: facts, what is being done to it, and its recent runs as a chart.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::{AppType, Configuration, ExecutionStatus, OperationId, WebPort};
use mantyx_api_types::{AppView, ConfigurationView, DependenciesView, ExecutionView, ScheduleView};

use super::{reason, usage, why};
use crate::api::Answer;
use crate::components::{
    Icon, IntoViews, LogView, dynamic, failure_notice, icon, log_view, operation_steps, prose, skeleton,
};
use crate::pages::newer::{newer, tracked};
use crate::route::{Route, Tab};
use crate::state::{Follow, State, derived, last_seen, memo};
use crate::text::{number, time, words};

/// How many runs the chart shows.
const BARS: usize = 40;

/// What is read for this tab alone.
#[derive(Clone, Copy)]
struct Model {
    state: State,
    app: Signal<AppView>,
    configuration: RwSignal<Option<Answer<ConfigurationView>>>,
    dependencies: RwSignal<Option<Answer<DependenciesView>>>,
    /// The folder of Mantyx.
    root: RwSignal<Option<String>>,
}

impl Model {
    fn load(self) {
        let name = self.app.with_untracked(|app| app.name.to_string());
        spawn_local(async move {
            let configuration = self.state.client.configuration(&name).await;
            let dependencies = self.state.client.dependencies(&name).await;
            if let Ok(system) = self.state.client.system().await {
                self.root.try_set(Some(system.root));
            }
            self.configuration.try_set(Some(configuration));
            let install = dependencies.as_ref().ok().and_then(|dependencies| dependencies.install_operation);
            self.dependencies.try_set(Some(dependencies));
            self.remember_install(install).await;
        });
    }

    /// The installation may be older than this visit: then the daemon is asked for it.
    async fn remember_install(self, id: Option<OperationId>) {
        let Some(id) = id else { return };
        if untrack(|| self.state.store.operation(id)).is_none()
            && let Ok(operation) = self.state.client.operation(id).await
        {
            self.state.store.put_operation(operation);
        }
    }
}

/// The tab.
pub(super) fn overview(state: State, app: Signal<AppView>) -> impl IntoView {
    let model = Model {
        state,
        app,
        configuration: RwSignal::new(None),
        dependencies: RwSignal::new(None),
        root: RwSignal::new(None),
    };
    // What is installed changes with each operation, and with nothing else.
    let busy = memo(move || app.read().operation);
    state.keep_loaded(move || {
        // It is read, not only tracked: what was never computed signals nothing.
        let _ = busy.get();
        model.load();
    });
    let limits = move || {
        let configuration = model.configuration.read();
        configuration.as_ref().and_then(|answer| answer.as_ref().ok()).map(|view| view.configuration.limits)
    };
    let never_ran = memo(move || app.read().last_execution.is_none());
    view! {
        {dynamic(move || never_ran.get().then(|| reason(app)))}
        {why::why(state, app)}
        {warnings(app)}
        {newer(tracked(state, app), move || look_link(app))}
        <div class="columns">
            <div class="column">
                {usage::usage(state, app, derived(limits))}
                {recent(model)}
                {last_lines(model)}
            </div>
            <div class="column">
                {last_operation(model)}
                {facts(model)}
                {packages(model)}
            </div>
        </div>
    }
}

/// Leads to where it can be taken into use.
fn look_link(app: Signal<AppView>) -> AnyView {
    let address = move || Route::App(app.read().name.to_string(), Tab::Releases).path();
    view! { <a class="button" href=address data-testid="update-look">"Look at it"</a> }.into_any()
}

/// What was asked for and cannot be done here.
fn warnings(app: Signal<AppView>) -> impl IntoView {
    let warnings = memo(move || app.read().warnings.clone());
    let line = |warning: &String| view! { <li>{prose(warning)}</li> };
    dynamic(move || {
        let warnings = warnings.get();
        (!warnings.is_empty()).then(|| {
            view! {
                <section class="warnings" aria-label="Warnings" data-testid="warnings">
                    {icon(Icon::Alert)}
                    <ul>{warnings.iter().map(line).into_views()}</ul>
                </section>
            }
        })
    })
}

fn facts(model: Model) -> impl IntoView {
    view! {
        <section class="panel" data-testid="overview-facts">
            <h2 class="panel-title">"Facts"</h2>
            {dynamic(move || match model.configuration.get() {
                None => skeleton(6).into_any(),
                Some(Err(failure)) => failure_notice(&failure).into_any(),
                Some(Ok(view)) => fact_list(&model.app.read(), &view, model.root.get()).into_any(),
            })}
        </section>
    }
}

fn fact_list(app: &AppView, view: &ConfigurationView, root: Option<String>) -> impl IntoView + use<> {
    let configuration = &view.configuration;
    let port = match (configuration.web_port, app.web_port) {
        (None, _) => "none".to_owned(),
        (Some(WebPort::Auto(_)), None) => "a free one, from the first start on".to_owned(),
        (Some(WebPort::Fixed(port)), None) | (Some(_), Some(port)) => port.to_string(),
    };
    let data = root.map(|root| format!("{root}/apps/{}/data", app.name));
    let service = app.r#type == AppType::Perpetual;
    let start = if configuration.autostart { "with the machine" } else { "by hand only" };
    view! {
        <dl class="facts">
            <dt>{words::origin_kind(&app.origin)}</dt>
            <dd>{words::origin(&app.origin)}</dd>
            <dt>"Entrypoint"</dt>
            <dd><code>{configuration.entrypoint.to_string()}</code></dd>
            {(!service).then(|| schedule_facts(&view.schedules))}
            {service.then(|| view! {
                <dt>"Restart"</dt>
                <dd>{restart_words(configuration)}</dd>
                <dt>"Health"</dt>
                <dd>{words::health_check(&configuration.health)}</dd>
                <dt>"Starts"</dt>
                <dd>{start}</dd>
                <dt>"Web port"</dt>
                <dd>{port}</dd>
            })}
            <dt>"Limits"</dt>
            <dd data-testid="fact-limits">{words::limits(&configuration.limits)}</dd>
            <dt>"Variables"</dt>
            <dd>{match configuration.env.len() {
                0 => "none of its own".to_owned(),
                count => number::plural(count, "of its own", "of its own"),
            }}</dd>
            <dt>"Data"</dt>
            <dd>
                <code>{data}</code>
                <span class="muted">", for the app $APP_DATA_DIR"</span>
            </dd>
        </dl>
    }
}

/// When it runs, in words: each of its schedules.
fn schedule_facts(schedules: &[ScheduleView]) -> impl IntoView + use<> {
    let line = |schedule: &ScheduleView| {
        let off = (!schedule.enabled).then_some(", switched off");
        view! { <p>{schedule.words.clone()}<span class="muted">{off}</span></p> }
    };
    let title = if schedules.len() > 1 { "Schedules" } else { "Schedule" };
    let lines = schedules.iter().map(line).into_views();
    view! {
        <dt>{title}</dt>
        <dd data-testid="schedule-words">{lines}{schedules.is_empty().then_some("none: it runs by hand only")}</dd>
    }
}

fn restart_words(configuration: &Configuration) -> String {
    use mantyx_api_types::core::RestartPolicy;
    let policy = words::policy(configuration.restart_policy).to_ascii_lowercase();
    if configuration.restart_policy == RestartPolicy::Never {
        return policy;
    }
    let window = time::duration(chrono::TimeDelta::seconds(configuration.restart_window.into()));
    format!("{policy}, at most {} in {window}", configuration.restart_limit)
}

fn packages(model: Model) -> impl IntoView {
    let more = move || Route::App(model.app.read().name.to_string(), Tab::Dependencies).path();
    view! {
        <section class="panel" data-testid="overview-environment">
            <h2 class="panel-title">"Environment" <a class="link" href=more>"Dependencies"</a></h2>
            {dynamic(move || match model.dependencies.get() {
                None => skeleton(3).into_any(),
                Some(Err(failure)) => failure_notice(&failure).into_any(),
                Some(Ok(view)) if view.python.is_none() => view! {
                    <p class="panel-words muted">"It has none yet: installing the app builds it."</p>
                }
                .into_any(),
                Some(Ok(view)) => environment(&view).into_any(),
            })}
        </section>
    }
}

fn environment(view: &DependenciesView) -> impl IntoView + use<> {
    let count = number::plural(view.installed.len(), "package", "packages");
    let declared =
        view.declared.first().map(|file| format!("{} ({})", file.path, words::dependencies(file.format)));
    let rows = view.installed.iter().map(|package| {
        view! { <li><code>{package.name.clone()}</code> <span class="muted">{package.version.clone()}</span></li> }
    });
    view! {
        <dl class="facts">
            <dt>"Python"</dt>
            <dd>{view.python.clone()}</dd>
            <dt>"Built by"</dt>
            <dd>{view.builder.clone()}</dd>
            <dt>"Declared in"</dt>
            <dd>{declared.unwrap_or_else(|| "nothing declared".to_owned())}</dd>
        </dl>
        <details class="packages">
            <summary>{count}</summary>
            <ul>{rows.into_views()}</ul>
        </details>
    }
}

fn last_operation(model: Model) -> impl IntoView {
    let operation = memo(move || model.state.store.last_operation(model.app.read().id));
    let there = memo(move || operation.with(Option::is_some));
    dynamic(move || {
        let first = there.get().then(|| operation.get_untracked()).flatten()?;
        let shown = last_seen(first, move || operation.get());
        Some(view! { <section class="panel">{operation_steps(model.state, shown)}</section> })
    })
}

/// How the last runs went: a bar each, as high as it took, with its outcome in words for whoever asks.
fn recent(model: Model) -> impl IntoView {
    let runs = move || model.state.store.runs(model.app.read().name.as_str());
    let more = move || Route::App(model.app.read().name.to_string(), Tab::Runs).path();
    view! {
        <section class="panel" data-testid="overview-runs">
            <h2 class="panel-title">"Recent runs" <a class="link" href=more>"All runs"</a></h2>
            {dynamic(move || match runs() {
                None => skeleton(3).into_any(),
                Some(runs) if runs.is_empty() => view! {
                    <p class="panel-words muted">"It has not run yet. Each run will be a bar here, as high as it took."</p>
                }
                .into_any(),
                Some(runs) => chart(&runs).into_any(),
            })}
        </section>
    }
}

fn chart(runs: &[ExecutionView]) -> impl IntoView + use<> {
    let ended: Vec<&ExecutionView> = runs.iter().filter(|run| run.finished_at.is_some()).take(BARS).collect();
    let longest = ended.iter().map(|run| seconds(run)).fold(0.1, f64::max);
    let failed = ended.iter().filter(|run| is_bad(run.status)).count();
    let words = match (ended.len(), failed) {
        (0, _) => "Its first run is going on.".to_owned(),
        (all, 0) => {
            format!("{}, none failed. The longest took {}.", number::plural(all, "run", "runs"), of(longest))
        }
        (all, bad) => format!(
            "{bad} of {} failed. The longest took {}.",
            number::plural(all, "run", "runs"),
            of(longest)
        ),
    };
    let any = !ended.is_empty();
    let bars = ended.into_iter().rev().map(|run| bar(run, longest)).into_views();
    view! {
        {any.then(|| view! { <div class="chart" role="img" aria-label=words.clone()>{bars}</div> })}
        <p class="panel-words muted">{words}</p>
    }
}

fn bar(run: &ExecutionView, longest: f64) -> impl IntoView + use<> {
    let height = (seconds(run) / longest).sqrt();
    let class = if is_bad(run.status) { "bar bad" } else { "bar" };
    let title = format!("{}, {}", words::status(run.status), of(seconds(run)));
    view! { <span class=class style:height=number::length(height) title=title></span> }
}

const fn is_bad(status: ExecutionStatus) -> bool {
    matches!(status, ExecutionStatus::Failed | ExecutionStatus::Timeout | ExecutionStatus::Lost)
}

#[allow(clippy::cast_precision_loss, reason = "the height of a bar")]
fn seconds(run: &ExecutionView) -> f64 {
    run.finished_at.map_or(0.0, |end| (end - run.started_at).num_milliseconds() as f64 / 1000.0)
}

#[allow(clippy::cast_possible_truncation, reason = "durations of runs are far below the limit")]
fn of(seconds: f64) -> String {
    time::duration(chrono::TimeDelta::milliseconds((seconds * 1000.0) as i64))
}

/// The end of the log, live.
fn last_lines(model: Model) -> impl IntoView {
    let name = model.app.with_untracked(|app| app.name.clone());
    let more = Route::App(name.to_string(), Tab::Logs).path();
    view! {
        <section class="panel log-peek">
            <h2 class="panel-title">"Log" <a class="link" href=more>"Open log"</a></h2>
            {log_view(model.state, LogView {
                follow: Follow::App(name, None, 200),
                search: None,
                more: ViewFn::default(),
                nothing: "Nothing was written yet",
            })}
        </section>
    }
}
