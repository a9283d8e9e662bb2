//! What executions used after the last look at them.

use std::collections::HashMap;
use std::time::Duration;

use mantyx_core::{AppId, InstanceId};
use mantyx_registry::tables::executions::Spent;

use super::{LONGEST, Looked, Tree};

/// The part of an execution that nobody saw while it was alive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Remainder {
    instance: InstanceId,
    app: AppId,
    used: Duration,
    /// How long the execution was alive; the part that was not seen is no longer.
    lived: Duration,
    /// What it had when it was last seen; the most that it ever had when it never was.
    memory: u64,
}

impl Remainder {
    /// From the record of an end, and from what had been seen. Nothing is known of what ended without a record, and of
    /// what was alive long before it could be looked at.
    pub(super) fn of(spent: &Spent, tree: Option<&Tree>) -> Option<Self> {
        let lived = (spent.finished_at? - spent.started_at).to_std().unwrap_or_default();
        let total = Duration::try_from_secs_f64(spent.cpu_seconds?).ok()?;
        let peak = spent.peak_memory.and_then(|bytes| u64::try_from(bytes).ok());
        let seen = tree.and_then(|tree| tree.root.as_ref()?.seen);
        if tree.is_some() && seen.is_none() && lived > LONGEST {
            return None;
        }
        let (seen, memory) = seen.unwrap_or((Duration::ZERO, peak.unwrap_or_default()));
        let used = total.saturating_sub(seen);
        Some(Self { instance: spent.instance_id.0, app: spent.app_id.0, used, lived, memory })
    }
}

/// Adds what ended to what is alive. `since` is how long ago the look before was.
pub(super) fn add(
    apps: &mut HashMap<InstanceId, Looked>,
    remainders: Vec<Remainder>,
    since: Duration,
    processors: u32,
) {
    let mut ended: HashMap<InstanceId, Looked> = HashMap::new();
    for Remainder { instance, app, used, lived, memory } in remainders {
        let looked = ended.entry(instance).or_insert(Looked::nothing(instance, app));
        looked.used += used;
        looked.span = looked.span.saturating_add(lived).min(since);
        looked.memory = looked.memory.max(memory);
    }
    for (instance, over) in ended {
        let nothing = Looked { used: Duration::ZERO, span: Duration::ZERO, ..over };
        let looked = apps.entry(instance).or_insert(nothing);
        looked.used += over.used;
        looked.span = looked.span.max(over.span);
        looked.cpu = (looked.cpu + share(over.used, looked.span)).min(processors.into());
    }
}

/// A number of processors.
fn share(used: Duration, span: Duration) -> f64 {
    if span.is_zero() { 0.0 } else { used.as_secs_f64() / span.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeDelta, Utc};
    use mantyx_core::ExecutionId;
    use mantyx_registry::Word;

    const LOOK: Duration = Duration::from_secs(10);

    fn spent(millis: i64, cpu_seconds: f64) -> Spent {
        let now = Utc::now();
        Spent {
            id: Word(ExecutionId::generate()),
            app_id: Word(AppId::generate()),
            instance_id: Word(InstanceId::generate()),
            started_at: now - TimeDelta::milliseconds(millis),
            finished_at: Some(now),
            cpu_seconds: Some(cpu_seconds),
            peak_memory: Some(5 << 20),
        }
    }

    fn added(apps: &[Looked], remainders: Vec<Remainder>) -> Looked {
        let mut apps = apps.iter().map(|looked| (looked.instance, *looked)).collect();
        add(&mut apps, remainders, LOOK, 4);
        assert_eq!(apps.len(), 1);
        apps.into_values().next().unwrap()
    }

    #[test]
    fn a_job_that_nobody_saw_counts_as_its_record_says() {
        let looked = added(&[], vec![Remainder::of(&spent(2000, 1.5), None).unwrap()]);
        assert_eq!((looked.used, looked.span), (Duration::from_millis(1500), Duration::from_secs(2)));
        assert!((looked.cpu - 0.75).abs() < 1e-9 && looked.memory == 5 << 20, "{looked:?}");
        assert_eq!(looked.usage(), None, "it is not there now");
    }

    #[test]
    fn many_runs_at_once_are_no_longer_than_the_time_since_the_last_look() {
        let run = Remainder::of(&spent(5000, 1.0), None).unwrap();
        let looked = added(&[], vec![run; 20]);
        assert_eq!((looked.used, looked.span), (Duration::from_secs(20), LOOK));
        assert!((looked.cpu - 2.0).abs() < 1e-9, "{looked:?}");
        assert!((added(&[], vec![run; 200]).cpu - 4.0).abs() < 1e-9, "there are no more processors");
    }

    #[test]
    fn what_ended_beside_what_is_alive_is_added_to_it() {
        let row = spent(1000, 5.0);
        let (instance, app) = (row.instance_id.0, row.app_id.0);
        let nothing = Looked::nothing(instance, app);
        let alive = Looked { used: LOOK, span: LOOK, cpu: 1.0, memory: 7, processes: 2, ..nothing };
        let looked = added(&[alive], vec![Remainder::of(&row, None).unwrap()]);
        assert_eq!((looked.used, looked.span, looked.processes), (Duration::from_secs(15), LOOK, 2));
        assert!((looked.cpu - 1.5).abs() < 1e-9 && looked.memory == 7, "{looked:?}");
    }

    #[test]
    fn what_left_no_record_adds_nothing() {
        assert_eq!(Remainder::of(&Spent { cpu_seconds: None, ..spent(1000, 0.0) }, None), None);
        assert_eq!(Remainder::of(&Spent { finished_at: None, ..spent(1000, 1.0) }, None), None);
        assert_eq!(Remainder::of(&spent(1000, f64::NAN), None), None);
    }
}
