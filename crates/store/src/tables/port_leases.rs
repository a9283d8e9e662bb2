//! `port_leases`: which instance a port belongs to.

use diesel::prelude::*;
use mantyx_core::{InstanceId, Result};

use crate::fault::Doing;
use crate::schema::port_leases;
use crate::{Read, Word, Write};

/// The purpose of the port of an app's own web page.
pub const WEB: &str = "web";

/// The port that an instance has for its own web page.
pub fn web_port(db: &mut Read<'_>, instance: InstanceId) -> Result<Option<u16>> {
    let query = port_leases::table
        .filter(port_leases::instance_id.eq(Word(instance)))
        .filter(port_leases::purpose.eq(WEB))
        .select(port_leases::port);
    let port: Option<i32> = query.first(db.connection()).optional().doing("read a port")?;
    Ok(port.and_then(|port| u16::try_from(port).ok()))
}

/// The ports of the apps' own web pages, with their holders.
pub fn web_ports(db: &mut Read<'_>) -> Result<Vec<(InstanceId, u16)>> {
    let query = port_leases::table
        .filter(port_leases::purpose.eq(WEB))
        .select((port_leases::instance_id, port_leases::port));
    let rows: Vec<(Word<InstanceId>, i32)> = query.load(db.connection()).doing("list the ports")?;
    Ok(rows.into_iter().filter_map(|(holder, port)| Some((holder.0, u16::try_from(port).ok()?))).collect())
}

/// All ports that are given away, with their holders.
pub fn list(db: &mut Read<'_>) -> Result<Vec<(u16, InstanceId)>> {
    let query = port_leases::table.select((port_leases::port, port_leases::instance_id));
    let rows: Vec<(i32, Word<InstanceId>)> = query.load(db.connection()).doing("list the ports")?;
    Ok(rows.into_iter().filter_map(|(port, holder)| Some((u16::try_from(port).ok()?, holder.0))).collect())
}

/// Gives an instance a port for its own web page; the one that it had is free again.
pub fn give_web_port(tx: &mut Write<'_>, instance: InstanceId, port: u16) -> Result<()> {
    take_web_port(tx, instance)?;
    let row = (
        port_leases::port.eq(i32::from(port)),
        port_leases::instance_id.eq(Word(instance)),
        port_leases::purpose.eq(WEB),
    );
    diesel::insert_into(port_leases::table)
        .values(row)
        .execute(tx.connection())
        .map(drop)
        .doing("lease a port")
}

/// Takes the port for its own web page away from an instance.
pub fn take_web_port(tx: &mut Write<'_>, instance: InstanceId) -> Result<()> {
    let rows = port_leases::table
        .filter(port_leases::instance_id.eq(Word(instance)))
        .filter(port_leases::purpose.eq(WEB));
    diesel::delete(rows).execute(tx.connection()).map(drop).doing("free a port")
}
