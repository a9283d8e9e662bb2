//! What an app is told: the same fields as when it was added, saved against the revision that was read. An app that
//! runs can be restarted with it in the same breath; then a change that does not do is undone.

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::{AppEvent, AppName, AppState, AppType, Code, OperationId, OperationStatus};
use mantyx_api_types::{AppPatch, AppView, ConfigurationView, NewSchedule, OperationView, SchedulePatch};

use crate::api::Failure;
use crate::components::{Look, action_button, dynamic, failure_notice, form_notice, notice, skeleton};
use crate::pages::add::own_error;
use crate::pages::form::{FormModel, Naming, fields, schedule_errors};
use crate::state::form::Form;
use crate::state::{State, clock, effect, memo};

/// What was read of the app, to be changed against.
type Start = (AppView, ConfigurationView, String);

/// The tab.
pub(super) fn configuration(state: State, app: Signal<AppView>) -> impl IntoView {
    let read = RwSignal::new(None::<Result<Start, Failure>>);
    // What was read stays: somebody may be at changing it, and a change in between is found when it is saved.
    state.keep_loaded(move || {
        if !read.with_untracked(|read| matches!(read, Some(Ok(_)))) {
            load(state, app, read);
        }
    });
    dynamic(move || match read.get() {
        None => skeleton(10).into_any(),
        Some(Err(failure)) => failure_notice(&failure).into_any(),
        Some(Ok(before)) => form(state, app, before, read).into_any(),
    })
}

fn load(state: State, app: Signal<AppView>, read: RwSignal<Option<Result<Start, Failure>>>) {
    let app = app.get_untracked();
    spawn_local(async move {
        let zone = state.client.system().await.map_or_else(|_| clock::timezone(), |system| system.timezone);
        let view = state.client.configuration(app.name.as_str()).await;
        read.try_set(Some(view.map(|view| (app, view, zone))));
    });
}

/// The signals of the form.
#[derive(Clone, Copy)]
struct Model {
    app: Signal<AppView>,
    read: RwSignal<Option<Result<Start, Failure>>>,
    form: FormModel,
    /// What was read, to be changed against.
    before: StoredValue<(AppView, ConfigurationView)>,
    changed: Memo<bool>,
    failure: RwSignal<Option<Failure>>,
    busy: RwSignal<bool>,
    /// The restart that takes it into use.
    restart: RwSignal<Option<OperationId>>,
}

/// What becomes of a process that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It keeps the configuration that it was started with.
    Keep,
    /// It is restarted with the new one.
    Restart,
}

impl Model {
    /// Whether nothing can be saved now.
    fn is_off(self) -> bool {
        self.busy.get() || self.restart.get().is_some() || !self.changed.get()
    }

    fn submit(self, then: Then) {
        if untrack(|| self.is_off()) {
            return;
        }
        self.busy.set(true);
        self.failure.set(None);
        spawn_local(async move {
            let state = self.form.state;
            let (app, view) = self.before.get_value();
            let form = self.form.form.get_untracked();
            let saved = match then {
                Then::Keep => save(state, app.name.as_str(), &form, &app, &view).await.map(|()| None),
                Then::Restart => save_and_restart(state, &form, &app, &view).await.map(Some),
            };
            match saved {
                Ok(Some(operation)) => {
                    self.restart.try_set(Some(operation.id));
                    state.store.put_operation(operation);
                }
                Ok(None) => {
                    state.toasts.good(format!("The configuration of `{}` is saved", app.name), None);
                    load(state, self.app, self.read);
                }
                Err(error) => {
                    self.form.errors.try_set(error.fields());
                    self.failure.try_set(Some(error));
                }
            }
            self.busy.try_set(false);
        });
    }

    /// Once the restart is over: what holds now is read anew. What was undone stays in the form, to be mended.
    fn await_restart(self) {
        effect(move || {
            let Some(id) = self.restart.get() else { return };
            let status = self.form.state.store.operation(id).map(|operation| operation.status);
            if status.is_none_or(|status| status == OperationStatus::Running) {
                return;
            }
            self.restart.set(None);
            if status == Some(OperationStatus::Succeeded) {
                load(self.form.state, self.app, self.read);
            }
        });
    }
}

fn form(
    state: State,
    app: Signal<AppView>,
    (then, view, zone): Start,
    read: RwSignal<Option<Result<Start, Failure>>>,
) -> impl IntoView {
    let start = Form::read(&then, &view.configuration, view.schedules.first(), &zone);
    let form = FormModel::new(state, start.clone(), &view);
    let (revision, restart_needed) = (view.revision, view.restart_needed);
    let model = Model {
        app,
        read,
        form,
        before: StoredValue::new((then, view)),
        changed: memo(move || form.form.with(|form| *form != start)),
        failure: RwSignal::new(None),
        busy: RwSignal::new(false),
        restart: RwSignal::new(None),
    };
    model.await_restart();
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        model.submit(Then::Keep);
    };
    view! {
        <form class="stack form-page" novalidate on:submit=submit>
            {restart_needed.then(|| restart_notice(state, app))}
            {fields(form, Naming::Fixed)}
            {dynamic(move || model.form.shown(model.failure.get()).map(|failure| said(state, app, &failure, read)))}
            {save_row(model, revision)}
        </form>
    }
}

