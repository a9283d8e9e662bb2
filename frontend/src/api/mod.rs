//! How the page talks to the daemon: one HTTP client, one upload with progress, one socket. Nothing else in the
//! page knows an address of the API.

mod calls;
mod client;
mod data;
mod failure;
mod json;
mod live;
mod reader;
mod tracking;
mod transfer;
mod upload;

pub(crate) use client::{Answer, Client, FileText};
pub(crate) use failure::Failure;
pub(crate) use live::{Socket, SocketEvent};
pub(crate) use upload::{Overwrite, Progress};
