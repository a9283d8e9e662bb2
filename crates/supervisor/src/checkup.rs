//! The task that looks at a live service again and again, and says when its health changes.
//!
//! What follows from what was seen is decided by [`mantyx_core::HealthRecord`]. While a service is starting it is
//! looked at within milliseconds at first and then ever less often, down to once a second, later at its interval; one
//! that nothing looks at costs nothing.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use mantyx_core::{Changed, Health, HealthCheck, HealthRecord, Observation, Probe, Readiness, Timestamp};
use mantyx_limits::Confinement;
use mantyx_monitor::Phase;
use mantyx_platform::ports::{self, Listening};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::care::{Care, Reach};
use crate::context::random;
use crate::probe::{ExecContext, ProbePlan, Prober};

/// How long between the first two looks at a service that is starting, and how long at most: whoever waits for it to be
/// well waits about as long as it takes, and a service that takes its time is looked at no more than once a second.
const EAGER: Duration = Duration::from_millis(50);
const PATIENT: Duration = Duration::from_secs(1);

/// Looks at one live service.
pub(crate) struct Checkup<F> {
    check: HealthCheck,
    sight: Sight,
    /// The port that is to be reached from the network, until it was seen that it is.
    unreached: Option<u16>,
    record: HealthRecord,
    started: Instant,
    phase: watch::Receiver<Phase>,
    tell: F,
}

/// What a checkup has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Its health has changed, or what there is to say about it.
    Health(HealthRecord),
    /// It cannot do something as it was asked for, as a sentence.
    Warning(String),
}

/// When a checkup looks for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstLook {
    /// When it begins.
    AtOnce,
    /// Some time within its pace: a daemon that takes over fifty apps does not look at all of them at one instant.
    Spread,
}

/// What is looked at.
enum Sight {
    Probe(Prober),
    /// Its web port, until it first answers.
    Port(u16),
    /// Its own word.
    Word,
}

/// A checkup that goes on; it ends when this is dropped.
pub(crate) struct Going(JoinHandle<()>);

impl Drop for Going {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<F: Fn(Finding) + Send + Sync + 'static> Checkup<F> {
    /// Begins to look at a service that began at `started`. `phase` is what the service says of itself; `record` is
    /// how it has fared so far.
    pub(crate) fn spawn(
        care: &Care,
        confinement: Arc<Confinement>,
        started: Timestamp,
        record: HealthRecord,
        phase: watch::Receiver<Phase>,
        first: FirstLook,
        tell: F,
    ) -> Going {
        let age = (Utc::now() - started).to_std().unwrap_or_default();
        let now = Instant::now();
        let checkup = Self {
            check: care.health.clone(),
            sight: sight(care, confinement),
            unreached: care.web_port.filter(|_| care.reach == Reach::Network),
            record,
            started: now.checked_sub(age).unwrap_or(now),
            phase,
            tell,
        };
        Going(tokio::spawn(checkup.run(first)))
    }

    async fn run(mut self, first: FirstLook) {
        if self.check.readiness == Readiness::Notified && !self.was_ready() {
            self.wait_for_its_word().await;
        }
        if first == FirstLook::Spread {
            sleep(self.pause().mul_f64(random())).await;
        }
        match &self.sight {
            Sight::Probe(_) => self.probe().await,
            Sight::Port(port) => {
                let port = *port;
                self.wait_for_its_port(port).await;
            }
            Sight::Word => self.listen().await,
        }
    }

    /// Whether nothing has to be waited for: it is known to be well, or has said that it is ready and has only to be
    /// looked at.
    fn was_ready(&self) -> bool {
        let has_said = *self.phase.borrow() != Phase::Silent;
        match self.record.health() {
            Health::Healthy => true,
            Health::Unhealthy => has_said && matches!(self.sight, Sight::Probe(_)),
            Health::Starting | Health::Unknown => false,
        }
    }

    /// It counts as ready when it says so, and has its start period for that.
    async fn wait_for_its_word(&mut self) {
        let left = self.check.start_period().saturating_sub(self.started.elapsed());
        if timeout(left, said_ready(&mut self.phase)).await.is_err() {
            let period = self.check.start_period;
            let detail = format!("It has not said that it is ready (`READY=1`) within {period} s");
            if self.record.overdue(detail) == Changed::Yes {
                self.tell_health();
            }
            said_ready(&mut self.phase).await;
        }
        self.note(Observation::Well);
    }

