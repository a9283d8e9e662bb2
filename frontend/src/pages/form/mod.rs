//! The fields about an app, as the second step of adding one and the configuration of one both show them.

mod care;
mod fold;
mod health;
mod inputs;
mod schedule;
mod variables;

use leptos::prelude::*;
use mantyx_api_types::ConfigurationView;
use mantyx_api_types::core::{AppType, FieldError, RestartPolicy};

use crate::api::Failure;
use crate::components::{
    Choice, InputStyle, IntoViews, Segmented, TextField, dynamic, segmented, text_field,
};
use crate::state::fields::error_at;
use crate::state::form::{Form, PortChoice, errors_at};
use crate::state::{State, derived, memo};

pub(super) use schedule::schedule_errors;

/// Whether the name can still be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// It can.
    Open,
    /// It is fixed: the app was installed.
    Fixed,
}

/// The form on a screen.
#[derive(Clone, Copy)]
pub(super) struct FormModel {
    /// The rest of the page.
    pub(super) state: State,
    /// What it holds.
    pub(super) form: RwSignal<Form>,
    /// What is wrong, field by field.
    pub(super) errors: RwSignal<Vec<FieldError>>,
    /// What was found to start, the likeliest first.
    candidates: StoredValue<Vec<String>>,
    /// The schedules beside the one that the form changes, in words.
    others: StoredValue<Vec<String>>,
}

impl FormModel {
    /// A form that holds this, about an app of which that was read.
    pub(super) fn new(state: State, form: Form, read: &ConfigurationView) -> Self {
        let candidates = read.found.candidates.iter().map(ToString::to_string).collect();
        let others = read.schedules.iter().skip(1).map(|schedule| schedule.words.clone()).collect();
        Self {
            state,
            form: RwSignal::new(form),
            errors: RwSignal::new(Vec::new()),
            candidates: StoredValue::new(candidates),
            others: StoredValue::new(others),
        }
    }

    /// A part of what it holds.
    pub(super) fn part<T: PartialEq + Clone + Send + Sync + 'static>(
        self,
        read: fn(&Form) -> T,
    ) -> Signal<T> {
        memo(move || self.form.with(read)).into()
    }

    fn change<T: 'static>(self, write: fn(&mut Form, T)) -> Callback<T> {
        Callback::new(move |value| self.form.update(|form| write(form, value)))
    }

    /// A change of a field that errors of these names are about: what was wrong with it is a thing of the past.
    fn edit<T: 'static>(self, names: &'static [&'static str], write: fn(&mut Form, T)) -> Callback<T> {
        Callback::new(move |value| {
            self.forgive(names);
            self.form.update(|form| write(form, value));
        })
    }

    /// Takes away what is said about a field.
    fn forgive(self, names: &[&str]) {
        if self.errors.with_untracked(|errors| errors_at(errors, names).is_some()) {
            self.errors.update(|errors| {
                errors.retain(|error| errors_at(std::slice::from_ref(error), names).is_none());
            });
        }
    }

    /// The same for a field that is known by its path.
    fn forgive_path(self, path: &str) {
        if self.errors.with_untracked(|errors| error_at(errors, path).is_some()) {
            self.errors.update(|errors| {
                errors.retain(|error| error_at(std::slice::from_ref(error), path).is_none());
            });
        }
    }

    /// The failure to show below the form: one about fields only as long as one of them is still as it was.
    pub(super) fn shown(self, failure: Option<Failure>) -> Option<Failure> {
        failure.filter(|failure| failure.fields().is_empty() || !self.errors.read().is_empty())
    }

    fn error(self, names: &'static [&'static str]) -> Signal<Option<String>> {
        derived(move || self.errors.with(|errors| errors_at(errors, names)))
    }
}

/// All fields, in groups.
pub(super) fn fields(model: FormModel, naming: Naming) -> impl IntoView {
    let scheduled = model.part(|form| form.app_type == AppType::Scheduled);
    view! {
        {about(model, naming)}
        {start(model, naming)}
        {dynamic(move || if scheduled.get() { schedule::schedule(model).into_any() } else { service(model).into_any() })}
        {variables::variables(model)}
        {care::care(model)}
    }
}

fn group(title: &'static str, words: &'static str, content: impl IntoView) -> impl IntoView {
    view! {
        <section class="group">
            <div class="group-words">
                <h2>{title}</h2>
                <p class="muted">{words}</p>
            </div>
            <div class="group-fields">{content}</div>
        </section>
    }
}

