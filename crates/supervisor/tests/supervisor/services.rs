//! Services and runs under one daemon: start, restart, give up, stop.

use std::time::Duration;

use crate::fixture::{Stage, by_somebody, is_alive, kill, wait_for};
use mantyx_core::{AfterGivingUp, Code, Ending, Exit, RestartHistory, RestartPolicy, ScheduleId, Trigger};
use mantyx_supervisor::{Outlook, Report, Start};

const FOREVER: &str = "echo $$; exec sleep 1000";
const NO_TIME: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_service_that_is_killed_is_started_again_at_once() {
    let stage = Stage::new(FOREVER);
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let (first, pid) = book.started().await;
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    kill(pid);
    let (ended, how) = book.exited().await;
    assert_eq!((ended, how.exit, how.ending), (first, Some(Exit::Signal(9)), Ending::Exited));
    let (second, next_pid) = book.started().await;
    assert_ne!((first, pid), (second, next_pid));
    assert_eq!(book.triggers(), [Trigger::Manual, Trigger::Restart]);
    wait_for("the status", || supervisor.status(stage.instance).and_then(|s| s.pid) == Some(next_pid)).await;
    assert_eq!(supervisor.status(stage.instance).unwrap().restarts, 1);
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn a_service_that_keeps_failing_is_given_up() {
    let stage = Stage::new("exit 3").rule(RestartPolicy::OnFailure, NO_TIME, 2);
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Boot).await.unwrap();
    for restart in 0..3 {
        book.started().await;
        assert_eq!(book.exited().await.1.exit, Some(Exit::Code(3)));
        if restart == 1 {
            assert!(matches!(book.next().await, Report::Waiting { restarts: 2, .. }));
        }
    }
    let Report::GaveUp { restarts: 2, reason, ended, .. } = book.next().await else { panic!("not given up") };
    assert!(reason.starts_with("Restarted 2 times in 300 s; the last process exited with code 3 after "));
    assert_eq!(ended.exit, Some(Exit::Code(3)));
    wait_for("the status", || supervisor.status(stage.instance).is_none()).await;
    stage.wait_for_empty_run_folder().await;
}

