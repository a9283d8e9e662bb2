//! Services that are looked at: ready, ill, restarted, and cared for in another way while they live.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::fixture::{Stage, by_somebody, wait_for};
use mantyx_core::{
    Ending, Health, HealthCheck, Limits, Probe, Readiness, RestartHistory, RestartPolicy, Trigger,
};
use mantyx_supervisor::{Reach, Report, Role};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};

const FOREVER: &str = "echo $$; exec sleep 1000";

fn exec(command: &str) -> HealthCheck {
    HealthCheck {
        probe: Probe::Exec { command: command.to_owned() },
        interval: 1,
        start_period: 0,
        failures: 1,
        ..HealthCheck::default()
    }
}

#[tokio::test]
async fn a_service_that_falls_ill_is_started_again() {
    let stage = Stage::new(FOREVER).care(|care| care.health = exec("test ! -e ill"));
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let Report::Started { condition, .. } = book.next().await else { panic!("not started") };
    assert_eq!(condition.health, Health::Starting);
    book.observed(|it| it.health == Health::Healthy).await;
    std::fs::write(stage.path("ill"), "").unwrap();
    let ill = book.observed(|it| it.health == Health::Unhealthy).await;
    let (_, ended) = book.exited().await;
    assert_eq!(ended.ending, Ending::Unhealthy { detail: ill.detail.clone().unwrap() });
    assert!(ill.detail.unwrap().contains("test ! -e ill"));
    std::fs::remove_file(stage.path("ill")).unwrap();
    book.started().await;
    book.observed(|it| it.health == Health::Healthy).await;
    assert_eq!(book.triggers(), [Trigger::Manual, Trigger::Restart]);
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn a_service_that_nobody_starts_again_is_only_said_to_be_ill() {
    let stage = Stage::new(FOREVER).care(|care| {
        care.health = exec("test -e well");
        care.rule.policy = RestartPolicy::Never;
    });
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    book.started().await;
    book.observed(|it| it.health == Health::Unhealthy).await;
    std::fs::write(stage.path("well"), "").unwrap();
    assert_eq!(book.observed(|it| it.health == Health::Healthy).await.detail, None);
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn one_that_is_ill_is_started_again_once_its_rule_wants_it() {
    let stage = Stage::new(FOREVER).care(|care| {
        care.health = exec("test -e well");
        care.rule.policy = RestartPolicy::Never;
    });
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    book.started().await;
    book.observed(|it| it.health == Health::Unhealthy).await;
    let stage = stage.care(|care| care.rule.policy = RestartPolicy::Always);
    let book = &stage.book;
    supervisor.adjust(stage.instance, book.current_care()).await.unwrap();
    book.observed(|it| it.health == Health::Unhealthy).await;
    assert!(matches!(book.exited().await.1.ending, Ending::Unhealthy { .. }));
    book.started().await;
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn a_look_is_held_to_what_its_service_is_held_to() {
    let stage = Stage::new(FOREVER).care(|care| {
        care.health = exec("test $(ulimit -n) -eq 64");
        care.limits = Limits { open_files: Some(64), ..Limits::NONE };
        care.rule.policy = RestartPolicy::Never;
    });
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    book.started().await;
    book.observed(|it| it.health == Health::Healthy).await;
    let mut care = book.current_care();
    care.limits.open_files = Some(80);
    supervisor.adjust(stage.instance, care).await.unwrap();
    book.observed(|it| it.health == Health::Unhealthy).await;
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn care_changes_while_a_service_lives() {
    let stage = Stage::new(FOREVER);
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let Report::Started { execution, condition, .. } = book.next().await else { panic!("not started") };
    assert_eq!(condition.health, Health::Unknown);
    let mut care = book.current_care();
    (care.health, care.stop_grace) = (exec("true"), Duration::from_secs(7));
    supervisor.adjust(stage.instance, care).await.unwrap();
    book.observed(|it| it.health == Health::Healthy).await;
    wait_for("the terms on disk", || stage.record(execution).plan.stop.grace_seconds > 6.0).await;
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn a_service_that_is_to_say_that_it_is_ready_and_does_not_is_ill() {
    let stage = Stage::new(FOREVER).care(|care| {
        care.health =
            HealthCheck { readiness: Readiness::Notified, start_period: 1, ..HealthCheck::default() };
        care.rule.limit = 0;
    });
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    book.started().await;
    let ill = book.observed(|it| it.health == Health::Unhealthy).await;
    assert!(ill.detail.unwrap().contains("READY=1"));
    assert!(matches!(book.exited().await.1.ending, Ending::Unhealthy { .. }));
    assert!(matches!(book.next().await, Report::GaveUp { restarts: 0, .. }));
    assert_eq!(supervisor.status(stage.instance), None);
}

/// A port that nobody else is given as long as the first of the result is there, and that an app can listen on all the
/// same: both say that they share it (`SO_REUSEADDR`, socket(7)).
fn held_port() -> (OwnedFd, u16) {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_reuseaddr(&socket, true).unwrap();
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap();
    (socket, address.port())
}

fn serve_once_told(port: u16) -> String {
    format!("while [ ! -e go ]; do sleep 0.01; done; exec python3 -m http.server -b 127.0.0.1 {port}")
}

#[tokio::test]
async fn a_web_app_has_begun_when_it_first_answers() {
    let (_held, port) = held_port();
    let stage = Stage::new(&serve_once_told(port)).care(|care| {
        care.web_port = Some(port);
        care.reach = Reach::Network;
        // That it answers late makes it no failure, whatever its start period.
        (care.health.start_period, care.health.interval, care.health.failures) = (0, 1, 1);
    });
    let (supervisor, book) = (stage.supervisor(), &stage.book);
    supervisor.start_service(stage.instance, Trigger::Manual).await.unwrap();
    book.started().await;
    let waiting = book.observed(|it| it.detail.is_some()).await;
    assert_eq!(waiting.detail.unwrap(), format!("Nothing answers on port {port} yet"));
    std::fs::write(stage.path("go"), "").unwrap();
    let warned = book.observed(|it| it.health == Health::Healthy && !it.warnings.is_empty()).await;
    assert!(warned.warnings[0].contains("this machine only"), "{:?}", warned.warnings);
    supervisor.stop(stage.instance, by_somebody()).await.unwrap();
}

#[tokio::test]
async fn a_web_app_is_looked_at_where_it_was_started_and_told_that_it_cannot_be_reached() {
    let ((_held, port), (_other, another)) = (held_port(), held_port());
    let stage = Stage::new(&serve_once_told(port)).care(|care| {
        (care.web_port, care.reach) = (Some(port), Reach::Network);
        care.health = HealthCheck { probe: Probe::Tcp { port: None }, start_period: 60, ..exec("") };
    });
    std::fs::write(stage.path("go"), "").unwrap();
    let (first, book) = (stage.supervisor(), &stage.book);
    first.start_service(stage.instance, Trigger::Manual).await.unwrap();
    let (execution, _) = book.started().await;
    let well = book.observed(|it| it.health == Health::Healthy && !it.warnings.is_empty()).await;
    assert!(well.warnings[0].contains("this machine only"), "{:?}", well.warnings);
    // Another port is for the next start.
    let mut care = book.current_care();
    (care.web_port, care.health.successes) = (Some(another), 2);
    first.adjust(stage.instance, care.clone()).await.unwrap();
    book.observed(|it| it.health == Health::Healthy && !it.warnings.is_empty()).await;
    first.shutdown().await;
    let second = stage.supervisor();
    let found = second.discover().await.unwrap().remove(0);
    let role = Role::Service { history: RestartHistory::default(), health: Health::Unknown };
    second.adopt(found, role, care).await.unwrap();
    book.observed(|it| it.health == Health::Healthy && !it.warnings.is_empty()).await;
    assert_eq!(stage.record(execution).plan.web_port, Some(port));
    second.stop(stage.instance, by_somebody()).await.unwrap();
}
