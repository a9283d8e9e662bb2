//! The parts of a page that change: each has the same type, whatever it shows. Leptos compiles its machinery once
//! for each type of view, so that a page of many types is a page of many bytes.

use std::sync::{Arc, Mutex};

use leptos::prelude::*;

/// Something that is drawn again whenever a signal that it reads changes.
pub(crate) fn dynamic<V: IntoView + 'static>(mut draw: impl FnMut() -> V + Send + 'static) -> AnyView {
    let shared: Arc<Mutex<dyn FnMut() -> AnyView + Send>> = Arc::new(Mutex::new(move || draw().into_any()));
    shared.into_any()
}

/// Several views, one after the other.
pub(crate) trait IntoViews {
    /// All of them as one.
    fn into_views(self) -> AnyView;
}

impl<I> IntoViews for I
where
    I: IntoIterator,
    I::Item: IntoView + 'static,
{
    fn into_views(self) -> AnyView {
        self.into_iter().map(IntoAny::into_any).collect::<Vec<_>>().into_any()
    }
}

/// A row of a list with what tells it from the others.
struct Row {
    key: String,
    draw: Box<dyn FnOnce() -> AnyView + Send>,
}

/// A list whose rows stay where they are while their keys do, so that none loses the focus or is drawn twice.
pub(crate) fn keyed<T, V>(
    items: impl Fn() -> Vec<T> + Send + Sync + 'static,
    key: impl Fn(&T) -> String + Send + Sync + 'static,
    draw: impl Fn(T) -> V + Clone + Send + Sync + 'static,
) -> AnyView
where
    T: Send + 'static,
    V: IntoView + 'static,
{
    let rows = move || {
        let row = |item: T| {
            let (key, draw) = (key(&item), draw.clone());
            Row { key, draw: Box::new(move || draw(item).into_any()) }
        };
        items().into_iter().map(row).collect::<Vec<_>>()
    };
    rows_view(Box::new(rows))
}

type Rows = Box<dyn Fn() -> Vec<Row> + Send + Sync>;

fn rows_view(rows: Rows) -> AnyView {
    view! { <For each=rows key=|row| row.key.clone() children=|row: Row| (row.draw)() /> }.into_any()
}
