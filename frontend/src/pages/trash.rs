//! What was deleted: it can come back, or go for good.

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::{AppName, Code, OperationStatus};
use mantyx_api_types::{OperationView, RestoreRequest, TrashedAppView};

use crate::api::Failure;
use crate::components::{
    Dialog, Icon, IntoViews, dialog, dynamic, empty, failure_notice, icon, name_field, skeleton, type_word,
};
use crate::state::{State, clock, memo};
use crate::text::operations;

/// What is asked about an app in the trash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// Under which name it comes back.
    Name,
    /// Whether it shall really be gone.
    Purge,
}

/// The signals of the screen.
#[derive(Clone, Copy)]
struct Model {
    state: State,
    list: RwSignal<Option<Result<Vec<TrashedAppView>, Failure>>>,
    asked: RwSignal<Option<(TrashedAppView, Question)>>,
    typed: RwSignal<String>,
    failure: RwSignal<Option<Failure>>,
    dialog: Dialog,
}

impl Model {
    fn load(self) {
        spawn_local(async move {
            let list = self.state.client.trash().await;
            self.list.try_set(Some(list));
        });
    }

    fn question(self, app: TrashedAppView, question: Question) {
        self.typed.set(if question == Question::Name { format!("{}-2", app.name) } else { String::new() });
        self.failure.set(None);
        self.asked.set(Some((app, question)));
        self.dialog.open();
    }

    /// Brings an app back: at once where its name is free, else after asking for another.
    fn restore(self, app: TrashedAppView) {
        if !app.name_free {
            self.question(app, Question::Name);
            return;
        }
        spawn_local(async move {
            let answer = self.state.client.restore(app.id, &RestoreRequest::default()).await;
            match answer {
                Err(failure) if failure.is(Code::NameTaken) => self.question(app, Question::Name),
                answer => self.took(answer),
            }
        });
    }

    fn submit(self) {
        let Some((app, question)) = self.asked.get_untracked() else { return };
        let typed = self.typed.get_untracked().trim().to_owned();
        spawn_local(async move {
            let answer = match question {
                Question::Purge => self.state.client.purge(app.id, &typed).await,
                Question::Name => match AppName::parse(&typed) {
                    Ok(name) => self.state.client.restore(app.id, &RestoreRequest { name: Some(name) }).await,
                    Err(error) => Err(Failure::field("name", &error.to_string())),
                },
            };
            match answer {
                Err(failure) => self.failure.set(Some(failure)),
                answer => {
                    self.dialog.close();
                    self.took(answer);
                }
            }
        });
    }

    fn took(self, answer: Result<OperationView, Failure>) {
        match answer {
            Ok(operation) => self.state.store.put_operation(operation),
            Err(failure) => self.state.toasts.failure(&failure),
        }
        self.load();
    }
}

/// The screen.
pub(crate) fn trash(state: State) -> impl IntoView {
    let model = Model {
        state,
        list: RwSignal::new(None),
        asked: RwSignal::new(None),
        typed: RwSignal::new(String::new()),
        failure: RwSignal::new(None),
        dialog: Dialog::new(),
    };
    // Whenever an operation ends, the trash may hold something else.
    state.keep_loaded(move || {
        let _ = state.store.ended();
        model.load();
    });
    view! {
        <div class="page">
            <header class="head"><h1>"Trash"</h1></header>
            {dynamic(move || match model.list.get() {
                None => skeleton(4).into_any(),
                Some(Err(failure)) => failure_notice(&failure).into_any(),
                Some(Ok(apps)) if apps.is_empty() => nothing().into_any(),
                Some(Ok(apps)) => table(model, apps).into_any(),
            })}
            {ask(model)}
        </div>
    }
}

fn nothing() -> impl IntoView {
    empty(
        "The trash is empty",
        view! {
            <p>"An app that you delete waits here for a while with its code, data and schedules. Until it is deleted for good, it can come back as it was."</p>
        },
    )
}

fn table(model: Model, apps: Vec<TrashedAppView>) -> impl IntoView {
    view! {
        <div class="panel">
            <table class="trash" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"App"</th>
                        <th role="columnheader" scope="col">"Type"</th>
                        <th role="columnheader" scope="col">"Deleted"</th>
                        <th role="columnheader" scope="col"><span class="hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{apps.into_iter().map(|app| row(model, app)).into_views()}</tbody>
            </table>
        </div>
    }
}

