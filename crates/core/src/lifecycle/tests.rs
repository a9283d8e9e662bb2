//! The table, called.

use super::*;
use proptest::prelude::*;

fn facts(app_type: AppType) -> Facts {
    Facts { app_type, installed: true, ever_enabled: true, autostart: true, live_runs: 0 }
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let app_type = prop_oneof![Just(AppType::Perpetual), Just(AppType::Scheduled)];
    (app_type, any::<bool>(), any::<bool>(), any::<bool>(), 0u32..3).prop_map(
        |(app_type, installed, ever_enabled, autostart, live_runs)| Facts {
            app_type,
            installed,
            ever_enabled,
            autostart,
            live_runs,
        },
    )
}

fn walk(facts: Facts, events: &[AppEvent]) -> AppState {
    events
        .iter()
        .fold(AppState::FIRST, |state, event| transition(state, *event, facts).unwrap().state.unwrap())
}

#[test]
fn the_life_of_a_service() {
    use AppEvent::{Delete, Disable, Enable, Exited, GaveUp, Install, Restart, Restore, Start, Stop};
    let service = facts(AppType::Perpetual);
    assert_eq!(walk(service, &[Install, Enable, Start]), AppState::Running);
    assert_eq!(walk(service, &[Install, Enable, Start, Exited]), AppState::Stopped);
    assert_eq!(walk(service, &[Install, Enable, Start, GaveUp, Restart, Stop]), AppState::Stopped);
    assert_eq!(walk(service, &[Install, Enable, Start, Disable]), AppState::Disabled);
    assert_eq!(walk(service, &[Install, Enable, Delete, Restore]), AppState::Disabled);
}

#[test]
fn the_life_of_a_job() {
    use AppEvent::{Enable, Finished, Install, Run, Stop};
    let job = facts(AppType::Scheduled);
    assert_eq!(walk(job, &[Install, Enable, Run]), AppState::Running);
    assert_eq!(walk(job, &[Install, Enable, Run, Finished]), AppState::Enabled);
    assert_eq!(walk(job, &[Install, Enable, Run, Stop]), AppState::Enabled);
    let two = Facts { live_runs: 1, ..job };
    assert_eq!(walk(two, &[Install, Enable, Run, Finished]), AppState::Running);
}

#[test]
fn a_failed_first_install_can_only_be_mended_or_thrown_away() {
    let never = Facts { installed: false, ever_enabled: false, ..facts(AppType::Perpetual) };
    let failed = transition(AppState::Uploaded, AppEvent::InstallFailed, never).unwrap();
    assert_eq!(failed.state, Some(AppState::Failed));
    let legal = legal_events(AppState::Failed, never);
    let mendable = [
        AppEvent::Install,
        AppEvent::Update,
        AppEvent::Configure,
        AppEvent::Rename,
        AppEvent::Delete,
        AppEvent::Purge,
    ];
    assert_eq!(legal, mendable);
    let updated = transition(AppState::Failed, AppEvent::Update, never).unwrap();
    assert_eq!(updated.state, Some(AppState::Installed));
    let undone = transition(AppState::Installed, AppEvent::InstallFailed, never).unwrap();
    assert_eq!(undone.state, Some(AppState::Failed));
}

#[test]
fn what_was_imported_and_has_no_environment_here_has_failed() {
    let bare = Facts { installed: false, ..facts(AppType::Perpetual) };
    for state in [AppState::Enabled, AppState::Running, AppState::Stopped, AppState::Disabled] {
        let next = transition(state, AppEvent::InstallFailed, bare).unwrap();
        assert_eq!(next, Next { state: Some(AppState::Failed), effects: vec![] }, "{state}");
    }
}

#[test]
fn a_failed_later_install_changes_nothing() {
    let again = transition(AppState::Disabled, AppEvent::InstallFailed, facts(AppType::Scheduled)).unwrap();
    assert_eq!(again, Next { state: Some(AppState::Disabled), effects: vec![] });
}

proptest! {
    /// Nothing but an explicit enable leads to a process.
    #[test]
    fn nothing_runs_before_enable(facts in any_facts(), state in 0usize..8, event in 0usize..20) {
        let (state, event) = (AppState::ALL[state], AppEvent::ALL[event]);
        if let Ok(next) = transition(state, event, facts) {
            let spawns = next.effects.iter().any(|e| matches!(e, Effect::SpawnRun | Effect::SpawnService));
            let switched_off = matches!(
                state,
                AppState::Uploaded | AppState::Installed | AppState::Disabled | AppState::Deleted
            );
            prop_assert!(!(spawns && switched_off));
            if spawns {
                prop_assert_eq!(next.state, Some(AppState::Running));
            }
        }
    }

    /// What is listed as legal is legal, and what is refused says the same list.
    #[test]
    fn the_list_and_the_table_agree(facts in any_facts(), state in 0usize..8, event in 0usize..20) {
        let (state, event) = (AppState::ALL[state], AppEvent::ALL[event]);
        let legal = legal_events(state, facts);
        match transition(state, event, facts) {
            Ok(_) => prop_assert!(legal.contains(&event) || !AppEvent::REQUESTS.contains(&event)),
            Err(illegal) => {
                prop_assert!(!legal.contains(&event));
                prop_assert_eq!(illegal.legal, legal);
            }
        }
    }

    /// Every app can be thrown away for good.
    #[test]
    fn purge_is_always_legal(facts in any_facts(), state in 0usize..8) {
        let next = transition(AppState::ALL[state], AppEvent::Purge, facts).unwrap();
        prop_assert_eq!(next.state, None);
    }
}
