//! What the daemon is told: every setting with its value, its default and where the value comes from. What takes
//! effect at once is changed here; the others say how they are.

use leptos::prelude::*;
use mantyx_api_types::{SettingSource, SettingView};

use super::fetch::{Fetched, fetched};
use super::setting::editable;
use crate::components::{IntoViews, prose};
use crate::pages::system::tabs;
use crate::route::Route;
use crate::state::{State, memo};
use crate::text::prose::sentence;
use crate::text::setting::{can_change, source, text_of};

/// The screen.
pub(super) fn settings(state: State) -> AnyView {
    let list: Fetched<Vec<SettingView>> = RwSignal::new(None);
    state.keep_loaded(move || {
        leptos::task::spawn_local(async move {
            list.try_set(Some(state.client.settings().await));
        });
    });
    // A row stays while its value changes: only which settings there are is drawn anew.
    let names = RwSignal::new(None);
    let known = memo(move || {
        list.with(|list| {
            let of = |list: &Vec<SettingView>| list.iter().map(|setting| setting.name.clone()).collect();
            list.as_ref().map(|answer| answer.as_ref().map(of).map_err(Clone::clone))
        })
    });
    crate::state::effect(move || names.set(known.get()));
    view! {
        <div class="page narrow">
            <header class="head"><h1>"System"</h1></header>
            {tabs(Route::Settings)}
            {fetched(names, 10, move |names: &Vec<String>| groups(state, list, names))}
        </div>
    }
    .into_any()
}

fn groups(state: State, list: Fetched<Vec<SettingView>>, names: &[String]) -> AnyView {
    let find = move |name: &str| {
        list.with_untracked(|list| {
            let list = list.as_ref()?.as_ref().ok()?;
            list.iter().find(|setting| setting.name == name).cloned()
        })
    };
    let all: Vec<SettingView> = names.iter().filter_map(|name| find(name)).collect();
    let (live, fixed): (Vec<_>, Vec<_>) = all.into_iter().partition(|setting| setting.live);
    let live = live.into_iter().map(|setting| {
        if can_change(&setting) { editable(state, list, setting) } else { fixed_row(&setting) }
    });
    view! {
        <section class="panel" data-testid="settings-live">
            <div class="panel-title"><h2>"Takes effect at once"</h2></div>
            <ul class="settings">{live.into_views()}</ul>
        </section>
        <section class="panel" data-testid="settings-fixed">
            <div class="panel-title"><h2>"Takes effect when Mantyx starts"</h2></div>
            <p class="panel-words muted">{prose("Set in `config/mantyx.toml`, in a variable of the daemon, or by a flag of `mantyx serve`.")}</p>
            <ul class="settings">{fixed.iter().map(fixed_row).into_views()}</ul>
        </section>
    }
    .into_any()
}

/// A setting that cannot be changed here.
fn fixed_row(setting: &SettingView) -> AnyView {
    let value = shown(text_of(&setting.value));
    let default = shown(text_of(&setting.default));
    let beside = match source(&setting.source) {
        source if setting.source == SettingSource::Default => source,
        source if setting.value == setting.default => format!("{source}, which is the default"),
        source => format!("{source}; the default is `{default}`"),
    };
    view! {
        <li class="setting" data-testid=format!("setting-{}", setting.name)>
            <div class="setting-words">
                <code>{setting.name.clone()}</code>
                <p class="muted">{prose(&setting.description)}</p>
            </div>
            <div class="setting-value">
                <p class="machine">{value}</p>
                <p class="muted small">{prose(&sentence(&beside))}</p>
            </div>
        </li>
    }
    .into_any()
}

/// A value as it reads where nobody types.
pub(super) fn shown(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}
