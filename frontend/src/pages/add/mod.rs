//! Adding an app: where its code comes from, what it should do, and its installation. The first step has an
//! address of its own; the other two belong to the app that the first one made, so that a reload loses nothing.

mod install;
mod setup;
mod source;

use leptos::prelude::*;

use crate::components::IntoViews;

pub(crate) use setup::own_error;
pub(crate) use setup::setup;
pub(crate) use source::add;

/// The steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Code,
    Purpose,
    Install,
}

/// Where one is among the steps.
fn steps(now: Step) -> impl IntoView {
    let all = [(Step::Code, "Code"), (Step::Purpose, "What it should do"), (Step::Install, "Install")];
    let place = all.iter().position(|(step, _)| *step == now).unwrap_or_default();
    let item = move |(at, (step, title)): (usize, (Step, &'static str))| {
        let class = if at < place { "passed" } else { "" };
        view! { <li class=class aria-current=(step == now).then_some("step")>{title}</li> }
    };
    view! { <ol class="wizard" aria-label="Steps">{all.into_iter().enumerate().map(item).into_views()}</ol> }
}
