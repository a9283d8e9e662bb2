//! What is written down of an end, and what follows from it.

use super::*;

#[tokio::test]
async fn a_process_that_was_well_for_a_window_wipes_the_past() {
    let world = World::with(AppType::Perpetual).await;
    world.apply(AppEvent::Start).await;
    for (health, ran, left) in [
        (Health::Unknown, TimeDelta::seconds(299), 2),
        (Health::Unhealthy, TimeDelta::seconds(301), 2),
        (Health::Healthy, TimeDelta::seconds(301), 0),
    ] {
        let execution = world.run(Trigger::Restart).await;
        world.set(instances::Changes { give_ups: Some(2), ..Default::default() }).await;
        world.observed(execution, health).await;
        world.exited(execution, crash(ran)).await;
        assert_eq!(world.row().await.give_ups, left, "{health:?} for {ran}");
    }
}

#[tokio::test]
async fn only_a_person_s_stop_is_a_stop() {
    let mut world = World::with(AppType::Perpetual).await;
    world.apply(AppEvent::Start).await;
    let instance = world.instance;
    let shut_down = ended(Ending::ShutDown, 0, TimeDelta::seconds(1));
    for ended in [shut_down, stopped("owner (restart)")] {
        world.report(Report::Rested { instance, ended }).await;
        assert_eq!(world.row().await.state.0, AppState::Running);
        assert_eq!(world.resumed.try_recv(), Ok(instance));
    }
    world.report(Report::Rested { instance, ended: stopped("owner (stop)") }).await;
    assert_eq!(world.row().await.state.0, AppState::Stopped);
    assert!(world.resumed.try_recv().is_err());
}

#[tokio::test]
async fn what_happens_over_and_over_is_recorded_once() {
    let world = World::with(AppType::Scheduled).await;
    for _ in 0..20 {
        let execution = world.run(Trigger::Manual).await;
        world.exited(execution, crash(TimeDelta::seconds(1))).await;
    }
    let recorded = world.events(EventKind::ExecutionFinished).await;
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    assert!(recorded[0]["execution"].is_string() && recorded[0].get("last_lines").is_none());
    let execution = world.run(Trigger::Manual).await;
    world.exited(execution, stopped("owner (stop)")).await;
    assert_eq!(world.events(EventKind::ExecutionFinished).await.len(), 2, "a person's stop is always told");
}

#[tokio::test]
async fn the_end_of_a_process_has_its_last_lines() {
    let world = World::with(AppType::Perpetual).await;
    world.apply(AppEvent::Start).await;
    let execution = world.run(Trigger::Manual).await;
    world.says(execution, "ModuleNotFoundError: No module named 'flask'\n");
    world.exited(execution, crash(TimeDelta::seconds(1))).await;
    let row = world.execution(execution).await;
    assert_eq!(row.last_lines.0.len(), 1);
    assert!(row.cause.unwrap().contains("`flask`"));

    let execution = world.run(Trigger::Restart).await;
    world.says(execution, "busy\n");
    world.exited(execution, stopped("owner (restart)")).await;
    let row = world.execution(execution).await;
    assert_eq!(row.last_lines.0, ["busy"]);
    assert_eq!(row.cause.as_deref(), Some("Stopped by owner (restart)"));

    let execution = world.run(Trigger::Manual).await;
    world.exited(execution, ended(Ending::Exited, 0, TimeDelta::milliseconds(7))).await;
    let cause = world.execution(execution).await.cause.unwrap();
    assert!(cause.starts_with("It ended 7 ms after its start"), "{cause}");
}

#[tokio::test]
async fn who_is_given_up_is_told_why_with_the_last_lines_and_the_record_without_them() {
    let world = World::with(AppType::Perpetual).await;
    for rested in [true, false] {
        world.apply(AppEvent::Start).await;
        let execution = world.run(Trigger::Manual).await;
        world.says(execution, "begins\nModuleNotFoundError: No module named 'flask'\n");
        let crash = crash(TimeDelta::seconds(3));
        world.exited(execution, crash.clone()).await;
        if rested {
            world.report(Report::Rested { instance: world.instance, ended: crash }).await;
        } else {
            world.gave_up(crash, "Restarted 3 times").await;
        }
        let row = world.row().await;
        let reason = row.reason.unwrap();
        let words = ". Its last lines: `begins` `ModuleNotFoundError: No module named 'flask'`";
        assert_eq!(row.state.0, AppState::Failed);
        assert!(
            reason.contains("The module `flask` is not installed") && reason.ends_with(words),
            "{reason}"
        );
        let recorded = world.events(EventKind::AppChanged).await;
        assert_eq!(recorded.last().unwrap()["reason"], reason.strip_suffix(words).unwrap());
    }
}

