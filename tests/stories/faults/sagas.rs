//! Every saga is cut short at every step: the daemon is killed there, on the way forth and on the way back, the step
//! fails, the disk is full. Afterwards there is one complete release, a legal state, no debris, and the app is as it was
//! or as the operation makes it.
//!
//! The daemon lists the steps itself (`mantyx fault-points`), so a new step is cut short as well; a new saga fails
//! [`every_saga_has_its_stories`] until it has a scenario.

use std::collections::BTreeSet;

mod gate;
mod picture;
mod point;
mod scenarios;
mod stage;
mod trial;

use scenarios::Scenario;

macro_rules! stories {
    ($($name:ident: $scenario:ty;)*) => {
        /// The sagas that stories are told of.
        const TOLD: &[&str] = &[$(<$scenario as Scenario>::KIND),*];

        $(mod $name {
            use super::{scenarios, trial};

            #[tokio::test(flavor = "multi_thread")]
            async fn survives_a_kill_on_the_way() {
                trial::killed_on_the_way::<$scenario>().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn survives_a_kill_on_the_way_back() {
                trial::killed_on_the_way_back::<$scenario>().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn is_undone_when_a_step_fails() {
                trial::failed::<$scenario>().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn survives_a_full_disk() {
                let name = concat!("faults::sagas::", stringify!($name), "::survives_a_full_disk");
                mantyx_test_support::with_disks(name, trial::full::<$scenario>()).await;
            }
        })*
    };
}

stories! {
    install: scenarios::Install;
    update: scenarios::Update;
    rollback: scenarios::Rollback;
    configure: scenarios::Configure;
    rename: scenarios::Rename;
    delete: scenarios::Delete;
    delete_of_a_job: scenarios::DeleteJob;
    restore: scenarios::Restore;
    restore_under_another_name: scenarios::RestoreRenamed;
    purge: scenarios::Purge;
    purge_from_the_trash: scenarios::PurgeTrashed;
    backup: scenarios::Backup;
    restore_backup: scenarios::RestoreBackup;
    repair: scenarios::Repair;
    export: scenarios::Export;
    import: scenarios::Import;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_survives_a_kill_at_any_moment() {
    trial::killed_at_any_moment::<scenarios::Update>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_restore_of_a_backup_survives_a_kill_at_any_moment() {
    trial::killed_at_any_moment::<scenarios::RestoreBackup>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_failure_like_another() {
    trial::panicked::<scenarios::RestoreBackup>("activate/acted", "swap_data/undoing", "tidy").await;
}

#[test]
fn every_saga_has_its_stories() {
    let points = point::all();
    let kinds: BTreeSet<&str> = points.iter().map(|point| point.kind.as_str()).collect();
    let told: BTreeSet<&str> = TOLD.iter().copied().collect();
    assert_eq!(kinds, told, "the sagas that there are, and those that have a scenario in this file");
}
