//! A field of a form: its label, what it takes, what it is for, and what is wrong with it, in this order.

use leptos::prelude::*;

use super::dynamic::{IntoViews, dynamic};
use super::notice::prose;
use crate::api::Failure;

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputStyle {
    /// Words for people.
    Plain,
    /// Something that a machine reads.
    Machine,
    /// A whole number.
    Number,
    /// Something that nobody else should read.
    Secret,
}

/// A line of text.
pub(crate) struct TextField {
    /// Its id, which is also its test id.
    pub(crate) id: &'static str,
    /// What it is called.
    pub(crate) label: &'static str,
    /// What it is for.
    pub(crate) help: &'static str,
    /// What it takes.
    pub(crate) style: InputStyle,
    /// The id of a list of suggestions.
    pub(crate) list: Option<&'static str>,
    /// What it holds.
    pub(crate) value: Signal<String>,
    /// Takes what was typed.
    pub(crate) change: Callback<String>,
    /// What is wrong with it.
    pub(crate) error: Signal<Option<String>>,
}

/// One of several values.
pub(crate) struct SelectField {
    /// Its id, which is also its test id.
    pub(crate) id: &'static str,
    /// What it is called.
    pub(crate) label: &'static str,
    /// What it is for.
    pub(crate) help: &'static str,
    /// The values and what they are called.
    pub(crate) options: Vec<(String, String)>,
    /// The value that is chosen.
    pub(crate) value: Signal<String>,
    /// Takes what was chosen.
    pub(crate) change: Callback<String>,
}

/// A name that is asked for. Whoever types again has seen what was wrong with the last one.
pub(crate) fn name_field(
    id: &'static str,
    label: &'static str,
    typed: RwSignal<String>,
    failure: RwSignal<Option<Failure>>,
) -> AnyView {
    let change = move |text| {
        failure.set(None);
        typed.set(text);
    };
    text_field(TextField {
        id,
        label,
        help: "",
        style: InputStyle::Machine,
        list: None,
        value: typed.into(),
        change: Callback::new(change),
        error: Signal::stored(None),
    })
}

/// A line of text with all that belongs to it.
pub(crate) fn text_field(field: TextField) -> AnyView {
    let TextField { id, label, help, style, list, value, change, error } = field;
    let (kind, mode, class) = match style {
        InputStyle::Plain => ("text", "text", "input"),
        InputStyle::Machine => ("text", "text", "input machine"),
        InputStyle::Number => ("text", "numeric", "input machine short"),
        InputStyle::Secret => ("password", "text", "input"),
    };
    let correction = if style == InputStyle::Plain { "on" } else { "off" };
    view! {
        <div class="field" class:wrong=move || error.read().is_some()>
            <label for=id>{label}</label>
            <input
                id=id
                data-testid=id
                type=kind
                inputmode=mode
                class=class
                list=list
                autocomplete=if style == InputStyle::Secret { "current-password" } else { "off" }
                autocapitalize="off"
                spellcheck=if correction == "on" { "true" } else { "false" }
                aria-describedby=format!("{id}-words")
                aria-invalid=move || error.read().is_some().to_string()
                prop:value=value
                on:input:target=move |event| change.run(event.target().value())
            />
            {words_below(id, help, error)}
        </div>
    }
    .into_any()
}

/// A choice with all that belongs to it.
pub(crate) fn select_field(field: SelectField) -> AnyView {
    let SelectField { id, label, help, options, value, change } = field;
    let options = options
        .into_iter()
        .map(|(key, title)| {
            let chosen = key.clone();
            view! { <option value=key prop:selected=move || *value.read() == chosen>{title}</option> }
        })
        .into_views();
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <select
                id=id
                data-testid=id
                class="input"
                aria-describedby=format!("{id}-words")
                on:change:target=move |event| change.run(event.target().value())
            >
                {options}
            </select>
            {words_below(id, help, Signal::stored(None))}
        </div>
    }
    .into_any()
}

/// What is wrong, or else what it is for.
pub(super) fn words_below(
    id: &'static str,
    help: &'static str,
    error: Signal<Option<String>>,
) -> impl IntoView {
    let class = move || if error.read().is_some() { "field-error" } else { "field-help" };
    view! {
        <p id=format!("{id}-words") class=class data-testid=move || error.read().is_some().then(|| format!("{id}-error"))>
            {dynamic(move || error.get().map_or_else(|| prose(help), |error| prose(&error)))}
        </p>
    }
}