    async fn listen(&mut self) {
        said_ready(&mut self.phase).await;
        self.note(Observation::Well);
    }

    /// An app that says itself that it is ready need not wait for the next look.
    async fn probe(&mut self) {
        loop {
            let Sight::Probe(prober) = &self.sight else { return };
            let seen = prober.look().await;
            let is_well = seen == Observation::Well;
            self.note(seen);
            if is_well {
                self.warn_of_reach();
            }
            sleep(self.pause()).await;
        }
    }

    /// A web app counts as started when it first answers; after that nothing looks at it. That it never answers makes
    /// it no failure, because nobody asked for a check.
    async fn wait_for_its_port(&mut self, port: u16) {
        // What is known to be well, because it has said so, is waited for no longer.
        while self.record.health() != Health::Healthy && !ports::answers(port).await {
            self.note_waiting(port);
            let pause = self.check_pause();
            if timeout(pause, said_ready(&mut self.phase)).await.is_ok() {
                break;
            }
        }
        self.note(Observation::Well);
        self.warn_of_reach();
    }

    /// Once, when it first answers: a web app that nobody can reach looks well from here.
    fn warn_of_reach(&mut self) {
        let Some(port) = self.unreached.take() else { return };
        if ports::listens(port) == Listening::LoopbackOnly {
            (self.tell)(Finding::Warning(format!(
                "It listens on port {port} of this machine only, so its page cannot be opened from the network: let \
                 it listen on `0.0.0.0`"
            )));
        }
    }

    fn note_waiting(&mut self, port: u16) {
        if self.record.wait(format!("Nothing answers on port {port} yet")) == Changed::Yes {
            self.tell_health();
        }
    }

    fn note(&mut self, seen: Observation) {
        if self.record.observe(&self.check, self.started.elapsed(), seen) == Changed::Yes {
            self.tell_health();
        }
    }

    fn tell_health(&self) {
        (self.tell)(Finding::Health(self.record.clone()));
    }

    fn pause(&self) -> Duration {
        if self.record.health() == Health::Starting { self.eager_pause() } else { self.check.interval() }
    }

    fn check_pause(&self) -> Duration {
        if self.started.elapsed() < self.check.start_period() {
            self.eager_pause()
        } else {
            self.check.interval()
        }
    }

    fn eager_pause(&self) -> Duration {
        eager_pause(self.started.elapsed(), self.check.start_period())
    }
}

/// As long again as it has been starting. Looks that count against it are never in a hurry.
fn eager_pause(age: Duration, start_period: Duration) -> Duration {
    if age < start_period { age.clamp(EAGER, PATIENT) } else { PATIENT }
}

fn sight(care: &Care, confinement: Arc<Confinement>) -> Sight {
    match (&care.health.probe, care.web_port) {
        (Probe::None, Some(port)) => Sight::Port(port),
        (Probe::None, None) => Sight::Word,
        (probe, web_port) => Sight::Probe(Prober::new(ProbePlan {
            probe: probe.clone(),
            web_port,
            exec: ExecContext {
                environment: care.surroundings.environment.clone(),
                directory: care.surroundings.directory.clone(),
                identity: care.surroundings.identity.clone(),
                confinement: Some(confinement),
            },
            timeout: care.health.timeout(),
        })),
    }
}

/// Completes when the app has said that it is ready: who reloads or stops was so before, whether or not that was heard.
/// When nobody can say so any more, it never does.
async fn said_ready(phase: &mut watch::Receiver<Phase>) {
    if phase.wait_for(|phase| *phase != Phase::Silent).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_just_begun_is_looked_at_soon_and_often_and_then_each_second() {
        let pause = |age, period| eager_pause(Duration::from_millis(age), Duration::from_secs(period));
        let mut looks = vec![0];
        while looks.len() < 9 {
            let age = *looks.last().unwrap();
            looks.push(age + u64::try_from(pause(age, 60).as_millis()).unwrap());
        }
        assert_eq!(looks, [0, 50, 100, 200, 400, 800, 1600, 2600, 3600]);
        // Without a start period each look that fails counts.
        assert_eq!(pause(10, 0), PATIENT);
    }
}
