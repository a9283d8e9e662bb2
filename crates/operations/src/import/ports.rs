//! The ports of apps that come along: the one that an app had, where that is free here, or another one.

use mantyx_core::{Result, WebPort};
use mantyx_platform::ports;
use mantyx_registry::tables::{config_revisions, instances, port_leases};
use mantyx_registry::{Change, PortPool, settle_web_port};

use super::Incoming;

/// Leases the port that an app wants. Where none is to be had it comes without: its start says so.
pub(super) fn lease(change: &mut Change<'_, '_>, app: &Incoming, pool: &PortPool) -> Result<()> {
    let instance = instances::of_app(change, app.id)?;
    let wanted = config_revisions::get(change, instance.revision_id.0)?.configuration.0.web_port;
    let had = app.port.filter(|port| pool.contains(port) && !ports::in_use(*port));
    if let (Some(WebPort::Auto(_)), Some(port)) = (wanted, had)
        && port_leases::list(change)?.iter().all(|(taken, _)| *taken != port)
    {
        return port_leases::give_web_port(change, app.instance, port);
    }
    if let Err(error) = settle_web_port(change, app.instance, wanted, pool, ports::in_use) {
        tracing::warn!(?error, app = %app.name, "an app that was imported has no port");
    }
    Ok(())
}