#[tokio::test]
async fn a_service_that_was_given_up_is_tried_again_later() {
    let stage = Stage::new("exit 3").rule(RestartPolicy::OnFailure, NO_TIME, 0);
    let stage = stage.care(|care| care.rule.after_giving_up = AfterGivingUp::Retry);
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    book.started().await;
    book.exited().await;
    let Report::GaveUp { retry_at: Some(at), give_ups: 1, .. } = book.next().await else {
        panic!("no retry")
    };
    let minutes = (at - chrono::Utc::now()).num_minutes();
    assert!((14..=15).contains(&minutes), "{minutes}");
    wait_for("the status", || {
        supervisor.status(stage.instance).is_some_and(|it| it.outlook == Outlook::GivenUp)
    })
    .await;
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
    assert_eq!(supervisor.status(stage.instance), None);
    // The next daemon goes on with it, and the second time it waits longer.
    let history = RestartHistory::default().given_up(1);
    supervisor.retry_at(stage.instance, chrono::Utc::now(), history).await.unwrap();
    book.started().await;
    book.exited().await;
    let Report::GaveUp { retry_at: Some(at), give_ups: 2, .. } = book.next().await else {
        panic!("no retry")
    };
    assert!((at - chrono::Utc::now()).num_minutes() >= 29);
    assert_eq!(book.triggers(), [Trigger::Manual, Trigger::Retry]);
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn another_daemon_forgets_neither_the_past_nor_the_wait() {
    let stage = Stage::new("exit 3").rule(RestartPolicy::OnFailure, NO_TIME, 1);
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    let past = RestartHistory::from_iter([chrono::Utc::now()]);
    supervisor.resume_service(stage.instance, Trigger::Boot, past.clone()).await.unwrap();
    book.started().await;
    book.exited().await;
    assert!(matches!(book.next().await, Report::GaveUp { restarts: 1, .. }));

    let later = chrono::Utc::now() + chrono::TimeDelta::minutes(5);
    supervisor.forget_retry(stage.instance).await.unwrap();
    supervisor.restart_at(stage.instance, later, past.clone()).await.unwrap();
    let status = supervisor.status(stage.instance).unwrap();
    assert_eq!((status.outlook, status.restarts_at), (Outlook::KeptRunning, Some(later)));
    assert_eq!((status.pid, status.restarts), (None, 1));
    supervisor.forget_retry(stage.instance).await.unwrap();
    supervisor.restart_at(stage.instance, chrono::Utc::now(), past).await.unwrap();
    book.started().await;
    book.exited().await;
    assert!(matches!(book.next().await, Report::GaveUp { restarts: 1, .. }));
    assert_eq!(book.triggers(), [Trigger::Boot, Trigger::Restart]);
}

#[tokio::test]
async fn a_service_that_ends_well_rests() {
    let stage = Stage::new("exit 0");
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    book.started().await;
    assert!(book.exited().await.1.is_success());
    assert!(matches!(book.next().await, Report::Rested { .. }));
}

#[tokio::test]
async fn a_stop_is_final_and_takes_everything_along() {
    let stage = Stage::new("trap '' TERM; (setsid sleep 1000 & echo $!); while :; do sleep 0.01; done");
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    book.started().await;
    let grandchild = stage.log(1).await.remove(0);
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
    let (_, how) = book.exited().await;
    assert_eq!((how.exit, how.ending), (Some(Exit::Signal(9)), by_somebody()));
    assert!(!is_alive(&grandchild));
    assert!(book.has_no_report());
    assert_eq!(supervisor.status(stage.instance), None);
}

#[tokio::test]
async fn a_stop_calls_off_a_restart_that_is_due() {
    let stage = Stage::new("exit 1");
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    for _ in 0..2 {
        book.started().await;
        book.exited().await;
    }
    let Report::Waiting { until, restarts, .. } = book.next().await else { panic!("not waiting") };
    let status = supervisor.status(stage.instance).unwrap();
    assert_eq!((status.pid, status.restarts, status.restarts_at), (None, restarts, Some(until)));
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
    assert_eq!(supervisor.status(stage.instance), None);
    assert!(book.has_no_report());
}

#[tokio::test]
async fn what_cannot_be_started_is_an_error_and_an_exit() {
    let stage = Stage::new("").rule(RestartPolicy::OnFailure, NO_TIME, 1);
    stage.book.set_program("/no/such/python");
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    let error = supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap_err();
    assert_eq!(error.code(), Code::StartFailed);
    assert_eq!(error.detail(), "Could not start `/no/such/python`: there is no such file");
    for _ in 0..2 {
        assert!(matches!(book.exited().await.1.ending, Ending::NotStarted { .. }));
    }
    let Report::GaveUp { reason, .. } = book.next().await else { panic!("not given up") };
    assert!(reason.contains("could not be started: Could not start `/no/such/python`"), "{reason}");
}

#[tokio::test]
async fn runs_go_beside_each_other_and_are_not_repeated() {
    let stage = Stage::new("echo $$; while [ ! -e go ]; do sleep 0.01; done; exit 2");
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    let due = (ScheduleId::generate(), chrono::Utc::now());
    let start = Start { trigger: Trigger::Schedule, schedule: Some(due) };
    let first = supervisor.start_run(stage.instance, start).await.unwrap();
    let second = supervisor.start_run(stage.instance, Start::by(Trigger::Manual)).await.unwrap();
    assert_eq!(supervisor.live_runs(stage.instance), 2);
    assert_eq!([book.started().await.0, book.started().await.0], [first, second]);
    std::fs::write(stage.path("go"), "").unwrap();
    for _ in 0..2 {
        assert_eq!(book.exited().await.1.exit, Some(Exit::Code(2)));
    }
    wait_for("no run", || supervisor.live_runs(stage.instance) == 0).await;
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
    assert!(book.has_no_report());
    let error = {
        book.set_program("/no/such/python");
        supervisor.start_run(stage.instance, Start::by(Trigger::Manual)).await.unwrap_err()
    };
    assert_eq!(error.code(), Code::StartFailed);
}

#[tokio::test]
async fn a_report_that_cannot_be_kept_comes_again() {
    let stage = Stage::new(FOREVER);
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let (execution, pid) = book.started().await;
    *book.failing.lock().unwrap() = 2;
    kill(pid);
    assert_eq!(book.exited().await.0, execution);
    book.started().await;
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn a_restart_that_cannot_be_prepared_counts_as_one_that_failed() {
    let stage = Stage::new(FOREVER).rule(RestartPolicy::OnFailure, NO_TIME, 3);
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let (_, pid) = book.started().await;
    *book.failing_to_prepare.lock().unwrap() = 2;
    kill(pid);
    book.exited().await;
    assert!(matches!(book.next().await, Report::Waiting { restarts: 2, .. }));
    assert!(matches!(book.next().await, Report::Waiting { restarts: 3, .. }));
    book.started().await;
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_prepared_is_given_up_and_stays_so() {
    let stage = Stage::new("").rule(RestartPolicy::OnFailure, NO_TIME, 1);
    let stage = stage.care(|care| care.rule.after_giving_up = AfterGivingUp::Retry);
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    *book.failing_to_prepare.lock().unwrap() = u32::MAX;
    let error = supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    let Report::GaveUp { restarts: 1, reason, retry_at: Some(_), .. } = book.next().await else {
        panic!("not given up")
    };
    assert!(reason.ends_with("could not be started: The database is locked"), "{reason}");
    wait_for("the retry", || supervisor.status(stage.instance).is_some()).await;
    supervisor.forget_retry(stage.instance).await.unwrap();
    assert_eq!(supervisor.status(stage.instance), None);
    // A retry is no quick restart, however it fails.
    let history = RestartHistory::default().given_up(1);
    supervisor.retry_at(stage.instance, chrono::Utc::now(), history).await.unwrap();
    let Report::GaveUp { restarts: 0, reason, retry_at: Some(at), give_ups: 2, .. } = book.next().await
    else {
        panic!("no retry")
    };
    assert_eq!(reason, "It was tried again; the process could not be started: The database is locked");
    assert!((at - chrono::Utc::now()).num_minutes() >= 29);
    assert!(book.has_no_report());
}

#[tokio::test]
async fn another_rule_calls_off_what_is_due() {
    let stage = Stage::new("exit 1");
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    for _ in 0..2 {
        book.started().await;
        book.exited().await;
    }
    assert!(matches!(book.next().await, Report::Waiting { .. }));
    let mut care = book.current_care();
    supervisor.adjust(stage.instance, care.clone()).await.unwrap();
    assert!(supervisor.status(stage.instance).is_some());
    care.rule.policy = RestartPolicy::Never;
    supervisor.adjust(stage.instance, care).await.unwrap();
    assert_eq!(supervisor.status(stage.instance), None);
    assert!(matches!(book.next().await, Report::Rested { ended, .. } if ended.exit == Some(Exit::Code(1))));
    // What was given up is at rest already, and nobody tries it again.
    let later = chrono::Utc::now() + chrono::TimeDelta::hours(1);
    supervisor.retry_at(stage.instance, later, RestartHistory::default()).await.unwrap();
    assert_eq!(supervisor.status(stage.instance).unwrap().outlook, Outlook::GivenUp);
    supervisor.adjust(stage.instance, book.current_care()).await.unwrap();
    assert_eq!(supervisor.status(stage.instance), None);
    assert!(book.has_no_report());
    supervisor.forget_instance(stage.instance);
    assert_eq!(supervisor.live_runs(stage.instance), 0);
}

#[tokio::test]
async fn a_database_that_is_locked_does_not_keep_an_app_alive() {
    let stage = Stage::new(FOREVER);
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    *book.failing.lock().unwrap() = u32::MAX;
    let starting = supervisor.start_service(stage.instance, Trigger::Manual);
    let stopping = async {
        let pid = stage.log(1).await.remove(0);
        let ended = async {
            wait_for("the end", || !is_alive(&pid)).await;
            *book.failing.lock().unwrap() = 0;
        };
        let (stopped, ()) = tokio::join!(supervisor.stop(stage.instance, by_somebody()), ended);
        stopped
    };
    let (started, stopped) = tokio::join!(starting, stopping);
    assert!(started.is_ok() && stopped.is_ok());
    book.started().await;
    assert_eq!(book.exited().await.1.ending, by_somebody());
    assert!(book.has_no_report());
}

#[tokio::test]
async fn how_a_service_is_waits_for_a_database_without_holding_anything_up() {
    let stage = Stage::new(FOREVER);
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    book.started().await;
    *book.failing.lock().unwrap() = u32::MAX;
    let mut care = book.current_care();
    care.warnings = vec!["The first".to_owned()];
    supervisor.adjust(stage.instance, care.clone()).await.unwrap();
    care.warnings = vec!["The latest".to_owned()];
    supervisor.adjust(stage.instance, care).await.unwrap();
    *book.failing.lock().unwrap() = 0;
    assert_eq!(book.observed(|_| true).await.warnings, ["The latest"]);
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}
