//! For each saga: an app, the operation, and what it makes of the app.

use mantyx_core::AppId;
use mantyx_test_support::Answer;
use serde_json::Value;

use super::stage::Stage;

mod backups;
mod places;
mod releases;
mod whole;

pub(super) use backups::{Backup, RestoreBackup};
pub(super) use places::{Delete, DeleteJob, Purge, PurgeTrashed, Rename, Restore, RestoreRenamed};
pub(super) use releases::{Configure, Install, Repair, Rollback, Update};
pub(super) use whole::{Export, Import};

/// An operation that can be asked for again and again.
pub(super) trait Scenario {
    /// The saga.
    const KIND: &str;
    /// Whether a failure leaves something broken that was broken before, which is mended by the next
    /// [preparation](Self::prepare).
    const LEAVES_BROKEN: bool = false;

    /// Makes the app.
    async fn begin(stage: &mut Stage) -> Self;

    /// Sees that the operation can be asked for, whatever became of the last one.
    async fn prepare(&mut self, _: &mut Stage) {}

    /// Asks for it.
    async fn ask(&mut self, stage: &mut Stage) -> Answer<Value>;

    /// The app that it is about.
    fn app(&self) -> AppId;

    /// What it makes of the app.
    fn done(&self, seen: &mut Value);

    /// What its failure makes of the app.
    fn undone(&self, _seen: &mut Value, _problem: &str) {}

    /// Whether a daemon that finds it in this step carries it on.
    fn is_carried_on(step: &str) -> bool {
        matches!(step, "start" | "watch" | "tidy" | "remove")
    }

    /// Whether it can still fail in this step. What follows is done again until it succeeds, because everything is in use.
    fn can_fail(step: &str) -> bool {
        !matches!(step, "tidy" | "remove")
    }
}