fn row(model: Model, app: TrashedAppView) -> impl IntoView {
    let (deleted, clock) = (app.deleted_at, model.state.clock);
    let (id, name, display_name, is_free) =
        (app.id, app.name.to_string(), app.display_name.clone(), app.name_free);
    let (row_id, app_type) = (format!("trash-row-{name}"), app.r#type);
    let under_way = memo(move || {
        let last = model.state.store.last_operation(id);
        last.filter(|last| last.status == OperationStatus::Running).map(|last| last.kind)
    });
    view! {
        <tr role="row" data-testid=row_id>
            <td role="cell" class="cell-app">
                <b>{name}</b>
                <span class="muted">{display_name}</span>
                {(!is_free).then(|| view! { <span class="muted">"its name is taken by now"</span> })}
            </td>
            <td role="cell" class="muted">{type_word(app_type)}</td>
            <td role="cell"><time title=clock::stamp(deleted)>{dynamic(move || clock.ago(deleted))}</time></td>
            <td role="cell" class="cell-actions">{dynamic(move || match under_way.get() {
                Some(kind) => view! { <span class="badge state-busy"><span class="pulse" aria-hidden="true"></span> {operations::doing(kind)}</span> }.into_any(),
                None => actions(model, &app),
            })}</td>
        </tr>
    }
}

fn actions(model: Model, app: &TrashedAppView) -> AnyView {
    let (back, renamed, gone) = (app.clone(), app.clone(), app.clone());
    let other_name = app.name_free.then(|| {
        view! {
            <button
                type="button"
                class="button small"
                data-testid="restore-as"
                on:click=move |_| model.question(renamed.clone(), Question::Name)
            >
                "Under another name"
            </button>
        }
    });
    view! {
        <div class="actions">
            <button type="button" class="button small" data-testid="restore" on:click=move |_| model.restore(back.clone())>
                {icon(Icon::Restart)} "Restore"
            </button>
            {other_name}
            <button
                type="button"
                class="button small danger"
                data-testid="purge"
                on:click=move |_| model.question(gone.clone(), Question::Purge)
            >
                "Delete for good"
            </button>
        </div>
    }
    .into_any()
}

fn ask(model: Model) -> impl IntoView {
    let title = move || match model.asked.get() {
        Some((app, Question::Purge)) => format!("Delete {} for good?", app.name),
        Some((app, Question::Name)) => format!("Restore {} under another name", app.name),
        None => String::new(),
    };
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        model.submit();
    };
    let content = view! {
        <form class="stack" novalidate on:submit=submit>
            {dynamic(move || model.asked.get().map(|(app, question)| fields(model, &app, question)))}
            {dynamic(move || model.failure.get().map(|failure| failure_notice(&failure)))}
            <div class="submit">
                <button type="button" class="button" on:click=move |_| model.dialog.close()>"Keep it here"</button>
                {dynamic(move || model.asked.get().map(|(app, question)| answer_button(model, app.name.to_string(), question)))}
            </div>
        </form>
    };
    dialog(model.dialog, title, content)
}

fn fields(model: Model, app: &TrashedAppView, question: Question) -> impl IntoView + use<> {
    let (name, is_free) = (app.name.as_str(), app.name_free);
    let (id, words, label) = match question {
        Question::Purge => (
            "purge-confirm",
            format!(
                "Its code, data and environment are removed and nothing brings them back. Its history stays. Type `{name}` to confirm."
            ),
            "Name of the app",
        ),
        Question::Name if is_free => ("restore-name", format!("It was called `{name}`."), "New name"),
        Question::Name => ("restore-name", format!("Another app is called `{name}` by now."), "New name"),
    };
    let field = name_field(id, label, model.typed, model.failure);
    view! { <p>{crate::components::prose(&words)}</p> {field} }
}

fn answer_button(model: Model, name: String, question: Question) -> impl IntoView {
    let ready = move || question == Question::Name || model.typed.read().trim() == name;
    let (class, id, title) = match question {
        Question::Purge => ("button danger", "purge-submit", "Delete for good"),
        Question::Name => ("button primary", "restore-submit", "Restore"),
    };
    view! {
        <button type="submit" class=class data-testid=id aria-disabled=move || (!ready()).to_string()>{title}</button>
    }
}
