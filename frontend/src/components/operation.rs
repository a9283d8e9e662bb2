//! An operation: how far it has come, its steps, what came of each, and why it failed. One that failed is undone step
//! by step, which is shown as it happens.

use leptos::prelude::*;
use mantyx_api_types::core::{Code, OperationStatus, StepStatus};
use mantyx_api_types::{OperationView, StepView};

use super::dynamic::{IntoViews, dynamic};
use super::icon::{Icon, icon};
use super::notice::{notice, prose};
use crate::state::{State, memo};
use crate::text::{number, operations, time};

/// Its steps under a line that fills as they are done.
pub(crate) fn operation_steps(state: State, operation: Signal<OperationView>) -> impl IntoView {
    let share = move || share_done(&operation.read());
    // That it was called off is no problem to whoever did it.
    let problem =
        memo(move || operation.read().problem.clone().filter(|problem| problem.code != Code::Cancelled));
    let stand = memo(move || Stand::of(&operation.read()));
    view! {
        <div class="operation">
            <div class="operation-head">
                <h2>{dynamic(move || operations::operation(operation.read().kind))}</h2>
                <span class="muted" data-testid="operation-status" data-status=move || stand.get().key()>
                    {dynamic(move || status_words(state, &operation.read()))}
                </span>
                {dynamic(move || cancel_button(state, &operation.read()))}
                // What is seen counts the time; a reader hears only of what changes.
                <span class="hidden" role="status">{dynamic(move || stand.get().word())}</span>
            </div>
            <div
                class=move || format!("progress progress-{}", stand.get().key())
                role="progressbar"
                aria-label="Steps done"
                aria-valuemin="0"
                aria-valuemax="100"
                aria-valuenow=move || number::tenths(share() * 100.0)
            >
                <span style:width=move || number::length(share())></span>
            </div>
            <ol class="steps">
                {dynamic(move || {
                    let operation = operation.read();
                    let steps = operation.steps.iter();
                    steps.map(|step| step_line(state, step, detail(&operation, step))).into_views()
                })}
            </ol>
            {dynamic(move || problem.get().map(|problem| notice(&problem.detail, problem.hint.as_deref())))}
        </div>
    }
}

/// How an operation stands, as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Ended(OperationStatus),
    UnderWay,
    /// It failed, and what it did is being undone.
    BeingUndone,
    /// It was called off, and what it did is being undone.
    BeingCalledOff,
}

impl Stand {
    fn of(operation: &OperationView) -> Self {
        match (operation.status, operation.problem.as_ref().map(|problem| problem.code)) {
            (OperationStatus::Running, Some(Code::Cancelled)) => Self::BeingCalledOff,
            (OperationStatus::Running, Some(_)) => Self::BeingUndone,
            (OperationStatus::Running, None) => Self::UnderWay,
            (status, _) => Self::Ended(status),
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Ended(status) => status.as_str(),
            Self::UnderWay => OperationStatus::Running.as_str(),
            Self::BeingUndone | Self::BeingCalledOff => "undoing",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Ended(OperationStatus::Succeeded) => "Done",
            Self::Ended(OperationStatus::Cancelled) => "Cancelled",
            Self::Ended(_) => "Failed",
            Self::UnderWay => "Under way",
            Self::BeingUndone => "Failed, and is being undone",
            Self::BeingCalledOff => "Cancelled, and is being undone",
        }
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

fn status_words(state: State, operation: &OperationView) -> String {
    let took = operation.finished_at.map(|end| time::duration(end - operation.started_at));
    let left = operations::undone(operation.kind);
    match (Stand::of(operation), took) {
        (stand @ (Stand::BeingUndone | Stand::BeingCalledOff), _) => stand.word().to_owned(),
        (Stand::UnderWay, _) => format!("Under way for {}", state.clock.since(operation.started_at)),
        (Stand::Ended(OperationStatus::Failed), _) => format!("Failed: {left}"),
        (Stand::Ended(OperationStatus::Cancelled), _) => format!("Cancelled: {left}"),
        (Stand::Ended(_), Some(took)) => format!("Done in {took}"),
        (Stand::Ended(_), None) => "Done".to_owned(),
    }
}

fn cancel_button(state: State, operation: &OperationView) -> Option<impl IntoView + use<>> {
    let shown = operation.cancellable && operation.status == OperationStatus::Running;
    let operation = operation.clone();
    shown.then(move || {
        view! {
            <button
                type="button"
                class="button"
                data-testid="operation-cancel"
                title="Calls it off, and undoes what it did"
                on:click=move |_| state.cancel(&operation)
            >
                "Cancel"
            </button>
        }
    })
}

/// What came of a step. Why it failed stands below all of them, and is not said twice.
fn detail(operation: &OperationView, step: &StepView) -> Option<String> {
    let problem = operation.problem.as_ref().filter(|problem| problem.code != Code::Cancelled);
    step.detail.clone().filter(|detail| problem.is_none_or(|problem| problem.detail != *detail))
}

fn step_line(state: State, step: &StepView, detail: Option<String>) -> impl IntoView + use<> {
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
        StepStatus::Undone => Some(icon(Icon::Undo)),
        StepStatus::Pending | StepStatus::Running => None,
    };
    let (start, end) = (step.started_at, step.finished_at);
    let took = move || {
        let start = start?;
        Some(end.map_or_else(|| state.clock.since(start), |end| time::duration(end - start)))
    };
    view! {
        <li class=class data-testid=format!("step-{}", step.name) data-status=word>
            <span class="step-mark">{mark}</span>
            <span>
                <span class="step-title">{step.title.clone()}</span>
                <span class=if matches!(step.status, StepStatus::Undone | StepStatus::Failed) { "muted" } else { "hidden" }>{format!(": {word}")}</span>
                {detail.map(|detail| view! { <span class="muted">" · "{prose(&detail)}</span> })}
            </span>
            <span class="step-time">{dynamic(took)}</span>
        </li>
    }
}
