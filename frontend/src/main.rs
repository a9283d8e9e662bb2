//! The page: a Leptos single-page app that calls the documented API and nothing else.
//!
//! `api/` is the one door to the daemon, `state/` is all that is known, `components/` are the pieces, `pages/` the
//! screens made of them, `text/` how values read, `graph/` how figures become lines, `theme/` how everything looks.
//! `route.rs` is the address bar.

mod api;
mod app;
mod components;
mod graph;
mod pages;
mod route;
mod state;
mod text;
#[cfg(test)]
mod theme;

fn main() {
    // What stands in the file until the program has come.
    if let Some(boot) = leptos::prelude::document().get_element_by_id("boot") {
        boot.remove();
    }
    leptos::mount::mount_to_body(app::app);
}
