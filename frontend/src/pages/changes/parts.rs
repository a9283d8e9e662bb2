//! Parts that several screens of changes have: the button that removes what a row is about, and the field of a text.

use leptos::prelude::*;

use crate::components::{Icon, icon};

/// Asks whether what a row is about is to be removed. `what` is said to whoever does not see the row.
pub(super) fn remove_button(id: &'static str, what: &str, ask: impl Fn() + 'static) -> AnyView {
    view! {
        <button
            type="button"
            class="icon-button"
            data-testid=id
            title="Remove"
            aria-label=format!("Remove {what}")
            on:click=move |_| ask()
        >
            {icon(Icon::Trash)}
        </button>
    }
    .into_any()
}

/// The text of a file while it is edited. What is being saved stays as it is.
pub(super) fn text_field(
    id: &'static str,
    path: &str,
    begun: String,
    busy: RwSignal<bool>,
    typed: impl Fn(String) + 'static,
) -> AnyView {
    view! {
        <textarea
            class="input machine editor"
            data-testid=id
            aria-label=format!("Text of {path}")
            spellcheck="false"
            autocapitalize="off"
            wrap="off"
            readonly=move || busy.get()
            prop:value=begun
            on:input:target=move |event| typed(event.target().value())
        ></textarea>
    }
    .into_any()
}
