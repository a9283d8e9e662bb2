//! A place where a file can be dropped, or chosen.

use leptos::ev;
use leptos::prelude::*;

use super::dynamic::dynamic;
use super::icon::{Icon, icon};
use crate::text::number;

/// The place.
pub(crate) struct FileDrop {
    /// The file that lies there.
    pub(crate) file: RwSignal<Option<web_sys::File>, LocalStorage>,
    /// Takes another one; nothing when the chooser was left without one.
    pub(crate) take: Callback<Option<web_sys::File>>,
    /// What to drop.
    pub(crate) title: &'static str,
    /// What it may be.
    pub(crate) help: &'static str,
}

/// The place with all that belongs to it.
pub(crate) fn file_drop(place: FileDrop) -> AnyView {
    let FileDrop { file, take, title, help } = place;
    let over = RwSignal::new(false);
    let drop = move |event: ev::DragEvent| {
        event.prevent_default();
        over.set(false);
        let files = event.data_transfer().and_then(|data| data.files());
        take.run(files.and_then(|files| files.get(0)));
    };
    let chosen = move || file.read().as_ref().map(|file| (file.name(), size(file)));
    view! {
        <div
            class="drop"
            class:over=over
            on:dragover=move |event: ev::DragEvent| {
                event.prevent_default();
                over.set(true);
            }
            on:dragleave=move |_| over.set(false)
            on:drop=drop
        >
            {icon(Icon::Upload)}
            {dynamic(move || match chosen() {
                Some((name, size)) => view! {
                    <p class="drop-title"><b data-testid="upload-name">{name}</b> " " <span class="muted">{size}</span></p>
                    <p class="muted">"Drop another file to take its place."</p>
                }
                .into_any(),
                None => view! { <p class="drop-title">{title}</p> <p class="muted">{help}</p> }.into_any(),
            })}
            <label class="button file-button">
                {dynamic(move || if chosen().is_some() { "Choose another file" } else { "Choose a file" })}
                <input
                    type="file"
                    data-testid="upload-file"
                    accept=".zip,.tar,.gz,.tgz,.py"
                    on:change:target=move |event| take.run(event.target().files().and_then(|files| files.get(0)))
                />
            </label>
        </div>
    }
    .into_any()
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a size is a whole number of bytes"
)]
fn size(file: &web_sys::File) -> String {
    number::bytes(file.size() as u64)
}
