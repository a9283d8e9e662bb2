//! The environment variables of an app, one row each.

use leptos::prelude::*;

use super::{FormModel, group};
use crate::components::{Icon, dynamic, icon, keyed, prose};
use crate::state::form::{Form, Variable};

/// The group with the variables.
pub(super) fn variables(model: FormModel) -> impl IntoView {
    let error = model.error(&["env"]);
    let add = move |_| model.form.update(Form::add_variable);
    let content = view! {
        <div class="variables">
            {keyed(
                move || model.form.with(|form| form.variables.clone()),
                |variable| variable.key.to_string(),
                move |variable| variable_row(model, &variable),
            )}
            <button type="button" class="button" data-testid="env-add" on:click=add>{icon(Icon::Add)} "Add variable"</button>
            {dynamic(move || error.get().map(|error| view! {
                <p class="field-error" data-testid="env-error">{prose(&error)}</p>
            }))}
        </div>
    };
    group(
        "Environment variables",
        "The app sees these, beside what Mantyx tells every app: APP_NAME, APP_DATA_DIR and PORT.",
        content,
    )
}

fn variable_row(model: FormModel, variable: &Variable) -> impl IntoView + use<> {
    let key = variable.key;
    let edit = move |write: fn(&mut Variable, String), text: String| {
        model.forgive(&["env"]);
        model.form.update(|form| {
            if let Some(variable) = form.variables.iter_mut().find(|variable| variable.key == key) {
                write(variable, text);
            }
        });
    };
    let remove = move |_| {
        model.forgive(&["env"]);
        model.form.update(|form| form.variables.retain(|variable| variable.key != key));
    };
    view! {
        <div class="variable">
            <input
                class="input machine"
                data-testid="env-name"
                aria-label="Name of the variable"
                placeholder="NAME"
                autocomplete="off"
                autocapitalize="off"
                spellcheck="false"
                prop:value=variable.name.clone()
                on:input:target=move |event| edit(|variable, text| variable.name = text, event.target().value())
            />
            <input
                class="input machine"
                data-testid="env-value"
                aria-label="Value of the variable"
                placeholder="value"
                autocomplete="off"
                autocapitalize="off"
                spellcheck="false"
                prop:value=variable.value.clone()
                on:input:target=move |event| edit(|variable, text| variable.value = text, event.target().value())
            />
            <button type="button" class="icon-button" aria-label="Remove this variable" title="Remove" on:click=remove>
                {icon(Icon::Close)}
            </button>
        </div>
    }
}