fn about(model: FormModel, naming: Naming) -> impl IntoView {
    let name = (naming == Naming::Open).then(|| {
        text_field(TextField {
            id: "app-name",
            label: "Name",
            help: "In addresses and on disk: lower case letters, digits, `-` and `_`. It is fixed once the app is installed.",
            style: InputStyle::Machine,
            list: None,
            value: model.part(|form| form.name.clone()),
            change: model.edit(&["name"], |form, name| form.name = name),
            error: model.error(&["name"]),
        })
    });
    let display_name = text_field(TextField {
        id: "display-name",
        label: "Display name",
        help: "What people read. It may stay empty.",
        style: InputStyle::Plain,
        list: None,
        value: model.part(|form| form.display_name.clone()),
        change: model.edit(&["display_name"], |form, name| form.display_name = name),
        error: model.error(&["display_name"]),
    });
    group("What it is called", "", view! { <div class="pair">{name} {display_name}</div> })
}

fn start(model: FormModel, naming: Naming) -> impl IntoView {
    let kind = segmented(Segmented {
        name: "type",
        label: "It runs",
        help: "",
        choices: vec![
            Choice { value: AppType::Perpetual, title: "Always", id: "type-perpetual" },
            Choice { value: AppType::Scheduled, title: "On a schedule", id: "type-scheduled" },
        ],
        value: model.part(|form| form.app_type),
        change: model.change(|form, kind| form.app_type = kind),
    });
    let entrypoint = text_field(TextField {
        id: "entrypoint",
        label: "Entrypoint",
        help: "A `.py` file, `-m` with a module, a console script, or a command line such as `uvicorn app:api --port $PORT`.",
        style: InputStyle::Machine,
        list: Some("entrypoints"),
        value: model.part(|form| form.entrypoint.clone()),
        change: model.edit(&["entrypoint"], |form, entrypoint| form.entrypoint = entrypoint),
        error: model.error(&["entrypoint"]),
    });
    let words = match naming {
        Naming::Open => "Nothing of it runs before you enable it.",
        Naming::Fixed => "The type changes only while nothing of it runs.",
    };
    group("What it does", words, view! { {kind} {entrypoint} {candidates(model)} })
}

/// What was found to start, as buttons that fill the field.
fn candidates(model: FormModel) -> impl IntoView {
    let found = model.candidates.get_value();
    let chosen = model.part(|form| form.entrypoint.trim().to_owned());
    let button = move |candidate: String| {
        let (mine, text) = (candidate.clone(), candidate.clone());
        view! {
            <button
                type="button"
                class="chip machine"
                aria-pressed=move || (chosen.get() == mine).to_string()
                on:click=move |_| {
                    model.forgive(&["entrypoint"]);
                    model.form.update(|form| form.entrypoint.clone_from(&text));
                }
            >
                {candidate}
            </button>
        }
    };
    (!found.is_empty()).then(|| {
        view! {
            <div class="chips" role="group" aria-label="Found in the source">
                <span class="muted">"Found:"</span>
                {found.into_iter().map(button).into_views()}
            </div>
        }
    })
}

fn service(model: FormModel) -> impl IntoView {
    let restart = segmented(Segmented {
        name: "restart-policy",
        label: "When it ends, start it again",
        help: "At once the first time, then after longer and longer waits. Too many within a while, and Mantyx gives up for now: the numbers are under Restarts.",
        choices: vec![
            Choice { value: RestartPolicy::OnFailure, title: "On failure", id: "restart-on-failure" },
            Choice { value: RestartPolicy::Always, title: "Always", id: "restart-always" },
            Choice { value: RestartPolicy::Never, title: "Never", id: "restart-never" },
        ],
        value: model.part(|form| form.restart_policy),
        change: model.change(|form, policy| form.restart_policy = policy),
    });
    group("How it is kept", "", view! { {restart} {port(model)} {autostart(model)} })
}

fn port(model: FormModel) -> impl IntoView {
    let choice = model.part(|form| form.port);
    let kind = segmented(Segmented {
        name: "web-port-kind",
        label: "A web page of its own",
        help: "The app finds its port in the variable `PORT`.",
        choices: vec![
            Choice { value: PortChoice::None, title: "None", id: "web-port-none" },
            Choice { value: PortChoice::Auto, title: "On a free port", id: "web-port-auto" },
            Choice { value: PortChoice::Fixed, title: "On this port", id: "web-port-fixed" },
        ],
        value: choice,
        change: model.edit(&["web_port"], |form, port| form.port = port),
    });
    let number = move || {
        (choice.get() == PortChoice::Fixed).then(|| {
            text_field(TextField {
                id: "web-port",
                label: "Port",
                help: "1024 to 65535, and nobody else's.",
                style: InputStyle::Number,
                list: None,
                value: model.part(|form| form.port_number.clone()),
                change: model.edit(&["web_port"], |form, number| form.port_number = number),
                error: model.error(&["web_port"]),
            })
        })
    };
    view! { {kind} {dynamic(number)} }
}

fn autostart(model: FormModel) -> impl IntoView {
    view! {
        <label class="check" data-testid="autostart">
            <input
                type="checkbox"
                prop:checked=model.part(|form| form.autostart)
                on:change:target=move |event| {
                    let on = event.target().checked();
                    model.form.update(|form| form.autostart = on);
                }
            />
            "Start it with the machine"
        </label>
    }
}
