//! The outcomes that pass by, at the edge of the page.

use leptos::prelude::*;

use super::dynamic::keyed;
use super::icon::{Icon, icon};
use super::notice::prose;
use crate::state::{State, Toast, Tone};

/// All of them, announced to readers as they come.
pub(crate) fn toasts(state: State) -> impl IntoView {
    view! {
        <div class="toasts" role="status" aria-live="polite">
            {keyed(move || state.toasts.shown(), |toast| toast.key.to_string(), move |toast| one(state, toast))}
        </div>
    }
}

fn one(state: State, toast: Toast) -> impl IntoView {
    let (class, picture) = match toast.tone {
        Tone::Good => ("toast good", Icon::Check),
        Tone::Bad => ("toast bad", Icon::Alert),
    };
    let key = toast.key;
    view! {
        <div class=class data-testid="toast">
            {icon(picture)}
            <div class="toast-words">
                <p>{prose(&toast.text)}</p>
                {toast.hint.map(|hint| view! { <p class="muted">{prose(&hint)}</p> })}
            </div>
            {toast.link.map(|(address, title)| view! { <a class="button" href=address>{title}</a> })}
            <button type="button" class="icon-button" aria-label="Close" on:click=move |_| state.toasts.close(key)>
                {icon(Icon::Close)}
            </button>
        </div>
    }
}
