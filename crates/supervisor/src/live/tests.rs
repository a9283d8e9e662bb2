//! A process that is alive, without a monitor and without an instance.

use std::time::Duration;

use mantyx_core::{HealthCheck, Probe, RestartRule};
use mantyx_monitor::StopTerms;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::*;
use crate::care::{Reach, Surroundings};

fn care() -> Care {
    let surroundings = Surroundings {
        directory: "/".into(),
        environment: std::collections::BTreeMap::new(),
        identity: None,
    };
    Care {
        rule: RestartRule { policy: RestartPolicy::Always, ..RestartRule::default() },
        stop_signal: 15,
        stop_grace: Duration::from_secs(1),
        health: HealthCheck { probe: Probe::Exec { command: "false".into() }, ..HealthCheck::default() },
        web_port: None,
        reach: Reach::Machine,
        watchdog: None,
        timeout: None,
        limits: Limits::NONE,
        surroundings,
        warnings: vec!["Said by the care".into()],
    }
}

fn live(confinement: Confinement) -> (Live, UnboundedReceiver<Order>) {
    let (orders, received) = mpsc::unbounded_channel();
    let (outbox, _) = mpsc::unbounded_channel();
    let teller = Teller::new(ExecutionId::generate(), outbox.downgrade());
    let (started_at, id) = (chrono::Utc::now(), ConfinementId::generate());
    let process = Process { pid: 1, started_at, confinement: id };
    (Live::new(process, care(), confinement, orders, teller), received)
}

fn stops(orders: &mut UnboundedReceiver<Order>) -> usize {
    std::iter::from_fn(|| orders.try_recv().ok()).filter(|order| matches!(order, Order::Stop(..))).count()
}

#[test]
fn a_warning_is_said_once() {
    let planned = vec!["No groups".to_owned(), "Said by the care".to_owned()];
    let (live, _) = live(Confinement { warnings: planned, ..Confinement::default() });
    let live = live.begun(vec!["No groups".into(), "No niceness".into()]);
    assert_eq!(live.condition().warnings, ["Said by the care", "No groups", "No niceness"]);
}

#[test]
fn one_that_is_ill_is_told_to_end_once_and_hurried_by_a_person() {
    let (live, mut orders) = live(Confinement::default());
    let mut live = live.resumed(Health::Unhealthy);
    live.stop_if_ill();
    assert_eq!(stops(&mut orders), 0, "nobody has looked yet");
    for detail in ["No answer", "Another answer"] {
        let _ = live.record.overdue(detail.into());
        live.stop_if_ill();
    }
    assert_eq!(stops(&mut orders), 1);
    for _ in 0..2 {
        live.stop(Ending::Stopped { by: "owner (stop)".into() });
    }
    assert_eq!(stops(&mut orders), 1);
}

#[test]
fn terms_are_told_where_they_differ_from_what_is_written() {
    let (mut live, _) = live(Confinement::default());
    let confinement = Confinement { nice: Some(5), ..Confinement::default() };
    let written = Terms { confinement: None, ..live.terms(Confinement::default()) };
    assert!(live.is_held_to(&written, &Confinement::default()));
    let slower = Terms { stop: StopTerms { grace_seconds: 2.0, ..written.stop }, ..written.clone() };
    assert!(!live.is_held_to(&slower, &Confinement::default()));
    live.care.limits.nice = Some(5);
    assert!(!live.is_held_to(&written, &confinement));
    assert!(live.is_held_to(&Terms { confinement: Some(confinement.clone()), ..written }, &confinement));
}
