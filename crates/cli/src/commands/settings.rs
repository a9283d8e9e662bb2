//! The settings of Mantyx: listed, and changed while it runs.

use mantyx_api_types::{Page, SettingView};
use mantyx_core::Error;
use serde_json::{Map, Value};

use super::{Session, configure};
use crate::arguments::{SettingsArgs, SettingsCommand};
use crate::failure::{Failure, Result};
use crate::tables;

const ADDRESS: &str = "/api/settings";

pub(super) async fn run(what: SettingsArgs, session: Session) -> Result<()> {
    match what.command {
        None => {
            let page: Page<SettingView> = session.client.get(ADDRESS, &[]).await?;
            session.output.show(&page.items, |settings| tables::settings(settings))
        }
        Some(SettingsCommand::Set { name, value }) => {
            change(&session, name, configure::value_of(&value)).await
        }
        Some(SettingsCommand::Unset { name }) => change(&session, name, Value::Null).await,
    }
}

/// A value of null takes the setting out of the file.
async fn change(session: &Session, name: String, value: Value) -> Result<()> {
    let patch = Map::from_iter([(name.clone(), value)]);
    let page: Page<SettingView> = session.client.patch(ADDRESS, &patch).await?;
    let changed = page.items.into_iter().find(|setting| setting.name == name);
    let changed = changed.ok_or_else(|| Failure::Local(Error::not_found("setting", &name)))?;
    session.output.show(&changed, said)
}

fn said(setting: &SettingView) -> String {
    match tables::setting_value(&setting.value).as_str() {
        "" => format!("`{}` has no value now", setting.name),
        value => format!("`{}` is {value} now", setting.name),
    }
}
