//! How an app is cared for: health, restarts, stopping, limits and the account, each in a section that folds, so that
//! the form stays calm. A section says in a line what it holds, and opens by itself when something in it is wrong.

use leptos::prelude::*;
use mantyx_api_types::core::{AppType, StopSignal};

use super::FormModel;
use super::fold::{Fold, fold, row};
use super::health::health;
use super::inputs::input;
use crate::components::{SelectField, dynamic, select_field};
use crate::state::fields::{Field, SizeUnit};
use crate::state::form::Form;

/// All sections that are about an app of its type.
pub(super) fn care(model: FormModel) -> AnyView {
    let scheduled = model.part(|form| form.app_type == AppType::Scheduled);
    view! {
        <div class="folds">
            {dynamic(move || (!scheduled.get()).then(|| view! { {health(model)} {restarts(model)} }))}
            {dynamic(move || stopping(model, scheduled.get()))}
            {limits(model)}
            {account(model)}
        </div>
    }
    .into_any()
}

fn restarts(model: FormModel) -> AnyView {
    let spec = Fold {
        id: "fold-restarts",
        title: "Restarts",
        words: "The first restart is immediate. From the second on the wait grows, and too many within the window end in giving up.",
        fields: &[Field::RestartDelay, Field::RestartLimit, Field::RestartWindow],
        whole: "restart_policy",
        summary: |form| {
            let again = if form.retry { ", then tried again later" } else { "" };
            let (limit, window) = (form.text(Field::RestartLimit), form.text(Field::RestartWindow));
            format!("at most {limit} in {window} s{again}")
        },
    };
    let retry = check(
        model,
        "retry",
        "Try it again later when it was given up",
        |form| form.retry,
        |form, on| form.retry = on,
    );
    let content = view! {
        {row(model, &[Field::RestartLimit, Field::RestartWindow, Field::RestartDelay])}
        {retry}
        <p class="field-help">"After 15 minutes, then less and less often, up to once a day."</p>
    };
    fold(model, spec, content)
}

fn check(
    model: FormModel,
    id: &'static str,
    label: &'static str,
    read: fn(&Form) -> bool,
    write: fn(&mut Form, bool),
) -> AnyView {
    view! {
        <label class="check" data-testid=id>
            <input
                type="checkbox"
                prop:checked=model.part(read)
                on:change:target=move |event| {
                    let on = event.target().checked();
                    model.form.update(|form| write(form, on));
                }
            />
            {label}
        </label>
    }
    .into_any()
}

fn stopping(model: FormModel, scheduled: bool) -> AnyView {
    const SIGNALS: [(StopSignal, &str); 6] = [
        (StopSignal::Term, "SIGTERM"),
        (StopSignal::Int, "SIGINT, as Ctrl-C"),
        (StopSignal::Quit, "SIGQUIT"),
        (StopSignal::Hup, "SIGHUP"),
        (StopSignal::Usr1, "SIGUSR1"),
        (StopSignal::Usr2, "SIGUSR2"),
    ];
    let key = |signal: StopSignal| signal.number().to_string();
    let signal = select_field(SelectField {
        id: "stop-signal",
        label: "Signal",
        help: "What asks it to end. SIGTERM is what service managers send.",
        options: SIGNALS.map(|(signal, title)| (key(signal), title.to_owned())).into(),
        value: model.part(|form| form.stop_signal.number().to_string()),
        change: Callback::new(move |chosen: String| {
            let signal = SIGNALS.into_iter().find(|(signal, _)| key(*signal) == chosen);
            model.form.update(|form| form.stop_signal = signal.map(|(signal, _)| signal).unwrap_or_default());
        }),
    });
    let spec = Fold {
        id: "fold-stopping",
        title: if scheduled { "Stopping and time limit" } else { "Stopping" },
        words: "After the signal and the grace everything that it started is killed.",
        fields: &[Field::StopGrace, Field::Timeout],
        whole: "stop_signal",
        summary: |form| {
            let limit = match form.text(Field::Timeout) {
                text if form.app_type == AppType::Perpetual || text.is_empty() => String::new(),
                seconds => format!(", a run may take {seconds} s"),
            };
            let name = SIGNALS.into_iter().find(|(signal, _)| *signal == form.stop_signal);
            let name = name.map(|(_, title)| title.split(',').next().unwrap_or(title)).unwrap_or_default();
            format!("{name}, then {} s{limit}", form.text(Field::StopGrace))
        },
    };
    let limit = scheduled.then(|| row(model, &[Field::Timeout]));
    fold(model, spec, view! { {limit} <div class="pair">{signal} {input(model, Field::StopGrace)}</div> })
}

fn limits(model: FormModel) -> AnyView {
    let key = |unit: SizeUnit| unit.bytes().to_string();
    let unit = select_field(SelectField {
        id: "memory-unit",
        label: "Unit",
        help: "",
        options: SizeUnit::ALL.map(|unit| (key(unit), unit.title().to_owned())).into(),
        value: model.part(|form| form.memory_unit.bytes().to_string()),
        change: Callback::new(move |chosen: String| {
            model.forgive_path(Field::Memory.path());
            let unit = SizeUnit::ALL.into_iter().find(|unit| key(*unit) == chosen);
            model.form.update(|form| form.memory_unit = unit.unwrap_or_default());
        }),
    });
    let spec = Fold {
        id: "fold-limits",
        title: "Limits",
        words: "What it may use of the machine, everything that it starts together. An empty field is no limit, but for processes. What this machine cannot enforce is said on the app.",
        fields: &[
            Field::Memory,
            Field::Cpu,
            Field::Processes,
            Field::OpenFiles,
            Field::Nice,
            Field::OomScore,
        ],
        whole: "limits",
        summary: limits_summary,
    };
    let content = view! {
        <div class="pair">{input(model, Field::Memory)} {unit} {input(model, Field::Cpu)}</div>
        {row(model, &[Field::Processes, Field::OpenFiles])}
        {row(model, &[Field::Nice, Field::OomScore])}
    };
    fold(model, spec, content)
}

fn limits_summary(form: &Form) -> String {
    let said = |field: Field, before: &str, after: &str| match form.text(field).trim() {
        "" => None,
        text => Some(format!("{before}{text}{after}")),
    };
    let memory = format!(" {} of memory", form.memory_unit.title());
    let parts = [
        said(Field::Memory, "", &memory),
        said(Field::Cpu, "", " cores"),
        said(Field::Processes, "", " processes"),
        said(Field::OpenFiles, "", " open files"),
        said(Field::Nice, "niceness ", ""),
        said(Field::OomScore, "OOM score ", ""),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

fn account(model: FormModel) -> AnyView {
    let spec = Fold {
        id: "fold-account",
        title: "Account",
        words: "As whom it runs. Only a Mantyx that runs as root can change users.",
        fields: &[Field::User, Field::Groups],
        whole: "account",
        summary: |form| {
            let user = match form.text(Field::User).trim() {
                "" => "the user of Mantyx's settings",
                user => user,
            };
            match form.text(Field::Groups).trim() {
                "" => user.to_owned(),
                groups => format!("{user}, in {groups}"),
            }
        },
    };
    fold(model, spec, row(model, &[Field::User, Field::Groups]))
}
