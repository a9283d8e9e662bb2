//! Something that is shown once and belongs somewhere else: a line that cannot be changed, with a button that copies it.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::dynamic::dynamic;
use super::icon::{Icon, icon};

/// The line with all that belongs to it.
pub(crate) fn copy_field(id: &'static str, label: &'static str, value: Signal<String>) -> AnyView {
    let (line, copied) = (NodeRef::<html::Input>::new(), RwSignal::new(None::<String>));
    let is_copied = move || copied.read().as_deref() == Some(value.read().as_str());
    let copy = move |_| {
        if let Some(line) = line.get_untracked() {
            line.select();
            if copy_selection() {
                copied.set(Some(value.get_untracked()));
            }
        }
    };
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <div class="copy">
                <input node_ref=line id=id data-testid=id type="text" class="input machine" readonly prop:value=value />
                <button type="button" class="button" data-testid=format!("{id}-copy") aria-label=format!("Copy: {label}") on:click=copy>
                    {dynamic(move || if is_copied() { icon(Icon::Check) } else { icon(Icon::Copy) })}
                    {dynamic(move || if is_copied() { "Copied" } else { "Copy" })}
                </button>
                <span class="hidden" role="status">{dynamic(move || if is_copied() { "Copied" } else { "" })}</span>
            </div>
        </div>
    }
    .into_any()
}

/// The clipboard of newer browsers is only there over HTTPS; this way works over plain HTTP too.
fn copy_selection() -> bool {
    let document = document().dyn_into::<web_sys::HtmlDocument>().ok();
    document.and_then(|document| document.exec_command("copy").ok()).unwrap_or_default()
}
