//! How an app is looked at and what follows, called.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn check(failures: u32, successes: u32) -> HealthCheck {
    HealthCheck { failures, successes, ..HealthCheck::default() }
}

fn ill() -> Observation {
    Observation::Ill("Nobody answers".into())
}

const LATER: Duration = Duration::from_secs(3600);

#[test]
fn an_app_has_its_start_period_and_then_its_failures() {
    let (check, mut record) = (check(2, 1), HealthRecord::begun(IsLookedAt::Yes));
    assert_eq!(record.health(), Health::Starting);
    for second in 0..60 {
        let _ = record.observe(&check, Duration::from_secs(second), ill());
        assert_eq!(record.health(), Health::Starting, "{second}");
    }
    let _ = record.observe(&check, Duration::from_secs(60), ill());
    assert_eq!(record.health(), Health::Starting);
    assert_eq!(record.observe(&check, Duration::from_secs(90), ill()), Changed::Yes);
    assert_eq!((record.health(), record.detail()), (Health::Unhealthy, Some("Nobody answers")));
}

#[test]
fn one_that_was_ill_has_to_prove_itself() {
    let (check, mut record) = (check(1, 3), HealthRecord::begun(IsLookedAt::Yes));
    assert_eq!(record.observe(&check, Duration::ZERO, Observation::Well), Changed::Yes);
    assert_eq!(record.health(), Health::Healthy);
    let _ = record.observe(&check, Duration::ZERO, ill());
    assert_eq!(record.health(), Health::Unhealthy);
    for expected in [Health::Unhealthy, Health::Unhealthy, Health::Healthy] {
        let _ = record.observe(&check, LATER, Observation::Well);
        assert_eq!(record.health(), expected);
    }
    assert_eq!(record.detail(), None);
}

#[test]
fn one_that_is_taken_over_is_as_it_was_until_it_fails() {
    let (check, of) = (check(2, 1), |known| HealthRecord::resumed(IsLookedAt::Yes, known));
    let mut well = of(Health::Healthy);
    let _ = well.observe(&check, LATER, ill());
    assert_eq!(well.health(), Health::Healthy);
    let _ = well.observe(&check, LATER, ill());
    assert_eq!(well.health(), Health::Unhealthy);
    assert_eq!(of(Health::Unhealthy).health(), Health::Unhealthy);
    assert_eq!(of(Health::Unknown).health(), Health::Starting);
    let nobody_looks = HealthRecord::resumed(IsLookedAt::No, Health::Healthy);
    assert_eq!(nobody_looks.health(), Health::Unknown);
}

#[test]
fn a_probe_needs_something_to_look_at() {
    let of = |probe| HealthCheck { probe, ..HealthCheck::default() };
    let http = |url: &str| of(Probe::Http { url: url.into(), status: None, body: None });
    assert!(http("/health").check(true).is_empty());
    assert_eq!(http("/health").check(false)[0].field, "health.probe.url");
    assert!(http("https://box/x").check(false).is_empty());
    assert_eq!(http("box/x").check(true)[0].field, "health.probe.url");
    assert_eq!(http("http://me:secret@box/x").check(true)[0].field, "health.probe.url");
    assert!(http("http://box/@me").check(true).is_empty());
    assert_eq!(of(Probe::Tcp { port: None }).check(false)[0].field, "health.probe.port");
    assert_eq!(of(Probe::Exec { command: " ".into() }).check(false)[0].field, "health.probe.command");
    let never = HealthCheck { interval: 0, failures: 0, ..HealthCheck::default() };
    assert_eq!(never.check(false).len(), 2);
}

#[test]
fn waiting_is_no_failure() {
    let (check, mut record) = (check(1, 1), HealthRecord::begun(IsLookedAt::Yes));
    assert_eq!(record.wait("nothing yet".to_owned()), Changed::Yes);
    assert_eq!(record.wait("nothing yet".to_owned()), Changed::No);
    assert_eq!((record.health(), record.detail()), (Health::Starting, Some("nothing yet")));
    let _ = record.observe(&check, LATER, Observation::Well);
    assert_eq!((record.health(), record.detail()), (Health::Healthy, None));
}

proptest! {
    #[test]
    fn unhealthy_only_after_enough_failures_in_a_row(
        failures in 1u32..5, successes in 1u32..5, looks in prop::collection::vec(any::<bool>(), 1..60)
    ) {
        let (check, mut record) = (check(failures, successes), HealthRecord::begun(IsLookedAt::Yes));
        let (mut ill_in_row, mut well_in_row) = (0, 0);
        for well in looks {
            let before = record.health();
            let _ = record.observe(&check, LATER, if well { Observation::Well } else { ill() });
            (ill_in_row, well_in_row) = if well { (0, well_in_row + 1) } else { (ill_in_row + 1, 0) };
            match (before, record.health()) {
                (Health::Unhealthy, Health::Healthy) => prop_assert!(well_in_row >= successes),
                (Health::Unhealthy, now) => prop_assert_eq!(now, Health::Unhealthy),
                (_, Health::Unhealthy) => prop_assert!(ill_in_row >= failures),
                (_, Health::Healthy) => prop_assert!(well || ill_in_row < failures),
                (_, now) => prop_assert!(!well && now == before),
            }
        }
    }
}
