//! Two releases that are chosen, and the way to what changed from one to the other.

use leptos::prelude::*;
use mantyx_api_types::ReleaseView;

use super::place::Place;
use super::releases::Model;
use crate::components::{Icon, IntoViews, dynamic, icon};

/// The choice, unless there are not two. `chosen` are those that are shown already.
pub(super) fn compare(model: Model, chosen: Option<(u32, u32)>) -> AnyView {
    let pair = RwSignal::new(chosen);
    let bar = move || {
        let list = model.list.read();
        let releases = list.as_ref().and_then(|list| list.as_ref().ok())?;
        let (newest, before) = (releases.first()?.number, releases.get(1)?.number);
        let now = Memo::new(move |_| pair.get().unwrap_or((before, newest)));
        let from =
            select("From", "compare-from", releases, Signal::derive(move || now.get().0), move |from| {
                pair.set(Some((from, now.get_untracked().1)));
            });
        let to = select("to", "compare-to", releases, Signal::derive(move || now.get().1), move |to| {
            pair.set(Some((now.get_untracked().0, to)));
        });
        let address = move || {
            let (from, to) = now.get();
            model.address(&Place::Diff(from, to))
        };
        let same = move || now.get().0 == now.get().1;
        Some(view! {
            <div class="compare" role="group" aria-label="Compare two releases">
                {from} {to}
                {dynamic(move || if same() {
                    view! { <span class="muted">"Choose two different ones"</span> }.into_any()
                } else {
                    view! { <a class="button" href=address data-testid="compare">{icon(Icon::Diff)} "Compare"</a> }.into_any()
                })}
            </div>
        })
    };
    view! { <div class="spring">{dynamic(bar)}</div> }.into_any()
}

fn select(
    word: &'static str,
    id: &'static str,
    releases: &[ReleaseView],
    now: Signal<u32>,
    choose: impl Fn(u32) + 'static,
) -> AnyView {
    let option = |release: &ReleaseView| {
        let (number, active) = (release.number, if release.active { ", active" } else { "" });
        let title = format!("Release {number}{active}");
        view! { <option value=number.to_string() prop:selected=move || now.get() == number>{title}</option> }
    };
    view! {
        <label class="inline-field">
            <span class="muted">{word}</span>
            <select
                class="input"
                data-testid=id
                on:change:target=move |event| {
                    if let Ok(number) = event.target().value().parse() {
                        choose(number);
                    }
                }
            >
                {releases.iter().map(option).into_views()}
            </select>
        </label>
    }
    .into_any()
}
