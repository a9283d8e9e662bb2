//! The second step: what was found, and what the app should do. Then the third, once the form is right.

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::{AppName, AppState, FieldError, Found, OperationKind, OperationStatus};
use mantyx_api_types::{AppView, ConfigurationView};

use super::install::install;
use super::{Step, steps};
use crate::api::Failure;
use crate::components::{Icon, IntoViews, dynamic, failure_notice, form_notice, icon, prose, skeleton};
use crate::pages::form::{FormModel, Naming, fields};
use crate::pages::not_found;
use crate::route::Route;
use crate::state::State;
use crate::state::clock;
use crate::state::form::Form;
use crate::text::number;

/// Everything that the step begins with.
#[derive(Clone)]
struct Loaded {
    app: AppView,
    view: ConfigurationView,
    timezone: String,
}

/// The screen of the second and third step.
pub(crate) fn setup(state: State, name: String) -> impl IntoView {
    let loaded = RwSignal::new(None::<Result<Loaded, Failure>>);
    let step = RwSignal::new(None::<Step>);
    let app = name.clone();
    // What is being filled in stays as it is.
    state.keep_loaded(move || {
        if !loaded.with_untracked(|loaded| matches!(loaded, Some(Ok(_)))) {
            begin(state, app.clone(), loaded, step);
        }
    });
    view! {
        <div class="page narrow">
            <header class="head">
                <h1>"Set up " <span class="machine">{name.clone()}</span></h1>
                {dynamic(move || steps(step.get().unwrap_or(Step::Purpose)))}
            </header>
            {dynamic(move || match (loaded.get(), step.get()) {
                (None, _) => skeleton(10).into_any(),
                (Some(Err(failure)), _) if failure.is(mantyx_api_types::core::Code::NotFound) => not_found().into_any(),
                (Some(Err(failure)), _) => failure_notice(&failure).into_any(),
                (Some(Ok(_)), Some(Step::Install)) => install(state, name.clone(), move || reload(state, loaded, step)).into_any(),
                (Some(Ok(loaded)), _) => purpose(state, loaded, step).into_any(),
            })}
        </div>
    }
}

fn begin(
    state: State,
    name: String,
    loaded: RwSignal<Option<Result<Loaded, Failure>>>,
    step: RwSignal<Option<Step>>,
) {
    spawn_local(async move {
        let answer = load(state, &name).await;
        if let Ok(loaded) = &answer {
            step.try_set(Some(first_step(state, &loaded.app)));
        }
        loaded.try_set(Some(answer));
    });
}

async fn load(state: State, name: &str) -> Result<Loaded, Failure> {
    let app = state.client.app(name).await?;
    let view = state.client.configuration(name).await?;
    let timezone = state.client.system().await.map_or_else(|_| clock::timezone(), |system| system.timezone);
    state.store.put_unknown_app(app.clone());
    Ok(Loaded { app, view, timezone })
}

/// An app that is being installed, or is installed, is past the form.
fn first_step(state: State, app: &AppView) -> Step {
    let last = untrack(|| state.store.last_operation(app.id));
    let installing = app.operation.is_some() || last.is_some_and(|last| last.kind == OperationKind::Install);
    let installed = !matches!(app.state, AppState::Uploaded | AppState::Failed);
    if installing || installed { Step::Install } else { Step::Purpose }
}

/// Back to the form, with everything as the daemon has it now.
fn reload(state: State, loaded: RwSignal<Option<Result<Loaded, Failure>>>, step: RwSignal<Option<Step>>) {
    let Some(Ok(before)) = loaded.get_untracked() else { return };
    spawn_local(async move {
        let answer = load(state, before.app.name.as_str()).await;
        step.set(Some(Step::Purpose));
        loaded.set(Some(answer));
    });
}

