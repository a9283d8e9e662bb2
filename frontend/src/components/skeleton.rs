//! What stands where something will be: grey lines while it is on its way, and words when there is nothing yet.

use leptos::prelude::*;

use super::dynamic::IntoViews;

/// So many grey lines. A reader is told once that something is on its way.
pub(crate) fn skeleton(lines: usize) -> impl IntoView {
    view! {
        <div class="skeleton" role="status">
            <span class="hidden">"Loading"</span>
            {(0..lines).map(|_| view! { <span class="skeleton-line"></span> }).into_views()}
        </div>
    }
}

/// What an empty place will hold, and how something comes to be there.
pub(crate) fn empty(title: &'static str, words: impl IntoView) -> impl IntoView {
    view! {
        <div class="empty">
            <h2>{title}</h2>
            {words}
        </div>
    }
}
