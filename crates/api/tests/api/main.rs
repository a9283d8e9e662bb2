//! The API as its clients meet it: over HTTP, from a Mantyx in a temporary folder.
#![cfg(test)]

mod apps;
mod backups;
mod conventions;
mod credentials;
mod data;
mod endings;
mod files;
mod lists;
mod live;
mod metrics;
mod openapi;
mod privileges;
mod rest;
mod retries;
mod secrets;
mod server;
mod settings;
mod standing;
mod story;
mod tracking;
mod undone;
mod updates;
