//! When an app was alive within a span of time: from its executions to a line of lives. Pure.

use chrono::TimeDelta;
use mantyx_api_types::Life;
use mantyx_core::{Timestamp, Trigger};
use mantyx_registry::tables::executions::Execution;

/// How many lives are told.
pub(crate) const MOST: usize = 500;

/// The lives of a span and what they add up to.
#[derive(Debug, PartialEq)]
pub(crate) struct Lives {
    /// The newest [`MOST`], the oldest first.
    pub(crate) told: Vec<Life>,
    /// The share of the span that they cover, from 0 to 1. When there were more than are told, it is the share since
    /// the first that is.
    pub(crate) uptime: f64,
    /// How many of them were restarts.
    pub(crate) restarts: u32,
}

impl Lives {
    /// From executions in any order, some of them perhaps twice, that were alive between two instants.
    pub(crate) fn of(executions: Vec<Execution>, since: Timestamp, now: Timestamp) -> Self {
        let mut lives: Vec<Life> = executions.into_iter().map(life).collect();
        lives.sort_by_key(|life| (life.started_at, life.execution));
        lives.dedup_by_key(|life| life.execution);
        let told = lives.split_off(lives.len().saturating_sub(MOST));
        let since = told.first().filter(|_| !lives.is_empty()).map_or(since, |first| first.started_at);
        let restarts = told.iter().filter(|life| is_restart(life) && life.started_at >= since).count();
        Self { uptime: share(&told, since, now), restarts: u32::try_from(restarts).unwrap_or(u32::MAX), told }
    }
}

fn life(row: Execution) -> Life {
    Life {
        execution: row.id.0,
        trigger: row.trigger.0,
        status: row.status.0,
        started_at: row.started_at,
        finished_at: row.finished_at,
        cause: row.cause,
    }
}

fn is_restart(life: &Life) -> bool {
    matches!(life.trigger, Trigger::Restart | Trigger::Retry)
}

/// How much of the time between two instants lives cover that are in the order of their beginning.
fn share(lives: &[Life], since: Timestamp, now: Timestamp) -> f64 {
    let (mut covered, mut until) = (TimeDelta::zero(), since);
    for life in lives {
        let end = life.finished_at.unwrap_or(now).min(now);
        covered += (end - life.started_at.max(until)).max(TimeDelta::zero());
        until = until.max(end);
    }
    let whole = (now - since).as_seconds_f64();
    if whole > 0.0 { (covered.as_seconds_f64() / whole).clamp(0.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::summary::instant;
    use mantyx_core::{ExecutionId, ExecutionStatus};
    use proptest::prelude::*;

    fn life(from: i64, to: Option<i64>) -> Life {
        Life {
            execution: ExecutionId::generate(),
            trigger: Trigger::Restart,
            status: to.map_or(ExecutionStatus::Running, |_| ExecutionStatus::Failed),
            started_at: instant(from),
            finished_at: to.map(instant),
            cause: None,
        }
    }

    #[test]
    fn what_overlaps_counts_once_and_what_is_outside_not_at_all() {
        let lives = [life(0, Some(120)), life(110, Some(130)), life(115, Some(125)), life(190, None)];
        let share = share(&lives, instant(100), instant(200));
        assert!((share - 0.4).abs() < 1e-9, "{share}");
        assert!(super::share(&[], instant(100), instant(200)).abs() < 1e-9);
        assert!(super::share(&lives, instant(200), instant(200)).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn the_share_is_what_a_count_of_seconds_says(mut spans in prop::collection::vec((0_i64..300, 0_i64..80), 0..12)) {
            spans.sort_unstable();
            let lives: Vec<Life> = spans.iter().map(|(from, long)| life(*from, Some(from + long))).collect();
            let alive = |second: &i64| spans.iter().any(|(from, long)| second >= from && *second < from + long);
            let seconds = u32::try_from((100..200).filter(alive).count()).unwrap();
            let share = share(&lives, instant(100), instant(200));
            prop_assert!((share - f64::from(seconds) / 100.0).abs() < 1e-9, "{share} {seconds}");
        }
    }
}
