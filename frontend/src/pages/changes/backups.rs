//! What of an app was kept: by hand, or before each change; and how it comes back.

use leptos::prelude::*;
use mantyx_api_types::{AppView, BackupRequest, BackupRestoreRequest, BackupView};

use super::fetch::{Fetched, fetched, of_app};
use super::parts::remove_button;
use crate::components::{AnswerButton, Icon, IntoViews, Question, dynamic, empty, icon, prose, question};
use crate::state::{State, clock, derived};
use crate::text::{events, number, operations};

/// The signals of the tab.
#[derive(Clone, Copy)]
struct Model {
    state: State,
    app: Signal<AppView>,
    list: Fetched<Vec<BackupView>>,
    make: Question,
    restore: Question,
    remove: Question,
    /// The backup that a question is about.
    chosen: RwSignal<Option<BackupView>>,
    /// Whether the app's own files are meant as well.
    data: RwSignal<bool>,
}

impl Model {
    fn name(self) -> String {
        self.app.with_untracked(|app| app.name.to_string())
    }

    fn ask(self, question: Question, backup: Option<BackupView>) {
        self.chosen.set(backup);
        self.data.set(false);
        question.ask();
    }

    fn submit_make(self) {
        let (state, name, data) = (self.state, self.name(), self.data.get_untracked());
        let answer = async move { state.client.back_up(&name, &BackupRequest { data }).await };
        self.make.send(answer, move |operation| state.store.put_operation(operation));
    }

    fn submit_restore(self) {
        let Some(backup) = self.chosen.get_untracked() else { return };
        let (state, name, data) = (self.state, self.name(), self.data.get_untracked());
        let answer = async move {
            state.client.restore_backup(&name, backup.id, &BackupRestoreRequest { data }).await
        };
        self.restore.send(answer, move |operation| state.store.put_operation(operation));
    }

    fn submit_remove(self) {
        let Some(backup) = self.chosen.get_untracked() else { return };
        let (state, name) = (self.state, self.name());
        let answer = async move { state.client.remove_backup(&name, backup.id).await };
        self.remove.send(answer, move |()| {
            self.list.try_update(|list| {
                if let Some(Ok(list)) = list {
                    list.retain(|known| known.id != backup.id);
                }
            });
            state.toasts.good("The backup is removed".to_owned(), None);
        });
    }
}

/// The tab.
pub(super) fn backups(state: State, app: Signal<AppView>) -> AnyView {
    let list = of_app(state, app, move |app| async move {
        let mut backups = state.client.backups(&app).await?;
        backups.sort_unstable_by_key(|backup| std::cmp::Reverse(backup.made_at));
        Ok(backups)
    });
    let (make, restore, remove) = (Question::new(), Question::new(), Question::new());
    let (chosen, data) = (RwSignal::new(None), RwSignal::new(false));
    let model = Model { state, app, list, make, restore, remove, chosen, data };
    view! {
        <div class="tab-head">
            <p class="spring muted">"A backup is made before each change, and whenever you ask. What is restored is the same app: code, configuration, packages and schedules."</p>
            <button type="button" class="button primary" data-testid="backup" on:click=move |_| model.ask(make, None)>
                {icon(Icon::Download)} "Back up now"
            </button>
        </div>
        {fetched(list, 5, move |backups| if backups.is_empty() { nothing() } else { table(model, backups) })}
        {make_question(model)}
        {restore_question(model)}
        {remove_question(model)}
    }
    .into_any()
}

fn nothing() -> AnyView {
    let words = view! { <p>"The first is made before the first change of this app, or when you ask for it. It holds the code, the configuration, the packages and the schedules, and the app's own files if you want."</p> };
    empty("No backup yet", words).into_any()
}