#[tokio::test]
async fn a_start_that_could_not_be_prepared_is_not_explained_by_the_end_before_it() {
    let world = World::with(AppType::Perpetual).await;
    world.apply(AppEvent::Start).await;
    let execution = world.run(Trigger::Manual).await;
    world.says(execution, "busy\n");
    world.exited(execution, ended(Ending::ShutDown, 0, TimeDelta::seconds(9))).await;
    let held = Ending::NotStarted { reason: "its web port 18992 is held by `python3`".into() };
    let reason = "Restarted 3 times in 300 s; the process could not be started: its web port 18992 is held";
    world.gave_up(Ended { exit: None, ..ended(held, 0, TimeDelta::zero()) }, reason).await;
    assert_eq!(world.row().await.reason.as_deref(), Some(reason));
}

#[tokio::test]
async fn what_a_person_stopped_an_app_for_is_settled_with_its_end() {
    use AppType::{Perpetual, Scheduled};
    let owner = Actor::Token { name: "owner".into(), address: "::1".into() };
    for (app_type, by, state) in [
        (Perpetual, "owner (stop)", AppState::Stopped),
        (Perpetual, "owner (disable)", AppState::Disabled),
        (Perpetual, "owner (restart)", AppState::Running),
        (Perpetual, "owner (delete)", AppState::Running),
        (Scheduled, "owner (stop)", AppState::Enabled),
        (Scheduled, "owner (disable)", AppState::Disabled),
    ] {
        let world = World::with(app_type).await;
        if app_type == Perpetual {
            world.apply(AppEvent::Start).await;
        }
        let execution = world.run(Trigger::Manual).await;
        let stopping = world.conductor.stops.begin(world.instance, owner.clone());
        world.exited(execution, stopped(by)).await;
        drop(stopping);
        assert_eq!(world.row().await.state.0, state, "{app_type:?} {by}");
        let events = world.conductor.registry.read(|db| events::after(db, 0, 1000)).await.unwrap();
        let last = events.into_iter().rfind(|event| event.kind.0 == EventKind::AppChanged).unwrap();
        let is_settled = matches!(state, AppState::Stopped | AppState::Disabled);
        assert_eq!(last.actor.0 == owner, is_settled, "{app_type:?} {by}: {:?}", last.payload.0);
    }
}

#[tokio::test]
async fn an_end_that_could_not_be_kept_is_recorded_all_the_same() {
    let world = World::with(AppType::Perpetual).await;
    world.apply(AppEvent::Start).await;
    let execution = world.run(Trigger::Manual).await;
    let (instance, ended) = (world.instance, crash(TimeDelta::seconds(1)));
    let exited = Report::Exited { instance, execution, ended };
    let condition = Condition { health: Health::Unhealthy, ..Default::default() };
    let ill = Report::Observed { instance, execution, condition };
    world.sql("CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no room'); END");
    for report in [&ill, &exited] {
        world.conductor.report(report.clone()).await.unwrap_err();
    }
    world.sql("DROP TRIGGER full");
    for report in [ill, exited] {
        world.report(report).await;
    }
    for kind in [EventKind::AppHealthChanged, EventKind::ExecutionFinished] {
        let recorded = world.events(kind).await;
        assert_eq!((recorded.len(), &recorded[0]["folded"]), (1, &json!(0)), "{kind:?}");
    }
}

#[tokio::test]
async fn only_a_start_by_hand_begins_a_new_count_of_restarts() {
    use Trigger::{Boot, Manual, Restart};
    let world = World::with(AppType::Perpetual).await;
    world.apply(AppEvent::Start).await;
    let app = world.app;
    for (triggers, count) in [(vec![Manual, Restart, Restart, Boot, Restart, Boot], 3), (vec![Manual], 0)] {
        for trigger in triggers {
            world.begin(trigger).await.unwrap();
        }
        let counted = world.conductor.registry.read(move |db| executions::restarts_of(db, app, 100));
        assert_eq!(counted.await.unwrap().len(), count);
    }
}

#[tokio::test]
async fn what_could_not_be_granted_is_still_said_when_nothing_runs() {
    let world = World::with(AppType::Perpetual).await;
    world.apply(AppEvent::Start).await;
    let execution = world.run(Trigger::Manual).await;
    assert_eq!(world.row().await.health.0, Health::Starting);
    world.exited(execution, crash(TimeDelta::seconds(1))).await;
    let row = world.row().await;
    assert_eq!((row.health.0, row.warnings.0), (Health::Unknown, vec!["It has no limit".to_owned()]));
}
