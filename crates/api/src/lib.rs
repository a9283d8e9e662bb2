//! REST, events, authentication and the page's files: the only crate that knows actix.
//!
//! A request passes five rings before it reaches a handler: [`shell`] catches panics and adds the security
//! headers, [`origin`] turns away what is addressed to or comes from elsewhere, [`access`] looks up who is asking,
//! [`idempotency`] answers a retry as before, and the handler's own arguments say how far that one's token must
//! reach and what must be readable. The handler then makes one call on [`mantyx_operations::Mantyx`]. Whatever goes wrong on the way becomes a response in
//! [`problem`]. There is one file for each resource, and [`routes`] lists them; the OpenAPI document is made from
//! the same handlers.

mod access;
mod apps;
mod backups;
mod connection;
mod connections;
mod data;
mod dependencies;
mod docs;
mod document;
mod events;
mod executions;
mod files;
mod forms;
mod gate;
mod hooks;
mod idempotency;
mod inputs;
mod lifecycle;
mod lists;
mod live;
mod login;
mod logs;
mod metrics;
mod new_app;
mod operations;
mod origin;
mod page;
mod paging;
mod parts;
mod problem;
mod query;
mod reconcile;
mod releases;
mod replays;
mod revision;
mod routes;
mod runtime;
mod schedules;
mod secrets;
mod server;
mod settings;
mod shell;
mod sse;
mod system;
mod tokens;
mod tracking;
mod transfer;
mod trash;
mod updates;
mod uploads;
mod waiting;
mod words;

pub use document::openapi;
pub use login::login_link;
pub use server::{Document, Server};
