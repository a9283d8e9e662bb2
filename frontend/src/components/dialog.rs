//! A question that must be answered before anything else: the browser's own dialog, which keeps the focus inside,
//! closes with Escape and gives the focus back.

use std::sync::atomic::{AtomicU32, Ordering};

use leptos::html;
use leptos::prelude::*;
use web_sys::HtmlDialogElement;

/// A dialog that can be opened and closed.
#[derive(Clone, Copy)]
pub(crate) struct Dialog {
    element: NodeRef<html::Dialog>,
    /// Tells its title from those of others on the same screen.
    number: u32,
}

impl Dialog {
    /// A closed one.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self { element: NodeRef::new(), number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Opens it above everything.
    pub(crate) fn open(self) {
        if let Some(element) = self.element() {
            let _ = element.show_modal();
        }
    }

    /// Closes it.
    pub(crate) fn close(self) {
        if let Some(element) = self.element() {
            element.close();
        }
    }

    /// None, too, once its screen was left: an answer may come later than that.
    fn element(self) -> Option<HtmlDialogElement> {
        self.element.try_get_untracked().flatten()
    }
}

/// The dialog with its title and what it asks.
pub(crate) fn dialog(dialog: Dialog, title: impl IntoView, content: impl IntoView) -> impl IntoView {
    let id = format!("dialog-title-{}", dialog.number);
    let label = id.clone();
    view! {
        <dialog node_ref=dialog.element class="dialog" aria-labelledby=label>
            <h2 id=id>{title}</h2>
            {content}
        </dialog>
    }
}
