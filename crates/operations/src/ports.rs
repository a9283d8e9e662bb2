//! The ports of apps that come back or along: the one that an app had, where that is free, or another one.

use mantyx_core::{AppId, Result, WebPort};
use mantyx_platform::ports;
use mantyx_registry::tables::{config_revisions, instances, port_leases};
use mantyx_registry::{Change, Json, PortPool, settle_web_port};

/// Leases the port that an app wants: `had`, or what its configuration says. Where none is to be had it comes without
/// and with a warning: nobody could choose another one for an app that is not there.
pub(crate) fn lease(
    change: &mut Change<'_, '_>,
    app: AppId,
    had: Option<u16>,
    pool: &PortPool,
) -> Result<()> {
    let instance = instances::of_app(change, app)?;
    let id = instance.id.0;
    let wanted = config_revisions::get(change, instance.revision_id.0)?.configuration.0.web_port;
    let had = had.filter(|port| pool.contains(port) && !ports::in_use(*port));
    if let (Some(WebPort::Auto(_)), Some(port)) = (wanted, had)
        && port_leases::list(change)?.iter().all(|(taken, _)| *taken != port)
    {
        return port_leases::give_web_port(change, id, port);
    }
    let Err(error) = settle_web_port(change, id, wanted, pool, ports::in_use) else { return Ok(()) };
    tracing::warn!(?error, %app, "an app has no port");
    let mut warnings = instance.warnings.0;
    warnings.push(format!("It has no web port: {}", error.detail()));
    instances::update(
        change,
        id,
        &instances::Changes { warnings: Some(Json(warnings)), ..Default::default() },
    )
}
