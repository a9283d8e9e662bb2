//! What is being done to an app, step by step, above whichever of its parts is open; and what came of it, until it is
//! put away. The overview shows the same among its panels.

use leptos::prelude::*;
use mantyx_api_types::core::{OperationId, OperationKind, OperationStatus, StepStatus};
use mantyx_api_types::{AppView, OperationView, StepView};

use crate::components::{Icon, LogView, dynamic, icon, log_view, operation_steps};
use crate::route::Tab;
use crate::state::{Follow, State, last_seen, memo};

/// The panel, whenever there is something to show.
pub(super) fn progress(state: State, app: Signal<AppView>, tab: Memo<Tab>) -> AnyView {
    let last = memo(move || state.store.last_operation(app.read().id));
    let id = memo(move || last.read().as_ref().map(|operation| operation.id));
    // What was over before this screen was opened is no news.
    let before = last.get_untracked().filter(|operation| operation.status != OperationStatus::Running);
    let put_away = RwSignal::new(before.map(|operation| operation.id));
    let shown = memo(move || id.get().filter(|id| Some(*id) != put_away.get() && tab.get() != Tab::Overview));
    dynamic(move || shown.get().and_then(|id| panel(state, id, put_away)))
}

fn panel(state: State, id: OperationId, put_away: RwSignal<Option<OperationId>>) -> Option<AnyView> {
    let first = untrack(|| state.store.operation(id))?;
    let kind = first.kind;
    let operation = last_seen(first, move || state.store.operation(id));
    let over = memo(move || operation.read().status != OperationStatus::Running);
    // Until somebody decides, the log is shown while there is something to see in it.
    let (building, wish) = (memo(move || is_built(&operation.read())), RwSignal::new(None::<bool>));
    let open = memo(move || wish.get().unwrap_or_else(|| building.get()));
    let log = move || {
        log_view(
            state,
            LogView {
                follow: Follow::Operation(id),
                search: None,
                more: ViewFn::default(),
                nothing: "Nothing was written for it",
            },
        )
    };
    let panel = view! {
        <section class="panel" aria-label="What is being done" data-testid="progress">
            {operation_steps(state, operation)}
            <div class="operation-foot">
                {writes_log(kind).then(|| log_button(open, wish))}
                {dynamic(move || over.get().then(|| view! {
                    <button type="button" class="button small" data-testid="progress-hide" on:click=move |_| put_away.set(Some(id))>
                        {icon(Icon::Close)} "Put away"
                    </button>
                }))}
            </div>
            {dynamic(move || open.get().then(log))}
        </section>
    };
    Some(panel.into_any())
}

/// Whether an environment may be built, which is what has a log.
const fn writes_log(kind: OperationKind) -> bool {
    matches!(
        kind,
        OperationKind::Install
            | OperationKind::Update
            | OperationKind::Rollback
            | OperationKind::Rename
            | OperationKind::RestoreBackup
            | OperationKind::Repair
    )
}

/// Whether its environment is being built, or could not be.
fn is_built(operation: &OperationView) -> bool {
    let shows = |step: &StepView| matches!(step.status, StepStatus::Running | StepStatus::Failed);
    operation.steps.iter().any(|step| step.name == "build" && shows(step))
}

fn log_button(open: Memo<bool>, wish: RwSignal<Option<bool>>) -> AnyView {
    view! {
        <button
            type="button"
            class="button small unfold"
            data-testid="progress-log"
            aria-expanded=move || open.get().to_string()
            on:click=move |_| wish.set(Some(!open.get_untracked()))
        >
            {icon(Icon::Unfold)}
            "Log"
        </button>
    }
    .into_any()
}
