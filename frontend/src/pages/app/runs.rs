//! The executions of an app, newest first, live.

use leptos::prelude::*;
use mantyx_api_types::core::{Ending, ExecutionId};
use mantyx_api_types::{AppView, ExecutionView};

use super::logs;
use crate::components::{Icon, dynamic, empty, icon, keyed, last_lines, outcome, prose, skeleton};
use crate::state::{State, memo};
use crate::text::{number, time, words};

/// The tab.
pub(super) fn runs(state: State, app: Signal<AppView>) -> impl IntoView {
    let runs = memo(move || state.store.runs(app.read().name.as_str()));
    let how_many = memo(move || runs.with(|runs| runs.as_ref().map(Vec::len)));
    dynamic(move || {
        match how_many.get() {
        None => skeleton(6).into_any(),
        Some(0) => empty("No run yet", view! {
            <p>"A run is one process from start to exit. Each is kept here with its outcome, how long it took, and its log."</p>
        })
        .into_any(),
        Some(_) => table(state, runs).into_any(),
    }
    })
}

fn table(state: State, runs: Memo<Option<Vec<ExecutionView>>>) -> impl IntoView {
    let ids =
        move || -> Vec<ExecutionId> { runs.with(|runs| runs.iter().flatten().map(|run| run.id).collect()) };
    let run = move |id: ExecutionId| {
        memo(move || runs.with(|runs| runs.iter().flatten().find(|run| run.id == id).cloned()))
    };
    view! {
        <div class="panel">
            <table class="runs" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Outcome"</th>
                        <th role="columnheader" scope="col">"Started"</th>
                        <th role="columnheader" scope="col" class="number">"Took"</th>
                        <th role="columnheader" scope="col">"Exit"</th>
                        <th role="columnheader" scope="col">"Because of"</th>
                        <th role="columnheader" scope="col" class="number">"CPU"</th>
                        <th role="columnheader" scope="col" class="number">"Memory"</th>
                        <th role="columnheader" scope="col" class="number">"Release"</th>
                        <th role="columnheader" scope="col"><span class="hidden">"Log"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    {keyed(ids, ToString::to_string, move |id| {
                        let (run, open) = (run(id), RwSignal::new(false));
                        dynamic(move || run.get().map(|run| row(state, &run, open)))
                    })}
                </tbody>
            </table>
        </div>
    }
}

fn row(state: State, run: &ExecutionView, open: RwSignal<bool>) -> impl IntoView + use<> {
    let (start, end) = (run.started_at, run.finished_at);
    let took = move || end.map_or_else(|| state.clock.since(start), |end| time::duration(end - start));
    let seconds = run.cpu_seconds.map(|seconds| format!("{} s", number::tenths(seconds)));
    let path = logs::address(run.app.as_str(), run.id);
    view! {
        <tr role="row" data-testid="run-row" data-execution=run.id.to_string()>
            <td role="cell" class="cell-outcome">{outcome(run.status)}</td>
            <td role="cell">
                <time title=crate::state::clock::stamp(start)>{dynamic(move || state.clock.moment(start))}</time>
            </td>
            <td role="cell" class="number">{dynamic(took)}</td>
            <td role="cell" class="cell-cause">
                {words::ending_short(run.ending.as_ref(), run.exit)}
                {run.cause.as_ref().map(|cause| view! { <span class="muted">" " {prose(cause)}</span> })}
            </td>
            <td role="cell">{words::trigger(run.trigger)}</td>
            <td role="cell" class="number muted">{seconds}</td>
            <td role="cell" class="number muted">{run.peak_memory.map(number::bytes)}</td>
            <td role="cell" class="number muted">{run.release}</td>
            <td role="cell" class="cell-actions">
                <div class="actions">
                    {has_more(run).then(|| more_button(open))}
                    <a class="icon-button" href=path aria-label="Log of this run" title="Log">{icon(Icon::Log)}</a>
                </div>
            </td>
        </tr>
        {has_more(run).then(|| more(run, open))}
    }
}

/// Whether there is more to say about a run than its row has room for.
fn has_more(run: &ExecutionView) -> bool {
    !run.last_lines.is_empty()
        || run.dropped_lines > 0
        || run.ending.as_ref().is_some_and(|ending| *ending != Ending::Exited)
}

fn more_button(open: RwSignal<bool>) -> impl IntoView {
    view! {
        <button
            type="button"
            class="icon-button unfold"
            title="Why it ended"
            aria-label="Why it ended"
            data-testid="run-more"
            aria-expanded=move || open.get().to_string()
            on:click=move |_| open.update(|open| *open = !*open)
        >
            {icon(Icon::Unfold)}
        </button>
    }
}

fn more(run: &ExecutionView, open: RwSignal<bool>) -> impl IntoView + use<> {
    let ending = run.ending.as_ref().map(|ending| words::ending(ending, run.exit));
    let lines = run.last_lines.clone();
    let dropped = (run.dropped_lines > 0).then(|| {
        let dropped = usize::try_from(run.dropped_lines).unwrap_or(usize::MAX);
        format!("{} of its log could not be written.", number::plural(dropped, "line", "lines"))
    });
    dynamic(move || {
        open.get().then(|| {
            view! {
                <tr role="row" class="run-details" data-testid="run-details">
                    <td role="cell" colspan="9">
                        {ending.as_ref().map(|ending| view! { <p>{prose(ending)}</p> })}
                        {dropped.clone().map(|dropped| view! { <p class="muted">{dropped}</p> })}
                        {(!lines.is_empty()).then(|| last_lines(&lines))}
                    </td>
                </tr>
            }
        })
    })
}
