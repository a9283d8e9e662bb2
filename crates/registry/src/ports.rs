//! Ports of the apps' own web pages: no two apps are given the same one.

use std::ops::RangeInclusive;

use mantyx_core::{Code, Error, InstanceId, Result, WebPort};
use mantyx_store::tables::{apps, instances, port_leases};
use mantyx_store::{Read, Write};

/// The ports that Mantyx chooses from.
pub type PortPool = RangeInclusive<u16>;

/// Makes the lease of an instance agree with its configuration.
///
/// A port that was chosen by Mantyx is kept for as long as the app wants any. `in_use` says whether something
/// outside Mantyx listens there: such a port is passed over when choosing, and may still be asked for by number,
/// because what listens there may be gone by the time that the app starts.
pub fn settle_web_port(
    tx: &mut Write<'_>,
    instance: InstanceId,
    wanted: Option<WebPort>,
    pool: &PortPool,
    in_use: impl Fn(u16) -> bool,
) -> Result<()> {
    let has = port_leases::web_port(tx, instance)?;
    match (wanted, has) {
        (None, None) => Ok(()),
        (None, Some(_)) => port_leases::take_web_port(tx, instance),
        (Some(WebPort::Fixed(port)), has) if has == Some(port) => Ok(()),
        (Some(WebPort::Fixed(port)), _) => {
            refuse_if_held(tx, instance, port)?;
            port_leases::give_web_port(tx, instance, port)
        }
        (Some(WebPort::Auto(_)), Some(port)) if pool.contains(&port) => Ok(()),
        (Some(WebPort::Auto(_)), _) => {
            let port = choose(tx, pool, in_use)?;
            port_leases::give_web_port(tx, instance, port)
        }
    }
}

fn choose(db: &mut Read<'_>, pool: &PortPool, in_use: impl Fn(u16) -> bool) -> Result<u16> {
    let leased = port_leases::list(db)?;
    let free = |port: &u16| leased.iter().all(|(other, _)| other != port) && !in_use(*port);
    pool.clone().find(free).ok_or_else(|| {
        Error::new(Code::NoFreePort, format!("Every port from {} to {} is taken", pool.start(), pool.end()))
            .hint("Free one, give this app a port by number, or widen `port_pool_first` and `port_pool_last`")
    })
}

fn refuse_if_held(db: &mut Read<'_>, instance: InstanceId, port: u16) -> Result<()> {
    let Some((_, holder)) = port_leases::list(db)?.into_iter().find(|(other, _)| *other == port) else {
        return Ok(());
    };
    if holder == instance {
        return Ok(());
    }
    let name = match instances::find(db, holder)? {
        Some(row) => apps::find(db, row.app_id.0)?.map(|app| app.name.0.to_string()),
        None => None,
    };
    let name = name.unwrap_or_else(|| "another app".to_owned());
    Err(Error::new(Code::PortTaken, format!("Port {port} belongs to `{name}`"))
        .hint("Choose another port, or `auto`"))
}