fn table(model: Model, backups: &[BackupView]) -> AnyView {
    view! {
        <div class="panel">
            <table class="backups" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Made"</th>
                        <th role="columnheader" scope="col">"Why"</th>
                        <th role="columnheader" scope="col" class="number">"Release"</th>
                        <th role="columnheader" scope="col" class="number">"Configuration"</th>
                        <th role="columnheader" scope="col">"Holds"</th>
                        <th role="columnheader" scope="col" class="number">"Size"</th>
                        <th role="columnheader" scope="col"><span class="hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{backups.iter().map(|backup| row(model, backup)).into_views()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(model: Model, backup: &BackupView) -> AnyView {
    let (at, state) = (backup.made_at, model.state);
    let (back, gone) = (backup.clone(), backup.clone());
    let holds = if backup.data { "app and data" } else { "app" };
    view! {
        <tr role="row" data-testid="backup-row">
            <td role="cell" class="cell-made">
                <time title=clock::stamp(at)>{dynamic(move || state.clock.moment(at))}</time>
                <span class="muted">" by " {events::by(&backup.made_by)}</span>
            </td>
            <td role="cell" class="cell-reason">{operations::backup_reason(backup.reason)}</td>
            <td role="cell" class="number"><span class="only-narrow muted">"release "</span>{backup.release}</td>
            <td role="cell" class="number muted"><span class="only-narrow">"configuration "</span>{backup.revision}</td>
            <td role="cell">{holds}</td>
            <td role="cell" class="number muted">{number::bytes(backup.bytes)}</td>
            <td role="cell" class="cell-actions">
                <div class="actions">
                    <button type="button" class="button small" data-testid="backup-restore" on:click=move |_| model.ask(model.restore, Some(back.clone()))>
                        {icon(Icon::Undo)} "Restore"
                    </button>
                    {remove_button("backup-remove", "this backup", move || model.ask(model.remove, Some(gone.clone())))}
                </div>
            </td>
        </tr>
    }
    .into_any()
}

fn data_check(model: Model, id: &'static str, label: &'static str) -> AnyView {
    view! {
        <label class="check" data-testid=id>
            <input
                type="checkbox"
                prop:checked=model.data
                on:change:target=move |event| model.data.set(event.target().checked())
            />
            {label}
        </label>
    }
    .into_any()
}

fn make_question(model: Model) -> AnyView {
    let content = view! {
        <div class="stack-tight">
            <p>"Code, configuration, packages and schedules are kept. The app goes on running."</p>
            {data_check(model, "backup-data", "Keep its own files too")}
            {dynamic(move || (model.data.get() && model.app.read().pid.is_some()).then(|| view! {
                <p class="muted small">"It is running: a file that it writes to meanwhile may be kept in part. Stop it first where that matters."</p>
            }))}
        </div>
    };
    let answer = AnswerButton {
        id: "backup-submit",
        title: "Back up",
        class: "button primary",
        ready: derived(|| true),
        submit: Callback::new(move |()| model.submit_make()),
    };
    question(model.make, move || format!("Back up {}", model.app.read().name), content, answer)
}

fn restore_question(model: Model) -> AnyView {
    let release = move || model.chosen.read().as_ref().map(|backup| backup.release).unwrap_or_default();
    let title = move || match model.chosen.get() {
        Some(backup) => format!("Restore the backup of {}?", model.state.clock.moment(backup.made_at)),
        None => String::new(),
    };
    let running = move || {
        if model.app.read().pid.is_some() {
            "The app is stopped, and started again as it was then. If it does not become healthy, everything is as it is now."
        } else {
            "The app does not run, so it is not started."
        }
    };
    let has_data = move || model.chosen.read().as_ref().is_some_and(|backup| backup.data);
    let content = view! {
        <div class="stack-tight">
            <ul class="happens">
                <li>{dynamic(move || format!("The code, packages, configuration and schedules of then take the place of those of now. Release {} that was kept comes back as a release of its own.", release()))}</li>
                <li>"What is there now is backed up first."</li>
                <li>{dynamic(running)}</li>
            </ul>
            {dynamic(move || if has_data() {
                view! {
                    {data_check(model, "restore-data", "Put its own files back too")}
                    <p class="muted small">"What it wrote since then is replaced. Without this its files stay as they are."</p>
                }.into_any()
            } else {
                view! { <p class="muted small">"Its own files were not kept in this backup, and stay as they are."</p> }.into_any()
            })}
        </div>
    };
    let answer = AnswerButton {
        id: "backup-restore-submit",
        title: "Restore",
        class: "button primary",
        ready: derived(|| true),
        submit: Callback::new(move |()| model.submit_restore()),
    };
    question(model.restore, title, content, answer)
}

fn remove_question(model: Model) -> AnyView {
    let words = move || {
        let backup = model.chosen.get()?;
        let made = clock::stamp(backup.made_at);
        let data = if backup.data { ", with the app's own files that it holds" } else { "" };
        Some(
            view! { <p>{prose(&format!("The backup of `{made}` is gone for good{data}. Releases that are still kept stay."))}</p> },
        )
    };
    let answer = AnswerButton {
        id: "backup-remove-submit",
        title: "Remove it",
        class: "button danger",
        ready: derived(|| true),
        submit: Callback::new(move |()| model.submit_remove()),
    };
    question(model.remove, "Remove this backup?", dynamic(words), answer)
}
