//! `/api/settings`: what the daemon is set to, and what of it changes while it runs.

use actix_web::web::Data;
use actix_web::{get, patch};
use mantyx_api_types::{Page, SettingView};
use mantyx_core::Result;
use mantyx_operations::Mantyx;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::{Admin, Reader};
use crate::inputs::Body;
use crate::problem::Answer;
use crate::revision::{IfMatch, digest, tagged};

pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_settings).service(change_settings);
}

/// Changes come one after the other, so that none lies between what `If-Match` finds and the change.
#[derive(Default)]
pub(crate) struct OneByOne(Mutex<()>);

fn tag_of(settings: &Page<SettingView>) -> Result<String> {
    digest(&settings.items.iter().map(|setting| (&setting.name, &setting.value)).collect::<Vec<_>>())
}

/// List the settings
///
/// Each with what it is for, what it is, where that comes from, and whether it changes while the daemon runs. There are
/// few of them, so they are one page.
#[utoipa::path(tag = "System", responses((
    status = 200, description = "All settings", body = Page<SettingView>,
    headers(("ETag" = String, description = "A digest of their values, in quotes"))
)))]
#[get("/api/settings")]
async fn list_settings(_: Reader, mantyx: Data<Mantyx>) -> Answer {
    let settings = mantyx.list_settings();
    Ok(tagged(&tag_of(&settings)?, &settings))
}

/// Change settings
///
/// A merge patch: settings by name, null for the default. All of it is done or nothing, and is written to the settings
/// file. What a variable or a flag decides, or what needs another start of the daemon, is refused.
#[utoipa::path(
    tag = "System",
    request_body = HashMap<String, Value>,
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of what the change is for, in quotes")),
    responses((
        status = 200, description = "All settings after the change", body = Page<SettingView>,
        headers(("ETag" = String, description = "A digest of their values, in quotes"))
    ))
)]
#[patch("/api/settings")]
async fn change_settings(
    Admin(caller): Admin,
    mantyx: Data<Mantyx>,
    expected: IfMatch,
    turn: Data<OneByOne>,
    Body(change): Body<Map<String, Value>>,
) -> Answer {
    let _turn = turn.0.lock().await;
    expected.refuse_other(&tag_of(&mantyx.list_settings())?)?;
    let settings = mantyx.change_settings(&caller.actor(), change).await?;
    Ok(tagged(&tag_of(&settings)?, &settings))
}