fn save_row(model: Model, revision: u32) -> impl IntoView {
    let runs = memo(move || {
        let app = model.app.read();
        app.r#type == AppType::Perpetual && app.state == AppState::Running
    });
    let words = move || {
        match (model.restart.get().is_some(), model.changed.get(), runs.get()) {
        (true, ..) => "It is being restarted with the new configuration. The steps are shown above.".to_owned(),
        (_, false, _) => format!("This is revision {revision}. Nothing was changed."),
        (_, true, true) => {
            "The process that runs keeps its old configuration until it is restarted. Restarted now, it gets the old one back if it does not become healthy.".to_owned()
        }
        (_, true, false) => "It is taken into use with the next start.".to_owned(),
    }
    };
    let off = move || model.is_off().to_string();
    let class = move || if runs.get() { "button" } else { "button primary" };
    view! {
        <div class="submit">
            <p class="muted">{dynamic(words)}</p>
            <button type="submit" class=class data-testid="save-configuration" aria-disabled=off>"Save"</button>
            {dynamic(move || runs.get().then(|| view! {
                <button
                    type="button"
                    class="button primary"
                    data-testid="save-and-restart"
                    aria-disabled=off
                    on:click=move |_| model.submit(Then::Restart)
                >
                    "Save and restart"
                </button>
            }))}
        </div>
    }
}

/// A change that somebody else made in between is said as such, with the way out.
fn said(
    state: State,
    app: Signal<AppView>,
    failure: &Failure,
    read: RwSignal<Option<Result<Start, Failure>>>,
) -> AnyView {
    if !failure.is(Code::Stale) {
        return form_notice(failure);
    }
    view! {
        <div class="row" data-testid="stale">
            {notice(
                "Somebody changed this configuration while you edited it",
                Some("Read it again and make your change once more. Nothing of yours was saved."),
            )}
            <button type="button" class="button" on:click=move |_| load(state, app, read)>"Read it again"</button>
        </div>
    }
    .into_any()
}

fn restart_notice(state: State, app: Signal<AppView>) -> impl IntoView {
    let legal = move || app.read().legal_events.contains(&AppEvent::Restart);
    view! {
        <div class="banner">
            <p>"The process that runs was started with an earlier configuration."</p>
            {dynamic(move || legal().then(|| action_button(state, app, AppEvent::Restart, Look::Full)))}
        </div>
    }
}

/// Saves what differs of the configuration, and restarts the app with it.
async fn save_and_restart(
    state: State,
    form: &Form,
    app: &AppView,
    before: &ConfigurationView,
) -> Result<OperationView, Failure> {
    let patch = form.patch(app, &before.configuration).map_err(|error| own_error(&error))?;
    state.client.change_and_restart(app.name.as_str(), &patch, before.revision).await
}

/// Saves what differs: the configuration against its revision, then the schedule.
pub(crate) async fn save(
    state: State,
    name: &str,
    form: &Form,
    app: &AppView,
    before: &ConfigurationView,
) -> Result<(), Failure> {
    let patch = form.patch(app, &before.configuration).map_err(|error| own_error(&error))?;
    let schedule = form.app_type == AppType::Scheduled;
    // A schedule that cannot be is found out before anything is saved.
    let spec = if schedule { Some(form.schedule().map_err(|error| own_error(&error))?) } else { None };
    if patch != AppPatch::default() {
        state.client.change_app(name, &patch, before.revision).await?;
    }
    let Some(spec) = spec else { return Ok(()) };
    let at_schedule = |failure: Failure| match schedule_errors(&failure).first() {
        Some(error) => own_error(error),
        None => failure,
    };
    match before.schedules.first() {
        Some(known) if known.spec == spec => Ok(()),
        Some(known) => {
            let patch = SchedulePatch { spec: Some(spec), ..SchedulePatch::default() };
            state.client.change_schedule(known.id, &patch).await.map_err(at_schedule)
        }
        None => {
            let app = AppName::parse(name).map_err(|error| Failure::field("name", &error.to_string()))?;
            let schedule = NewSchedule { app, name: "main".to_owned(), enabled: true, spec };
            state.client.add_schedule(&schedule).await.map(|_| ()).map_err(at_schedule)
        }
    }
}
