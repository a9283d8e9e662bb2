//! An operation: how far it has come, its steps, and why it failed.

use leptos::prelude::*;
use mantyx_api_types::core::{OperationStatus, StepStatus};
use mantyx_api_types::{OperationView, StepView};

use super::dynamic::{IntoViews, dynamic};
use super::icon::{Icon, icon};
use super::notice::{notice, prose};
use crate::state::State;
use crate::text::{number, time, words};

/// Its steps under a line that fills as they are done.
pub(crate) fn operation_steps(state: State, operation: Signal<OperationView>) -> impl IntoView {
    let share = move || share_done(&operation.read());
    let problem = move || {
        let operation = operation.read();
        operation.problem.as_ref().map(|problem| notice(&problem.detail, problem.hint.as_deref()))
    };
    view! {
        <div class="operation">
            <div class="operation-head">
                <h3>{dynamic(move || words::operation(operation.read().kind))}</h3>
                <span class="muted" data-testid="operation-status" data-status=move || status_key(operation.read().status)>
                    {dynamic(move || status_words(state, &operation.read()))}
                </span>
                {dynamic(move || cancel_button(state, &operation.read()))}
            </div>
            <div
                class=move || format!("progress progress-{}", status_key(operation.read().status))
                role="progressbar"
                aria-label="Steps done"
                aria-valuemin="0"
                aria-valuemax="100"
                aria-valuenow=move || number::tenths(share() * 100.0)
            >
                <span style:width=move || number::length(share())></span>
            </div>
            <ol class="steps">
                {dynamic(move || operation.read().steps.iter().map(|step| step_line(state, step)).into_views())}
            </ol>
            {dynamic(problem)}
        </div>
    }
}

#[allow(clippy::cast_precision_loss, reason = "an operation has a handful of steps")]
fn share_done(operation: &OperationView) -> f64 {
    if operation.status == OperationStatus::Succeeded || operation.steps.is_empty() {
        return f64::from(u8::from(operation.status == OperationStatus::Succeeded));
    }
    let done = operation.steps.iter().filter(|step| step.status == StepStatus::Done).count() as f64;
    let running = operation.steps.iter().filter(|step| step.status == StepStatus::Running).count() as f64;
    (done + running * 0.5) / operation.steps.len() as f64
}

const fn status_key(status: OperationStatus) -> &'static str {
    status.as_str()
}

fn status_words(state: State, operation: &OperationView) -> String {
    let took = operation.finished_at.map(|end| time::duration(end - operation.started_at));
    match (operation.status, took) {
        (OperationStatus::Running, _) => format!("Under way for {}", state.clock.since(operation.started_at)),
        (OperationStatus::Succeeded, Some(took)) => format!("Done in {took}"),
        (OperationStatus::Succeeded, None) => "Done".to_owned(),
        (OperationStatus::Failed, _) => "Failed: nothing of it remains".to_owned(),
        (OperationStatus::Cancelled, _) => "Cancelled: nothing of it remains".to_owned(),
    }
}

fn cancel_button(state: State, operation: &OperationView) -> Option<impl IntoView + use<>> {
    let shown = operation.cancellable && operation.status == OperationStatus::Running;
    let operation = operation.clone();
    shown.then(move || {
        view! {
            <button type="button" class="button" on:click=move |_| state.cancel(&operation)>"Cancel"</button>
        }
    })
}

fn step_line(state: State, step: &StepView) -> impl IntoView + use<> {
    let (class, word) = match step.status {
        StepStatus::Pending => ("step pending", "to do"),
        StepStatus::Running => ("step running", "under way"),
        StepStatus::Done => ("step done", "done"),
        StepStatus::Failed => ("step failed", "failed"),
        StepStatus::Undone => ("step undone", "undone"),
    };
    let mark = match step.status {
        StepStatus::Done => Some(icon(Icon::Check)),
        StepStatus::Failed => Some(icon(Icon::Close)),
        _ => None,
    };
    let (start, end) = (step.started_at, step.finished_at);
    let took = move || {
        let start = start?;
        Some(end.map_or_else(|| state.clock.since(start), |end| time::duration(end - start)))
    };
    view! {
        <li class=class>
            <span class="step-mark">{mark}</span>
            <span>
                {step.title.clone()} <span class="hidden">{format!(": {word}")}</span>
                {step.detail.clone().map(|detail| view! { <span class="muted">" · "{prose(&detail)}</span> })}
            </span>
            <span class="step-time">{dynamic(took)}</span>
        </li>
    }
}
