//! An address that no screen has.

use leptos::prelude::*;

use crate::components::empty;

/// Says so, and where to go instead.
pub(crate) fn not_found() -> impl IntoView {
    view! {
        <div class="page">
            <h1 class="hidden">"Not found"</h1>
            {empty("There is no such page", view! {
                <p>"The address may be mistyped, or belong to another version of Mantyx."</p>
                <a class="button primary" href="/">"Show all apps"</a>
            })}
        </div>
    }
}
