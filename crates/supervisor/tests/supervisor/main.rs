//! The supervisor over real monitors and real processes.

mod daemons;
mod fixture;
mod health;
mod monitors;
mod pretender;
mod services;
mod standby;
