//! One of a few values that stand side by side: radio buttons in the shape of one control.

use leptos::prelude::*;

use super::dynamic::IntoViews;
use super::field::words_below;

use crate::state::derived;

/// One value of the control.
pub(crate) struct Choice<T> {
    /// The value.
    pub(crate) value: T,
    /// What it is called.
    pub(crate) title: &'static str,
    /// Its test id.
    pub(crate) id: &'static str,
}

/// The control.
pub(crate) struct Segmented<T: Send + Sync + 'static> {
    /// Its name, which no other control of the screen has.
    pub(crate) name: &'static str,
    /// What it is called.
    pub(crate) label: &'static str,
    /// What it is for.
    pub(crate) help: &'static str,
    /// The values.
    pub(crate) choices: Vec<Choice<T>>,
    /// The one that is chosen.
    pub(crate) value: Signal<T>,
    /// Takes another one.
    pub(crate) change: Callback<T>,
}

/// The control with all that belongs to it.
pub(crate) fn segmented<T: Copy + PartialEq + Send + Sync + 'static>(control: Segmented<T>) -> AnyView {
    let Segmented { name, label, help, choices, value, change } = control;
    let values: Vec<T> = choices.iter().map(|choice| choice.value).collect();
    let words = choices.into_iter().map(|choice| (choice.title, choice.id)).collect();
    let values = StoredValue::new(values);
    let chosen = move || {
        let now = value.get();
        values.with_value(|values| values.iter().position(|value| *value == now))
    };
    let choose = move |place: usize| {
        if let Some(value) = values.with_value(|values| values.get(place).copied()) {
            change.run(value);
        }
    };
    places(name, label, help, words, derived(chosen), Callback::new(choose))
}

/// The same for every type of value: it knows the choices by their places.
fn places(
    name: &'static str,
    label: &'static str,
    help: &'static str,
    choices: Vec<(&'static str, &'static str)>,
    chosen: Signal<Option<usize>>,
    choose: Callback<usize>,
) -> AnyView {
    let choice = |(place, (title, id)): (usize, (&'static str, &'static str))| {
        view! {
            <label data-testid=id>
                <input
                    type="radio"
                    name=name
                    class="hidden"
                    prop:checked=move || chosen.get() == Some(place)
                    on:change=move |_| choose.run(place)
                />
                <span>{title}</span>
            </label>
        }
    };
    view! {
        <fieldset class="field">
            <legend>{label}</legend>
            <div class="segmented">{choices.into_iter().enumerate().map(choice).into_views()}</div>
            {(!help.is_empty()).then(|| words_below(name, help, Signal::stored(None)))}
        </fieldset>
    }
    .into_any()
}
