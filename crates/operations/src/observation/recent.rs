//! What apps used within the last hour, in memory: twelve bytes for each look at each app.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use mantyx_api_types::AppUsage;
use mantyx_core::InstanceId;

use super::meter::Looked;
use super::summary::{Resolution, Summary};

/// What was seen of each app.
#[derive(Default)]
pub(crate) struct Recent {
    apps: HashMap<InstanceId, AppRecent>,
}

/// What is kept of one app for as long as the daemon lives.
#[derive(Default)]
struct AppRecent {
    /// The oldest first, each at a later second than the one before.
    moments: VecDeque<Moment>,
    now: Option<AppUsage>,
    used: Duration,
}

/// One look.
#[derive(Clone, Copy)]
struct Moment {
    /// Seconds since 1970; they last until 2106.
    at: u32,
    cpu: f32,
    kib: u32,
}

impl Recent {
    /// Takes the look of this second. Who was not seen uses nothing now.
    pub(crate) fn take(&mut self, at: i64, looked: &[Looked]) {
        for app in self.apps.values_mut() {
            app.now = None;
            app.let_go(at);
        }
        for look in looked {
            let app = self.apps.entry(look.instance).or_default();
            app.moments.push_back(Moment::of(at, look));
            app.now = look.usage();
            app.used += look.used;
        }
    }

    /// Looks at an instance, the oldest first.
    pub(crate) fn moments(&self, instance: InstanceId) -> Vec<Summary> {
        let moments = self.apps.get(&instance).into_iter().flat_map(|app| &app.moments);
        let before = moments.clone().map(|moment| Some(moment.at));
        let pairs = std::iter::once(None).chain(before).zip(moments);
        pairs.map(|(before, moment)| moment.summary(before)).collect()
    }

    /// What an instance uses now, when it is alive.
    pub(crate) fn now(&self, instance: InstanceId) -> Option<AppUsage> {
        self.apps.get(&instance)?.now
    }

    /// The processor time that an instance was seen to use since the daemon came up.
    pub(crate) fn used(&self, instance: InstanceId) -> Duration {
        self.apps.get(&instance).map_or(Duration::ZERO, |app| app.used)
    }

    /// Forgets instances that are gone.
    pub(crate) fn keep(&mut self, there: &HashSet<InstanceId>) {
        self.apps.retain(|instance, _| there.contains(instance));
    }
}

impl AppRecent {
    /// What is too old, and what was seen before the clock was set back: time goes one way.
    fn let_go(&mut self, now: i64) {
        let oldest = *Resolution::Moments.window(now).start();
        while self.moments.front().is_some_and(|moment| i64::from(moment.at) < oldest) {
            self.moments.pop_front();
        }
        while self.moments.back().is_some_and(|moment| i64::from(moment.at) >= now) {
            self.moments.pop_back();
        }
        if self.moments.is_empty() {
            self.moments.shrink_to_fit();
        }
    }
}

impl Moment {
    #[expect(clippy::cast_possible_truncation, reason = "seven digits of a mean are plenty")]
    fn of(at: i64, look: &Looked) -> Self {
        Self {
            at: u32::try_from(at.max(0)).unwrap_or(u32::MAX),
            cpu: look.cpu as f32,
            kib: u32::try_from(look.memory >> 10).unwrap_or(u32::MAX),
        }
    }

    /// It says what was used since the moment before, unless that was long ago.
    fn summary(&self, before: Option<u32>) -> Summary {
        let longest = Resolution::Moments.seconds();
        let seconds = before.map_or(longest, |before| self.at.saturating_sub(before).clamp(1, longest));
        Summary::look(self.at.into(), seconds.into(), self.cpu.into(), u64::from(self.kib) << 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::AppId;
    use proptest::prelude::*;

    fn look(instance: InstanceId, cpu: f64) -> Looked {
        let span = Duration::from_secs(5);
        Looked { instance, app: AppId::generate(), used: span, span, cpu, memory: 3 << 20, processes: 2 }
    }

    #[test]
    fn who_is_not_seen_uses_nothing_now_and_is_remembered_for_an_hour() {
        let (mut recent, id) = (Recent::default(), InstanceId::generate());
        recent.take(100, &[look(id, 1.5)]);
        assert_eq!(recent.now(id).map(|now| (now.memory, now.processes)), Some((3 << 20, 2)));
        recent.take(105, &[]);
        assert_eq!((recent.now(id), recent.moments(id).len()), (None, 1));
        recent.take(100 + 3600, &[]);
        assert_eq!((recent.moments(id).len(), recent.used(id)), (0, Duration::from_secs(5)));
        recent.keep(&HashSet::new());
        assert_eq!(recent.used(id), Duration::ZERO);
    }

    #[test]
    fn who_has_ended_is_remembered_and_not_there_now() {
        let (mut recent, id) = (Recent::default(), InstanceId::generate());
        recent.take(100, &[Looked { processes: 0, ..look(id, 1.5) }]);
        assert_eq!((recent.now(id), recent.moments(id).len()), (None, 1));
        assert_eq!(recent.used(id), Duration::from_secs(5));
    }

    #[test]
    fn a_moment_counts_for_the_time_since_the_one_before() {
        let (mut recent, id) = (Recent::default(), InstanceId::generate());
        for at in [100, 105, 115, 500] {
            recent.take(at, &[look(id, 1.0)]);
        }
        let seconds: Vec<f64> = recent.moments(id).iter().map(|moment| moment.seconds).collect();
        assert_eq!(seconds, [10.0, 5.0, 10.0, 10.0]);
    }

    #[test]
    fn an_app_costs_at_most_twelve_kilobytes() {
        let (mut recent, id) = (Recent::default(), InstanceId::generate());
        (1..2000).for_each(|at| recent.take(at * 5, &[look(id, 0.5)]));
        assert_eq!(recent.moments(id).len(), 720);
        assert!(recent.apps[&id].moments.capacity() * size_of::<Moment>() <= 12 << 10);
    }

    proptest! {
        #[test]
        fn time_goes_one_way_whatever_the_clock_does(steps in prop::collection::vec(-4000_i64..4000, 1..60)) {
            let (mut recent, id, mut now) = (Recent::default(), InstanceId::generate(), 1_700_000_000);
            for step in steps {
                now += step;
                recent.take(now, &[look(id, 1.0)]);
                let moments = recent.moments(id);
                prop_assert!(moments.is_sorted_by(|one, other| one.at < other.at));
                prop_assert_eq!(moments.last().unwrap().at, now);
                prop_assert!(moments[0].at > now - 3600);
            }
        }
    }
}
