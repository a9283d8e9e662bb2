//! What an app used over time, and how it fared: two graphs and a line of its lives, over an hour, a day or a month.

use std::collections::BTreeMap;

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::{ExecutionId, Limits};
use mantyx_api_types::{AppMetrics, AppView, ExecutionView, Life, UsageSpan};

use super::logs;
use crate::api::{Answer, Failure};
use crate::components::{
    Choice, Measure, Picture, Plot, Segmented, dynamic, failure_notice, plot, segmented, skeleton, timeline,
};
use crate::graph::{self, Series};
use crate::route::{Route, Tab};
use crate::state::{Clock, State, derived, effect, memo};
use crate::text::number;

/// The signals of the panel.
#[derive(Clone, Copy)]
struct Model {
    state: State,
    app: Signal<AppView>,
    span: RwSignal<UsageSpan>,
    /// What the daemon told, and what the socket told since.
    series: RwSignal<Series>,
    told: RwSignal<Option<Answer<AppMetrics>>>,
    cursor: RwSignal<Option<usize>>,
    limits: Signal<Option<Limits>>,
}

impl Model {
    fn load(self, span: UsageSpan) {
        let name = self.app.with_untracked(|app| app.name.to_string());
        spawn_local(async move {
            let answer = self.state.client.metrics(&name, key(span)).await;
            // Somebody may have chosen another one in between.
            if self.span.try_get_untracked() != Some(span) {
                return;
            }
            let series = answer.as_ref().map(|told| Series::new(told.points.clone(), told.resolution));
            self.series.try_set(series.unwrap_or_default());
            self.told.try_set(Some(answer));
        });
    }

    /// Takes in each look of the socket.
    fn keep_up(self) {
        let id = self.app.with_untracked(|app| app.id);
        effect(move || {
            if let Some((at, look)) = self.state.store.usage().now(id) {
                let length = graph::length(self.span.get_untracked());
                self.series.update(|series| series.look(at, look.cpu, look.memory, length));
            }
        });
    }

    fn picture(self) -> Picture {
        self.series.with(|series| Picture {
            span: self.span.get(),
            now: Clock::read(),
            points: series.points().to_vec(),
            gap: series.gap(),
        })
    }

    /// The limit of a measure, in its unit.
    #[allow(clippy::cast_precision_loss, reason = "the height of a line")]
    fn limit(self, measure: Measure) -> Signal<Option<f64>> {
        derived(move || {
            let limits = self.limits.get()?;
            match measure {
                Measure::Cpu => limits.cpu.map(mantyx_api_types::core::Cores::as_f64),
                Measure::Memory => limits.memory.map(|bytes| bytes as f64),
            }
        })
    }
}

const fn key(span: UsageSpan) -> &'static str {
    match span {
        UsageSpan::Hour => "hour",
        UsageSpan::Day => "day",
        UsageSpan::Month => "month",
    }
}

/// The panel. `limits` are those of the configuration.
pub(super) fn usage(state: State, app: Signal<AppView>, limits: Signal<Option<Limits>>) -> impl IntoView {
    let model = Model {
        state,
        app,
        span: RwSignal::new(UsageSpan::Hour),
        series: RwSignal::new(Series::default()),
        told: RwSignal::new(None),
        cursor: RwSignal::new(None),
        limits,
    };
    state.keep_loaded(move || model.load(model.span.get()));
    model.keep_up();
    let picture = memo(move || model.picture());
    let graph =
        move |measure| plot(Plot { measure, picture, limit: model.limit(measure), cursor: model.cursor });
    // Two empty graphs say no more than a sentence.
    let there = memo(move || model.series.with(|series| !series.points().is_empty()));
    view! {
        <section class="panel usage" data-testid="usage">
            <div class="panel-title"><h2>"Usage"</h2> {spans(model)}</div>
            {dynamic(move || missing(model))}
            {dynamic(move || there.get().then(|| Measure::ALL.map(graph).collect_view()))}
            {dynamic(move || lives(model, picture))}
        </section>
    }
}

fn spans(model: Model) -> AnyView {
    let choice = |value, title, id| Choice { value, title, id };
    segmented(Segmented {
        name: "usage-span",
        label: "Time",
        help: "",
        choices: vec![
            choice(UsageSpan::Hour, "Hour", "usage-hour"),
            choice(UsageSpan::Day, "Day", "usage-day"),
            choice(UsageSpan::Month, "Month", "usage-month"),
        ],
        value: model.span.into(),
        change: Callback::new(move |span| {
            model.cursor.set(None);
            model.span.set(span);
        }),
    })
}

/// What stands there as long as nothing was told.
fn missing(model: Model) -> Option<AnyView> {
    match model.told.get() {
        None => Some(skeleton(3).into_any()),
        Some(Err(Failure::Unreachable) | Ok(_)) => None,
        Some(Err(failure)) => Some(failure_notice(&failure).into_any()),
    }
}

/// The line of lives, and in words how much of the time it was alive.
fn lives(model: Model, picture: Memo<Picture>) -> Option<AnyView> {
    let told = model.told.get()?.ok()?;
    let name = model.app.read().name.to_string();
    let runs = model.state.store.runs(&name).unwrap_or_default();
    let picture = picture.get();
    let frame = picture.frame(1.0);
    let all = lives_of(&told.lives, &runs);
    let log = |life: &Life| logs::address(&name, life.execution);
    let line = timeline(&all, &frame, picture.now, log, &Route::App(name.clone(), Tab::Runs).path());
    let restarts = number::plural(told.restarts as usize, "restart", "restarts");
    if all.is_empty() {
        let words = format!("Nothing ran in the last {}.", key(told.span));
        return Some(view! { <p class="panel-words muted">{words}</p> }.into_any());
    }
    let age = picture.now - model.app.read().created_at;
    let time = if age < graph::length(told.span) {
        "the time since it was made".to_owned()
    } else {
        format!("the last {}", key(told.span))
    };
    let words = format!("Alive {} of {time}, {restarts} by itself", number::percent(told.uptime));
    Some(view! { {line} <p class="panel-words muted" data-testid="usage-words">{words}</p> }.into_any())
}

/// The lives that the daemon told, and those of the executions that came since.
fn lives_of(told: &[Life], runs: &[ExecutionView]) -> Vec<Life> {
    let mut lives: BTreeMap<ExecutionId, Life> =
        told.iter().map(|life| (life.execution, life.clone())).collect();
    lives.extend(runs.iter().map(|run| (run.id, life(run))));
    // Their ids sort by time.
    lives.into_values().collect()
}

fn life(run: &ExecutionView) -> Life {
    Life {
        execution: run.id,
        trigger: run.trigger,
        status: run.status,
        started_at: run.started_at,
        finished_at: run.finished_at,
        cause: run.cause.clone(),
    }
}
