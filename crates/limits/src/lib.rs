//! What an app may use of the machine, and how the kernel is told.
//!
//! # How it works
//!
//! The daemon looks once what the machine offers ([`Offer::detect`]): systemd, control groups of version 2 or of
//! version 1, or only the limits of single processes. For each execution [`plan`] turns the app's limits into a
//! [`Confinement`]: groups and what is written into them, limits of processes, niceness, and a sentence for
//! everything that this machine cannot hold an app to. Nothing has happened until here.
//!
//! The monitor of the execution carries it out: [`Confinement::prepare`] makes the groups, [`Prepared::enter`] is
//! what the app's first process does before it becomes the app, so that every page of memory and every child of it is
//! counted from the first one on. It takes some milliseconds, so a monitor on standby does it before anybody knows what
//! for: its groups are [bare](Confinement::bare) until they are [settled](Prepared::settle). Afterwards the groups tell
//! what nothing else can: all processes, however often they forked ([`Groups::processes`]), the most memory that they
//! held together, and whether the kernel killed one for want of it.
//!
//! The monitor itself stays outside, because what it needs is not the app's. Only in a scope of systemd both are
//! inside, for systemd puts whole processes there; then the monitor is never counted among the app's.
//!
//! A process enters a group by writing itself into `cgroup.procs`. CLONE_INTO_CGROUP (clone3(2)) would save that write
//! and the wait that [`Offer::warm_up`] takes out of the way, but version 1 does not know it.
//!
//! A look at the app from outside, such as a health check, runs in its groups too ([`Confinement::admit`]): it uses
//! what the app may use, and ends with it.
//!
//! When a monitor was killed, the daemon does the rest with the recorded confinement: [`kill_group`] and
//! [`Groups::remove`]. Groups that nobody holds any more are removed by the next daemon of the same name (`sweep`), and
//! the folder around them by whoever leaves it last.

mod apply;
mod confinement;
mod detect;
mod groups;
mod hierarchy;
mod offer;
mod plan;
mod prepared;
mod sweep;
mod weight;

pub use confinement::{Confinement, Group, Keeper, ProcessLimit, Resource, Setting, SystemdScope};
pub use groups::{Groups, OutOfMemory, Shortage, kill_group};
pub use offer::{Enforced, Offer};
pub use plan::plan;
pub use prepared::Prepared;
