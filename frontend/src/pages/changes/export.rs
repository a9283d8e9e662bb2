//! Exporting all of Mantyx, and the exports that can be fetched.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::{EventKind, OperationKind, OperationStatus};
use mantyx_api_types::{ExportRequest, ExportView};

use super::fetch::{Fetched, fetched};
use super::parts::remove_button;
use super::transfer::steps;
use crate::components::{AnswerButton, Icon, IntoViews, Question, dynamic, icon, prose, question};
use crate::state::{State, clock, derived, memo};
use crate::text::number;

/// The signals of the panel.
#[derive(Clone, Copy)]
struct Model {
    state: State,
    list: Fetched<Vec<ExportView>>,
    logs: RwSignal<bool>,
    busy: RwSignal<bool>,
    remove: Question,
    /// The export that the question is about.
    chosen: RwSignal<Option<ExportView>>,
}

impl Model {
    fn load(self) {
        spawn_local(async move {
            self.list.try_set(Some(self.state.client.exports().await));
        });
    }

    fn begin(self) {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        let request = ExportRequest { logs: self.logs.get_untracked() };
        spawn_local(async move {
            let answer = self.state.client.export(&request).await;
            self.busy.try_set(false);
            match answer {
                Ok(operation) => self.state.store.put_operation(operation),
                Err(failure) => self.state.toasts.failure(&failure),
            }
        });
    }

    fn submit_remove(self) {
        let Some(export) = self.chosen.get_untracked() else { return };
        let state = self.state;
        let answer = async move { state.client.remove_export(export.id).await };
        self.remove.send(answer, move |()| {
            state.toasts.good("The export is removed".to_owned(), None);
            self.load();
        });
    }
}

/// The panels.
pub(super) fn export(state: State) -> AnyView {
    let (list, remove) = (RwSignal::new(None), Question::new());
    let (logs, busy, chosen) = (RwSignal::new(false), RwSignal::new(false), RwSignal::new(None));
    let model = Model { state, list, logs, busy, remove, chosen };
    let removed = memo(move || state.store.last_event(&[EventKind::ExportRemoved], None));
    state.keep_loaded(move || {
        let _ = (state.store.ended(), removed.get());
        model.load();
    });
    view! {
        <section class="panel" aria-label="Export" data-testid="export">
            <h2 class="panel-title">"Export"</h2>
            <div class="lines">
                <p class="muted">"One archive with every app, its releases, data and backups, the trash, the schedules, the secrets and the history. Apps go on meanwhile; a file that one is writing may be in it half written. Environments, tokens and settings stay here."</p>
                <p class="warnings">{icon(Icon::Key)} <span>"It holds the key of the secrets: whoever has it has everything. Keep it as you keep a password."</span></p>
                {begin(model)}
            </div>
            {steps(state, OperationKind::Export)}
        </section>
        {fetched(list, 2, move |exports| if exports.is_empty() { ().into_any() } else { table(model, exports) })}
        {remove_question(model)}
    }
    .into_any()
}

fn begin(model: Model) -> AnyView {
    let under_way = memo(move || {
        let last = model.state.store.last_of(OperationKind::Export);
        last.is_some_and(|last| last.status == OperationStatus::Running)
    });
    let off = move || (model.busy.get() || under_way.get()).to_string();
    let press = move |_| {
        if !under_way.get_untracked() {
            model.begin();
        }
    };
    view! {
        <div class="row">
            <button type="button" class="button primary" data-testid="export-begin" aria-disabled=off on:click=press>
                {icon(Icon::Download)} "Export everything"
            </button>
            <label class="check" data-testid="export-logs">
                <input
                    type="checkbox"
                    prop:checked=model.logs
                    on:change:target=move |event| model.logs.set(event.target().checked())
                />
                "With the logs of apps"
            </label>
        </div>
    }
    .into_any()
}

fn table(model: Model, exports: &[ExportView]) -> AnyView {
    view! {
        <div class="panel">
            <table class="exports" role="table" aria-label="Exports">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"As of"</th>
                        <th role="columnheader" scope="col" class="number">"Size"</th>
                        <th role="columnheader" scope="col">"Holds"</th>
                        <th role="columnheader" scope="col">"Kept"</th>
                        <th role="columnheader" scope="col"><span class="hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{exports.iter().map(|export| row(model, export)).into_views()}</tbody>
            </table>
            {exports.iter().filter(|export| export.left_out_count > 0).map(left_out).into_views()}
        </div>
    }
    .into_any()
}

fn row(model: Model, export: &ExportView) -> AnyView {
    let (state, id, at, until) = (model.state, export.id, export.made_at, export.kept_until);
    let gone = export.clone();
    view! {
        <tr role="row" data-testid="export-row">
            <td role="cell" class="cell-export">
                <time title=clock::stamp(at)>{dynamic(move || state.clock.moment(at))}</time>
                <span class="muted">" " {export.file_name.clone()}</span>
            </td>
            <td role="cell" class="number">{number::bytes(export.bytes)}</td>
            <td role="cell" class="muted">{holds(export)}</td>
            <td role="cell" class="muted" title=clock::stamp(until)>"until " {dynamic(move || state.clock.moment(until))}</td>
            <td role="cell" class="cell-actions">
                <div class="actions">
                    <button type="button" class="button small" data-testid="export-fetch" on:click=move |_| state.fetch_export(id)>
                        {icon(Icon::Download)} "Download"
                    </button>
                    {remove_button("export-remove", "this export", move || {
            model.chosen.set(Some(gone.clone()));
            model.remove.ask();
        })}
                </div>
            </td>
        </tr>
    }
    .into_any()
}

fn holds(export: &ExportView) -> String {
    let files = number::plural(usize::try_from(export.files).unwrap_or(usize::MAX), "file", "files");
    let logs = if export.logs { ", with logs" } else { "" };
    format!("{files} of {}{logs}", number::bytes(export.content_bytes))
}

/// What is not in an export as it was on the disk.
fn left_out(export: &ExportView) -> AnyView {
    let count = usize::try_from(export.left_out_count).unwrap_or(usize::MAX);
    let title =
        format!("{} left out of {}", number::plural(count, "thing was", "things were"), export.file_name);
    let lines = export.left_out.iter().map(|line| view! { <li>{prose(line)}</li> }).into_views();
    let rest = count.saturating_sub(export.left_out.len());
    let more =
        (rest > 0).then(|| view! { <li class="muted">{format!("and {} more", number::count(rest))}</li> });
    view! {
        <details class="packages" data-testid="export-left-out">
            <summary>{title}</summary>
            <ul class="left-out">{lines} {more}</ul>
        </details>
    }
    .into_any()
}

fn remove_question(model: Model) -> AnyView {
    let answer = AnswerButton {
        id: "export-remove-submit",
        title: "Remove it",
        class: "button danger",
        ready: derived(|| true),
        submit: Callback::new(move |()| model.submit_remove()),
    };
    let words =
        view! { <p>"What was downloaded of it stays where it is. Another can be made at any time."</p> };
    question(model.remove, "Remove this export?", words, answer)
}
