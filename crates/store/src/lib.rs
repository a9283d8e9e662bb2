//! The database, and the only crate that knows diesel.
//!
//! One SQLite file in WAL mode holds the truth. Reads take a connection of their own; writes go one after the other
//! through a single connection with `BEGIN IMMEDIATE`, so a transaction never fails half way for want of a lock.
//! [`Read`] and [`Write`] are what a table's functions take: a function that changes something asks for a [`Write`],
//! which exists only inside such a transaction.
//!
//! Below [`tables`] there is one file for each table, with short queries and no decisions.

mod connection;
mod fault;
#[cfg(test)]
mod plans;
mod schema;
pub mod tables;
mod text;
pub mod transfer;

pub use connection::{Durability, Read, Store, Write};
pub use text::{Json, Word};
pub use transfer::Foreign;
