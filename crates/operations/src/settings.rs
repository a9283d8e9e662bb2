//! The settings of this daemon: what they are, and those that change while it runs.

use mantyx_api_types::{Page, SettingSource, SettingView};
use mantyx_core::{Actor, EventKind, Result, Subject};
use mantyx_platform::{atomic, folders};
use mantyx_settings::{Effect, Listed, Settings, Source};
use serde_json::{Map, Value, json};

use crate::mantyx::Mantyx;
use crate::work::{blocking, whole};

/// The file may hold what is nobody else's business, such as where a proxy is.
const PRIVATE: u32 = 0o600;

impl Mantyx {
    /// All settings, in the order of the reference.
    #[must_use]
    pub fn list_settings(&self) -> Page<SettingView> {
        let items = self.inner().live.now().list().into_iter().map(view).collect();
        Page { items, next_cursor: None }
    }

    /// Changes settings that can change while the daemon runs. They are written to the settings file, so that the next
    /// daemon has them too. `null` is the default again.
    pub async fn change_settings(
        &self,
        actor: &Actor,
        patch: Map<String, Value>,
    ) -> Result<Page<SettingView>> {
        let (mantyx, actor) = (self.clone(), actor.clone());
        whole(async move {
            let (live, config) = (mantyx.inner().live.clone(), mantyx.layout().config());
            let judge = mantyx.clone();
            let changed = blocking(move || {
                folders::create(&config, 0o700)?;
                let accept = |wanted: &Settings| judge.refuse_backup_schedule(wanted);
                live.change(&patch, accept, |path, text| atomic::write(path, text.as_bytes(), PRIVATE))
            })
            .await?;
            for change in changed {
                let name = change.name.to_owned();
                let subject = Subject { kind: "setting".into(), id: name.clone(), name };
                let payload = json!({ "from": change.from, "to": change.to });
                mantyx
                    .registry()
                    .change(&actor, move |record| record.record(EventKind::SettingChanged, &subject, payload))
                    .await?;
            }
            Ok(mantyx.list_settings())
        })
        .await
    }
}

fn view(listed: Listed) -> SettingView {
    let source = match listed.source {
        Source::Default => SettingSource::Default,
        Source::File(path) => SettingSource::File { path: path.display().to_string() },
        Source::Variable(name) => SettingSource::Variable { name },
        Source::Flag(name) => SettingSource::Flag { name },
    };
    SettingView {
        name: listed.setting.name.to_owned(),
        description: listed.setting.doc.to_owned(),
        form: listed.setting.form.to_owned(),
        value: listed.value,
        default: listed.default,
        source,
        live: listed.setting.effect == Effect::Live,
    }
}
