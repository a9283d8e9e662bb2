//! A section of the form that folds: it says in a line what it holds, and opens by itself when something in it is
//! wrong.

use leptos::html;
use leptos::prelude::*;

use super::FormModel;
use super::inputs::input;
use crate::components::dynamic;
use crate::state::fields::{Field, error_at};
use crate::state::form::Form;
use crate::state::{effect, memo};

/// A section that folds.
pub(super) struct Fold {
    /// Its test id.
    pub(super) id: &'static str,
    /// What it is called.
    pub(super) title: &'static str,
    /// What it is for.
    pub(super) words: &'static str,
    /// The fields in it.
    pub(super) fields: &'static [Field],
    /// What else the daemon may find wrong in it.
    pub(super) whole: &'static str,
    /// What it holds, in a line.
    pub(super) summary: fn(&Form) -> String,
}

/// The section with its content.
pub(super) fn fold(model: FormModel, fold: Fold, content: impl IntoView) -> AnyView {
    let Fold { id, title, words, fields, whole, summary } = fold;
    let element = NodeRef::<html::Details>::new();
    let wrong = memo(move || {
        let errors = model.errors.read();
        error_at(&errors, whole).is_some()
            || fields.iter().any(|field| error_at(&errors, field.path()).is_some())
    });
    effect(move || {
        if let (true, Some(element)) = (wrong.get(), element.get()) {
            element.set_open(true);
        }
    });
    let said = memo(move || model.form.with(summary));
    let error = move || model.errors.with(|errors| error_at(errors, whole));
    view! {
        <details node_ref=element class="fold" data-testid=id>
            <summary>
                <h2>{title}</h2>
                <span class="muted">{said}</span>
            </summary>
            <p class="fold-words muted">{words}</p>
            <div class="group-fields">
                {content}
                {dynamic(move || error().map(|error| view! { <p class="field-error" data-testid=format!("{id}-error")>{error}</p> }))}
            </div>
        </details>
    }
    .into_any()
}

/// Fields side by side, as many as there is room for.
pub(super) fn row(model: FormModel, fields: &[Field]) -> AnyView {
    let inputs: Vec<AnyView> = fields.iter().map(|field| input(model, *field)).collect();
    view! { <div class="pair">{inputs}</div> }.into_any()
}
