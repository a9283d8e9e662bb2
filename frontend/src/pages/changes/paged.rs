//! A long list, read a page at a time: as far as somebody asked for it, and no page twice.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::Page;

use super::fetch::Fetched;
use crate::api::Answer;
use crate::state::State;

/// As much of a list as was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part<T> {
    pub(super) items: Vec<T>,
    /// Where the rest begins.
    rest: Option<String>,
}

impl<T> Part<T> {
    fn of(page: Page<T>) -> Self {
        Self { items: page.items, rest: page.next_cursor }
    }

    pub(super) const fn has_rest(&self) -> bool {
        self.rest.is_some()
    }

    /// Adds the page that was read from where the rest began, unless that is where it begins no longer: then it is here
    /// already, or the list was read again.
    fn add(&mut self, began: &str, page: Page<T>) {
        if self.rest.as_deref() == Some(began) {
            self.items.extend(page.items);
            self.rest = page.next_cursor;
        }
    }
}

/// The signals of a list.
pub(super) struct Paged<T: 'static> {
    pub(super) list: Fetched<Part<T>>,
    /// Whether more of it is on its way.
    busy: RwSignal<bool>,
}

impl<T> Clone for Paged<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Paged<T> {}

impl<T: Send + Sync + 'static> Paged<T> {
    /// Nothing was read yet.
    pub(super) fn new() -> Self {
        Self { list: RwSignal::new(None), busy: RwSignal::new(false) }
    }

    /// Takes the beginning of it in the place of all that was read.
    pub(super) fn load(self, page: impl Future<Output = Answer<Page<T>>> + 'static) {
        spawn_local(async move {
            let page = page.await;
            self.list.try_set(Some(page.map(Part::of)));
        });
    }

    /// Reads on from where the rest begins; not while that is being done.
    pub(super) fn load_rest<A>(self, state: State, call: impl FnOnce(&str) -> A)
    where
        A: Future<Output = Answer<Page<T>>> + 'static,
    {
        let rest = self.list.with_untracked(|list| list.as_ref()?.as_ref().ok()?.rest.clone());
        let Some(rest) = rest.filter(|_| !self.busy.get_untracked()) else { return };
        self.busy.set(true);
        let page = call(&rest);
        spawn_local(async move {
            let page = page.await;
            self.busy.try_set(false);
            match page {
                Ok(page) => {
                    self.list.try_update(|list| {
                        if let Some(Ok(list)) = list {
                            list.add(&rest, page);
                        }
                    });
                }
                Err(failure) => state.toasts.failure(&failure),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(items: &[u8], next_cursor: Option<&str>) -> Page<u8> {
        Page { items: items.to_vec(), next_cursor: next_cursor.map(str::to_owned) }
    }

    #[test]
    fn no_page_is_added_twice() {
        let mut list = Part::of(page(&[1, 2], Some("2")));
        for _ in 0..2 {
            list.add("2", page(&[3, 4], Some("4")));
        }
        assert_eq!((list.items.as_slice(), list.has_rest()), (&[1, 2, 3, 4][..], true));
        list.add("4", page(&[5], None));
        list.add("4", page(&[5], None));
        assert_eq!((list.items.as_slice(), list.has_rest()), (&[1, 2, 3, 4, 5][..], false));
    }
}
