//! What is due next: a pure record that the clock task asks and tells.

use std::collections::{BTreeSet, HashMap};

use chrono::TimeDelta;
use mantyx_core::{ScheduleId, Timestamp};

use crate::schedule::Schedule;
use crate::scheduler::Tick;

/// A clock that is set back by more than this was wrong before, so what was worked out with it is too (cron(8)
/// draws the same line). A smaller step must not run anything twice.
const CORRECTION: TimeDelta = TimeDelta::hours(3);

/// How many instants of one schedule are caught up with, after a sleep of the machine, before the rest is left out.
const MOST_BEHIND: usize = 1000;

/// When each schedule is due.
#[derive(Debug)]
pub(crate) struct Agenda {
    schedules: HashMap<ScheduleId, (Schedule, Timestamp)>,
    order: BTreeSet<(Timestamp, ScheduleId)>,
    now: Timestamp,
}

impl Agenda {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { schedules: HashMap::new(), order: BTreeSet::new(), now }
    }

    /// Takes a schedule, or another version of it, that is due after `from`.
    pub(crate) fn set(&mut self, id: ScheduleId, schedule: Schedule, from: Timestamp) {
        self.remove(id);
        if let Some(due) = schedule.next_after(from) {
            self.order.insert((due, id));
            self.schedules.insert(id, (schedule, due));
        }
    }

    pub(crate) fn remove(&mut self, id: ScheduleId) {
        if let Some((_, due)) = self.schedules.remove(&id) {
            self.order.remove(&(due, id));
        }
    }

    /// The earliest instant at which anything is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.order.first().map(|(due, _)| *due)
    }

    /// Everything that is due at `now`, in order, and moves on.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<Tick> {
        if now < self.now - CORRECTION {
            self.start_over(now);
        }
        self.now = now;
        let mut ticks = Vec::new();
        while let Some((due, id)) = self.order.first().copied().filter(|(due, _)| *due <= now) {
            self.take(id, due, now, &mut ticks);
        }
        ticks.sort_by_key(|tick: &Tick| (tick.due, tick.schedule));
        ticks
    }

    /// Everything that one schedule is due for.
    fn take(&mut self, id: ScheduleId, due: Timestamp, now: Timestamp, ticks: &mut Vec<Tick>) {
        self.order.remove(&(due, id));
        let Some((schedule, _)) = self.schedules.remove(&id) else { return };
        let instants = std::iter::successors(Some(due), |last| schedule.next_after(*last));
        let behind = instants.take_while(|due| *due <= now).take(MOST_BEHIND);
        ticks.extend(behind.map(|due| Tick { schedule: id, due }));
        let last = ticks.last().map_or(now, |tick| tick.due);
        if schedule.next_after(last).is_some_and(|next| next <= now) {
            tracing::warn!(schedule = %id, since = %last, "Too far behind to catch up, the rest is left out");
        }
        self.set(id, schedule, now);
    }

    /// Works everything out anew, because the clock was wrong.
    fn start_over(&mut self, now: Timestamp) {
        let schedules: Vec<_> = self.schedules.drain().collect();
        self.order.clear();
        for (id, (schedule, _)) in schedules {
            self.set(id, schedule, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::{CatchUp, Overlap, ScheduleSpec, Timing};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn every(seconds: u64) -> Schedule {
        crate::parse(&ScheduleSpec {
            timing: Timing::Interval { seconds, anchor: Some(at(0)) },
            timezone: "UTC".into(),
            catch_up: CatchUp::None,
            overlap: Overlap::Skip,
        })
        .unwrap()
    }

    fn dues(ticks: &[Tick]) -> Vec<i64> {
        ticks.iter().map(|tick| (tick.due - at(0)).num_seconds()).collect()
    }

    #[test]
    fn what_is_due_is_taken_once_and_in_order() {
        let mut agenda = Agenda::new(at(0));
        agenda.set(ScheduleId::generate(), every(10), at(0));
        agenda.set(ScheduleId::generate(), every(15), at(0));
        assert_eq!(agenda.next_due(), Some(at(10)));
        assert_eq!(dues(&agenda.take_due(at(9))), [] as [i64; 0]);
        assert_eq!(dues(&agenda.take_due(at(31))), [10, 15, 20, 30, 30]);
        assert_eq!(dues(&agenda.take_due(at(31))), [] as [i64; 0]);
        assert_eq!(agenda.next_due(), Some(at(40)));
    }

    #[test]
    fn a_schedule_is_replaced_and_removed() {
        let mut agenda = Agenda::new(at(0));
        let id = ScheduleId::generate();
        agenda.set(id, every(10), at(0));
        agenda.set(id, every(60), at(0));
        assert_eq!(agenda.next_due(), Some(at(60)));
        agenda.remove(id);
        assert_eq!(agenda.next_due(), None);
    }

    #[test]
    fn a_small_step_back_runs_nothing_twice() {
        let mut agenda = Agenda::new(at(0));
        agenda.set(ScheduleId::generate(), every(10), at(0));
        assert_eq!(dues(&agenda.take_due(at(7200))).len(), 720);
        assert_eq!(dues(&agenda.take_due(at(3600))), [] as [i64; 0]);
        assert_eq!(agenda.next_due(), Some(at(7210)));
    }

    #[test]
    fn a_correction_of_the_clock_starts_over() {
        let year = 365 * 86_400;
        let mut agenda = Agenda::new(at(year));
        agenda.set(ScheduleId::generate(), every(10), at(year));
        assert_eq!(dues(&agenda.take_due(at(5))), [] as [i64; 0]);
        assert_eq!(agenda.next_due(), Some(at(10)));
    }

    #[test]
    fn a_long_sleep_is_caught_up_with_in_part() {
        let mut agenda = Agenda::new(at(0));
        agenda.set(ScheduleId::generate(), every(1), at(0));
        assert_eq!(agenda.take_due(at(1_000_000)).len(), MOST_BEHIND);
        assert_eq!(agenda.next_due(), Some(at(1_000_001)));
    }
}
