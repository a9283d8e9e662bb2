//! A question that must be answered before anything else: the browser's own dialog, which keeps the focus inside,
//! closes with Escape and gives the focus back.

use leptos::html;
use leptos::prelude::*;

/// A dialog that can be opened and closed.
#[derive(Clone, Copy)]
pub(crate) struct Dialog {
    element: NodeRef<html::Dialog>,
}

impl Dialog {
    /// A closed one.
    pub(crate) fn new() -> Self {
        Self { element: NodeRef::new() }
    }

    /// Opens it above everything.
    pub(crate) fn open(self) {
        if let Some(element) = self.element.get_untracked() {
            let _ = element.show_modal();
        }
    }

    /// Closes it.
    pub(crate) fn close(self) {
        if let Some(element) = self.element.get_untracked() {
            element.close();
        }
    }
}

/// The dialog with its title and what it asks.
pub(crate) fn dialog(dialog: Dialog, title: impl IntoView, content: impl IntoView) -> impl IntoView {
    view! {
        <dialog node_ref=dialog.element class="dialog" aria-labelledby="dialog-title">
            <h2 id="dialog-title">{title}</h2>
            {content}
        </dialog>
    }
}
