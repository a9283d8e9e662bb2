//! Monitors as they may be found: of an earlier version, refusing, talkative, or ended with their machine.

use crate::fixture::{Stage, by_somebody, wait_for};
use crate::pretender::{Part, Pretender};
use mantyx_core::{Ending, Health, HealthCheck, Probe, Readiness, RestartPolicy, Trigger};
use mantyx_monitor::{Message, Notified, Phase, Request, VERSION, Wish};
use mantyx_supervisor::Report;

const FOREVER: &str = "echo $$; exec sleep 1000";

fn ready() -> Notified {
    Notified { phase: Phase::Reloading, status: None }
}

#[tokio::test]
async fn a_monitor_of_version_1_is_not_asked_for_what_it_does_not_know() {
    let stage = Stage::new(FOREVER);
    let old = Pretender::new(&stage, 1, Part::plainly);
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    old.is_adopted(&stage, &supervisor, Health::Unknown).await;
    let mut care = book.current_care();
    care.stop_grace *= 2;
    supervisor.adjust(stage.instance, care).await.unwrap();
    let warned = book.observed(|it| !it.warnings.is_empty()).await;
    assert!(warned.warnings[0].contains("held to what it was started with"), "{:?}", warned.warnings);
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
    assert_eq!(book.exited().await.1.ending, by_somebody());
    assert!(!old.was_adjusted());
}

#[tokio::test]
async fn a_monitor_of_version_1_need_not_remember_why_it_stops() {
    let check = HealthCheck {
        probe: Probe::Exec { command: "false".into() },
        interval: 1,
        failures: 1,
        ..HealthCheck::default()
    };
    let stage = Stage::new(FOREVER).care(|care| care.health = check);
    let old = Pretender::new(&stage, 1, Part::plainly);
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    old.is_adopted(&stage, &supervisor, Health::Healthy).await;
    book.observed(|it| it.health == Health::Unhealthy).await;
    // A person's stop would have ended the story.
    assert!(matches!(book.exited().await.1.ending, Ending::Unhealthy { .. }));
    book.started().await;
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn what_a_monitor_refuses_is_a_warning() {
    let stage = Stage::new(FOREVER);
    let stubborn = Pretender::new(&stage, VERSION, |part, request| match request {
        Request::Adjust(_) => vec![Message::Refused { reason: "Not now".into() }],
        other => part.plainly(other),
    });
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    stubborn.is_adopted(&stage, &supervisor, Health::Unknown).await;
    supervisor.adjust(stage.instance, book.current_care()).await.unwrap();
    let warned = book.observed(|it| !it.warnings.is_empty()).await;
    assert_eq!(warned.warnings, ["Its monitor did not do as it was told: Not now"]);
    assert!(stubborn.was_adjusted());
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn one_that_was_ready_is_so_for_the_next_daemon() {
    let stage = Stage::new(FOREVER).care(|care| {
        care.health =
            HealthCheck { readiness: Readiness::Notified, start_period: 1, ..HealthCheck::default() };
    });
    let app = Pretender::new(&stage, VERSION, |part, request| match request {
        Request::Status => vec![part.status(ready())],
        other => part.plainly(other),
    });
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    app.is_adopted(&stage, &supervisor, Health::Unknown).await;
    assert_eq!(book.observed(|_| true).await.health, Health::Healthy);
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
    assert_eq!(book.exited().await.1.ending, by_somebody());
}

#[tokio::test]
async fn a_flood_of_words_is_reported_now_and_then() {
    fn flood(part: &Part, request: &Request) -> Vec<Message> {
        let say = |n: u32| Message::Notified(Notified { phase: Phase::Ready, status: Some(n.to_string()) });
        match request {
            Request::Status => {
                let status = part.status(Notified::default());
                std::iter::once(status).chain((0..=5000).map(say)).collect()
            }
            other => part.plainly(other),
        }
    }
    let stage = Stage::new(FOREVER);
    let app = Pretender::new(&stage, VERSION, flood);
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    let begun = std::time::Instant::now();
    app.is_adopted(&stage, &supervisor, Health::Unknown).await;
    let mut reports = 0;
    loop {
        let Report::Observed { condition, .. } = book.next().await else { panic!("not observed") };
        reports += 1;
        if condition.status_text.as_deref() == Some("5000") {
            break;
        }
    }
    // The first at once, then one a second; that it is Ready is one more.
    assert!(reports <= begun.elapsed().as_secs() + 3, "{reports}");
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn a_monitor_that_hangs_up_is_given_time() {
    let stage = Stage::new(FOREVER);
    let app = Pretender::new(&stage, VERSION, |part, request| match request {
        Request::Status => Vec::new(),
        other => part.plainly(other),
    });
    let supervisor = stage.supervisor();
    let begun = std::time::Instant::now();
    app.is_adopted(&stage, &supervisor, Health::Unknown).await;
    // Once, at once again, and then a second later.
    wait_for("the third time", || app.times_asked(|request| *request == Request::Status) >= 3).await;
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1));
    assert!(supervisor.status(stage.instance).is_some());
    supervisor.shutdown().await;
}

#[tokio::test]
async fn the_end_of_the_machine_is_no_judgement_of_the_app() {
    let stage = Stage::new(FOREVER).care(|care| care.rule.policy = RestartPolicy::Never);
    let app = Pretender::new(&stage, VERSION, |part, request| match request {
        Request::Status => vec![part.exited(Wish::None, Some(Ending::ShutDown))],
        other => part.plainly(other),
    });
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    app.is_adopted(&stage, &supervisor, Health::Unknown).await;
    assert_eq!(book.exited().await.1.ending, Ending::ShutDown);
    let Report::Waiting { until, restarts: 0, .. } = book.next().await else { panic!("not waiting") };
    assert!(until > chrono::Utc::now() && (until - chrono::Utc::now()).num_seconds() <= 5);
    supervisor.adjust(stage.instance, book.current_care()).await.unwrap();
    assert!(supervisor.status(stage.instance).is_some());
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
    assert!(book.has_no_report());
}

#[tokio::test]
async fn what_ended_with_the_machine_runs_when_it_is_up_again() {
    let stage = Stage::new(FOREVER).care(|care| care.rule.policy = RestartPolicy::Never);
    let app = Pretender::new(&stage, VERSION, Part::plainly);
    let Message::Exited { record } = app.part.exited(Wish::None, Some(Ending::ShutDown)) else {
        unreachable!()
    };
    let folder = mantyx_monitor::RunFolder::open(&stage.path("run")).unwrap();
    drop(folder.write_exit_record(&record).unwrap());
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    app.is_adopted(&stage, &supervisor, Health::Healthy).await;
    assert_eq!(book.exited().await.1.ending, Ending::ShutDown);
    book.started().await;
    assert_eq!(book.triggers(), [Trigger::Boot]);
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}
