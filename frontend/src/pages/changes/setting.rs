//! A setting that is changed where it stands.

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::SettingView;
use serde_json::Value;

use super::fetch::Fetched;
use super::settings::shown;
use crate::api::Failure;
use crate::components::{dynamic, failure_notice, prose};
use crate::state::{State, effect, last_seen};
use crate::text::setting::{source, text_of, value_of};

/// The signals of the row.
#[derive(Clone, Copy)]
struct Row {
    state: State,
    list: Fetched<Vec<SettingView>>,
    setting: Signal<SettingView>,
    draft: RwSignal<String>,
    failure: RwSignal<Option<Failure>>,
    busy: RwSignal<bool>,
}

impl Row {
    fn is_changed(self) -> bool {
        self.draft.read().trim() != text_of(&self.setting.read().value)
    }

    fn send(self, value: Value) {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.failure.set(None);
        let name = self.setting.with_untracked(|setting| setting.name.clone());
        spawn_local(async move {
            let answer = self.state.client.change_setting(&name, value).await;
            self.busy.try_set(false);
            match answer {
                Ok(all) => {
                    self.list.try_set(Some(Ok(all)));
                    let now = self.setting.try_get_untracked().map(|setting| text_of(&setting.value));
                    self.draft.try_set(now.clone().unwrap_or_default());
                    let now = shown(now.unwrap_or_default());
                    self.state.toasts.good(format!("`{name}` is `{now}` from now on"), None);
                }
                Err(failure) => {
                    self.failure.try_set(Some(failure));
                }
            }
        });
    }

    /// What is wrong with what was typed, which stands at the field; everything else stands below it.
    fn at_field(self) -> Option<String> {
        let failure = self.failure.read();
        failure.as_ref()?.fields().first().map(|error| error.detail.clone())
    }
}

/// The row.
pub(super) fn editable(state: State, list: Fetched<Vec<SettingView>>, first: SettingView) -> AnyView {
    let (name, draft) = (first.name.clone(), RwSignal::new(text_of(&first.value)));
    let setting = last_seen(first, move || {
        let list = list.read();
        list.as_ref()?.as_ref().ok()?.iter().find(|setting| setting.name == name).cloned()
    });
    let (failure, busy) = (RwSignal::new(None), RwSignal::new(false));
    let row = Row { state, list, setting, draft, failure, busy };
    let before = StoredValue::new(draft.get_untracked());
    // What somebody else changed shows here, unless something is being typed.
    effect(move || {
        let now = text_of(&setting.read().value);
        if draft.with_untracked(|draft| *draft == before.get_value()) {
            draft.set(now.clone());
        }
        before.set_value(now);
    });
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        if untrack(|| row.is_changed()) {
            let value = setting.with_untracked(|setting| value_of(setting, &draft.read_untracked()));
            row.send(value);
        }
    };
    let whole = move || {
        let failure = row.failure.get()?;
        failure.fields().is_empty().then(|| failure_notice(&failure))
    };
    let name = setting.with_untracked(|setting| setting.name.clone());
    let id = format!("setting-{name}");
    let (row_id, label_for) = (id.clone(), id.clone());
    view! {
        <li class="setting" data-testid=row_id>
            <div class="setting-words">
                <label for=label_for><code>{name}</code></label>
                <p class="muted">{prose(&setting.read_untracked().description)}</p>
            </div>
            <form class="setting-value" novalidate on:submit=submit>
                {controls(row, id)}
                {dynamic(whole)}
            </form>
        </li>
    }
    .into_any()
}

fn controls(row: Row, id: String) -> AnyView {
    let off = move || (row.busy.get() || !row.is_changed()).to_string();
    let is_default = move || row.setting.read().value == row.setting.read().default;
    let words_id = format!("{id}-words");
    let to_default = move || {
        (!is_default()).then(|| view! {
            <button type="button" class="button small" data-testid="setting-default" on:click=move |_| row.send(Value::Null)>"Back to the default"</button>
        })
    };
    let edit = move |text| {
        row.failure.set(None);
        row.draft.set(text);
    };
    view! {
        <div class="field" class:wrong=move || row.at_field().is_some()>
            <div class="row">
                <input
                    id=id
                    data-testid="setting-input"
                    type="text"
                    class="input machine setting-input"
                    autocomplete="off"
                    spellcheck="false"
                    aria-describedby=words_id.clone()
                    aria-invalid=move || row.at_field().is_some().to_string()
                    prop:value=row.draft
                    on:input:target=move |event| edit(event.target().value())
                />
                <button type="submit" class="button small" data-testid="setting-save" aria-disabled=off>"Save"</button>
                {dynamic(to_default)}
            </div>
            <p
                id=words_id
                class=move || if row.at_field().is_some() { "field-error" } else { "field-help" }
                data-testid=move || row.at_field().is_some().then_some("setting-error")
            >
                {dynamic(move || prose(&row.at_field().unwrap_or_else(|| help(&row.setting.read()))))}
            </p>
        </div>
    }
    .into_any()
}

/// What it takes, where its value comes from, and its default.
fn help(setting: &SettingView) -> String {
    let default = shown(text_of(&setting.default));
    let form = &setting.form;
    match source(&setting.source) {
        source if setting.value == setting.default => format!("Takes {form}. It is {source}."),
        source => format!("Takes {form}. It is {source}; the default is `{default}`."),
    }
}