fn purpose(state: State, loaded: Loaded, step: RwSignal<Option<Step>>) -> impl IntoView {
    let Loaded { app, view, timezone } = loaded;
    let form = Form::read(&app, &view.configuration, view.schedules.first(), &timezone);
    let naming = if app.state == AppState::Uploaded { Naming::Open } else { Naming::Fixed };
    let model = FormModel::new(state, form, &view);
    let failure = RwSignal::new(None::<Failure>);
    let busy = RwSignal::new(false);
    let found = found_line(&app, &view.found);
    let before = StoredValue::new((app, view));
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        failure.set(None);
        spawn_local(async move {
            let (app, view) = before.get_value();
            match save_and_install(model, &app, &view).await {
                Ok(name) if name == app.name.as_str() => step.set(Some(Step::Install)),
                Ok(name) => state.router.replace(&Route::Setup(name)),
                Err(error) => {
                    model.errors.set(error.fields());
                    failure.set(Some(error));
                    focus_first_error();
                }
            }
            busy.try_set(false);
        });
    };
    view! {
        {found}
        <form class="stack" novalidate on:submit=submit>
            {fields(model, naming)}
            {dynamic(move || model.shown(failure.get()).map(|failure| form_notice(&failure)))}
            <div class="submit">
                <p class="muted">"Installing builds its environment. Nothing of it runs until you enable it."</p>
                <button type="submit" class="button primary" data-testid="install" aria-disabled=move || busy.get().to_string()>
                    {icon(Icon::Download)} "Install"
                </button>
            </div>
        </form>
    }
}

/// Name, configuration, schedule, install: in this order, each only when it is needed. Answers the name.
async fn save_and_install(
    model: FormModel,
    app: &AppView,
    before: &ConfigurationView,
) -> Result<String, Failure> {
    let (state, form) = (model.state, model.form.get_untracked());
    let name = rename(state, app, form.name.trim()).await?;
    crate::pages::app::save(state, &name, &form, app, before).await?;
    let operation = state.client.install(&name).await?;
    state.store.put_operation(operation);
    Ok(name)
}

async fn rename(state: State, app: &AppView, wanted: &str) -> Result<String, Failure> {
    if wanted == app.name.as_str() {
        return Ok(wanted.to_owned());
    }
    let name = AppName::parse(wanted).map_err(|error| Failure::field("name", &error.to_string()))?;
    let wanted = name.to_string();
    let renaming = state.client.rename(app.name.as_str(), name, Some(RENAMING)).await;
    match renaming.map_err(|failure| at_name(&failure))? {
        operation if operation.status == OperationStatus::Succeeded => Ok(wanted),
        operation => {
            let why = operation.problem.map(|problem| problem.detail);
            let still = || "It is still being renamed. Try again in a moment".to_owned();
            Err(Failure::field("name", &why.unwrap_or_else(still)))
        }
    }
}

/// How many seconds another name is waited for: nothing is built yet that would have to be built again.
const RENAMING: u32 = 30;

/// A name that is taken is an error of its field.
fn at_name(failure: &Failure) -> Failure {
    Failure::field("name", &failure.detail())
}

/// Once the errors are drawn, the first of them has the focus.
fn focus_first_error() {
    use wasm_bindgen::JsCast;
    request_animation_frame(|| {
        let field = document().query_selector("[aria-invalid=true]").ok().flatten();
        if let Some(field) = field.and_then(|field| field.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = field.focus();
        }
    });
}

/// What the source holds, in a line, and what was left out of it.
fn found_line(app: &AppView, found: &Found) -> impl IntoView + use<> {
    let files = number::plural(usize::try_from(found.files).unwrap_or(usize::MAX), "file", "files");
    let size = number::bytes(found.bytes);
    let declared = found.dependency_files.first().map(|file| {
        let count =
            file.count.map(|count| format!(" ({})", number::plural(count as usize, "package", "packages")));
        format!("`{}`{}", file.path, count.unwrap_or_default())
    });
    let declared = declared.unwrap_or_else(|| "no declared dependencies".to_owned());
    let python =
        found.requires_python.as_ref().map(|python| format!(", Python `{python}`")).unwrap_or_default();
    let words = format!("{files}, {size}, {declared}{python}");
    let warnings = found.warnings.iter().map(|warning| view! { <li>{prose(warning)}</li> }).into_views();
    view! {
        <section class="found" aria-label="What was found" data-testid="found">
            <p><b>{crate::text::words::origin(&app.origin)}</b> <span class="found-words">{prose(&words)}</span></p>
            {(!found.warnings.is_empty()).then(|| view! { <ul class="muted">{warnings}</ul> })}
        </section>
    }
}

/// What the page itself finds wrong stands at its field like what the daemon finds.
pub(crate) fn own_error(error: &FieldError) -> Failure {
    Failure::field(&error.field, &error.detail)
}
