//! The limits of an execution, carried out; and the score by which the kernel spares this monitor.

use std::fs;
use std::time::Instant;

use mantyx_core::{Ending, Exit};
use mantyx_limits::{Confinement, Prepared, Shortage};
use mantyx_monitor::process;

use crate::kills::Kills;

/// An app whose monitor dies is lost, and the monitor is small: others go first.
const OWN_SCORE: i16 = -500;
pub(crate) const SCORE_FILE: &str = "/proc/self/oom_score_adj";
/// The settings that hold the limit of memory, by version of the control groups.
const MEMORY_SETTINGS: [&str; 2] = ["memory.max", "memory.limit_in_bytes"];

/// The limits of an execution; none where none were planned, and before they are settled.
#[derive(Default)]
pub(crate) struct Limits {
    prepared: Option<Prepared>,
    /// Where somebody counts them.
    kills: Option<Kills>,
}

impl Limits {
    /// Lets the groups that the process is in, or is about to enter, hold it to what was planned.
    pub(crate) fn settle(mut groups: Prepared, planned: Option<&Confinement>) -> Self {
        let Some(confinement) = planned else { return Self::default() };
        groups.settle(confinement);
        let kills = groups.out_of_memory().map(|event| Kills::begin(Instant::now(), event.kills, spread()));
        Self { prepared: Some(groups), kills }
    }

    /// When [`Limits::act`] has something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.kills.as_ref().map(Kills::due)
    }

    /// Looks at what is to be looked at now and then.
    pub(crate) fn act(&mut self, now: Instant) {
        if let (Some(kills), Some(prepared)) = (&mut self.kills, &self.prepared)
            && kills.due() <= now
        {
            kills.look(now, prepared.out_of_memory().map_or(0, |event| event.kills));
        }
    }

    /// What the process that has begun is not held to, as sentences.
    pub(crate) fn warnings(&self, main: u32) -> Vec<String> {
        let Some(prepared) = &self.prepared else { return Vec::new() };
        let planned = prepared.confinement().warnings.iter().chain(prepared.warnings()).cloned();
        planned.chain(prepared.confirm(main)).collect()
    }

    /// From now on these limits hold. Says what of it cannot be done.
    pub(crate) fn adjust(&mut self, confinement: &Confinement) -> Vec<String> {
        let family = process::descendants(std::process::id(), &process::all().unwrap_or_default());
        let family: Vec<u32> = family.iter().filter(|p| !p.has_ended()).map(|p| p.id.pid).collect();
        let Some(prepared) = &mut self.prepared else {
            return vec![
                "The limits begin with the next start: the process was started without any".to_owned(),
            ];
        };
        let failures = prepared.adjust(confinement, &family);
        confinement.warnings.iter().cloned().chain(failures).collect()
    }

    /// What is carried out now.
    pub(crate) fn confinement(&self) -> Option<&Confinement> {
        self.prepared.as_ref().map(Prepared::confinement)
    }

    /// Whether it was want of memory that ended the app. A process of it may have been killed that was not the main
    /// one, and the main one may have survived that, or for long: then it is no reason.
    pub(crate) fn out_of_memory(&self, exit: Exit) -> Option<Ending> {
        let prepared = self.prepared.as_ref().filter(|_| !exit.is_success())?;
        let kills = self.kills.as_ref()?;
        let event = prepared.out_of_memory().filter(|event| kills.has_recent(event.kills))?;
        let limit = match event.shortage {
            Shortage::Limit => memory_limit(prepared.confinement()),
            Shortage::Machine => None,
        };
        Some(Ending::OutOfMemory { limit })
    }

    /// The most memory that all processes held at once.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        self.prepared.as_ref().and_then(Prepared::peak_memory)
    }

    /// Kills whatever is in the groups.
    pub(crate) fn kill_all(&self) {
        if let Some(prepared) = &self.prepared {
            prepared.kill_all();
        }
    }

    /// Removes the groups. One that cannot be removed is found again by the daemon, in the record.
    pub(crate) fn remove(&self) {
        if let Some(prepared) = &self.prepared
            && prepared.remove().is_err()
        {
            // A look of the daemon at the app may just have come in.
            prepared.kill_all();
            let _ = prepared.remove();
        }
    }
}

/// A number from 0 up to 1 that differs from one monitor to the next.
fn spread() -> f64 {
    const PARTS: u32 = 64;
    f64::from(std::process::id() % PARTS) / f64::from(PARTS)
}

fn memory_limit(confinement: &Confinement) -> Option<u64> {
    let settings = confinement.groups.iter().flat_map(|group| &group.settings);
    let mut limits = settings.filter(|setting| MEMORY_SETTINGS.contains(&setting.file.as_str()));
    let of_scope = || confinement.scope.as_ref().and_then(|scope| scope.memory);
    limits.find_map(|setting| setting.value.parse().ok()).or_else(of_scope)
}

/// Lets the kernel spare this monitor, and returns the score that it had, for its child. Nothing when it may not, or
/// when it is spared as much already.
pub(crate) fn spare_monitor() -> Option<String> {
    let before = fs::read_to_string(SCORE_FILE).ok()?;
    let before = before.trim();
    before.parse::<i16>().ok().filter(|score| *score > OWN_SCORE)?;
    fs::write(SCORE_FILE, OWN_SCORE.to_string()).ok()?;
    Some(before.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_limits::{Group, Keeper, Setting};
    use tempfile::TempDir;

    /// A group of version 2 in a folder.
    fn in_folder(folder: &TempDir) -> Limits {
        let group = Group { path: folder.path().to_owned(), keeper: Keeper::Mantyx, settings: Vec::new() };
        let confinement = Confinement { groups: vec![group], ..Confinement::default() };
        Limits::settle(confinement.bare().prepare(), Some(&confinement))
    }

    #[test]
    fn want_of_memory_is_a_reason_for_what_ends_soon_after_and_badly() {
        let folder = tempfile::tempdir().unwrap();
        let count = |kills: u64| {
            let events = format!("oom 1\noom_kill {kills}\n");
            std::fs::write(folder.path().join("memory.events"), events).unwrap();
        };
        count(0);
        let mut limits = in_folder(&folder);
        assert_eq!(limits.out_of_memory(Exit::Signal(9)), None);
        count(1);
        let ending = Some(Ending::OutOfMemory { limit: None });
        assert_eq!(limits.out_of_memory(Exit::Signal(9)), ending);
        assert_eq!(limits.out_of_memory(Exit::Code(3)), ending);
        assert_eq!(limits.out_of_memory(Exit::Code(0)), None);
        let first = limits.due().unwrap();
        limits.act(first);
        assert_eq!(limits.out_of_memory(Exit::Code(3)), ending, "it happened right before the look");
        limits.act(first);
        assert_eq!(limits.out_of_memory(Exit::Code(3)), ending, "the next look is not due");
        limits.act(limits.due().unwrap());
        assert_eq!(limits.out_of_memory(Exit::Code(1)), None, "the app has lived on");
        count(2);
        assert_eq!(limits.out_of_memory(Exit::Code(1)), ending);
    }

    #[test]
    fn where_nobody_counts_nothing_is_due() {
        let folder = tempfile::tempdir().unwrap();
        let mut limits = in_folder(&folder);
        assert_eq!((limits.due(), limits.out_of_memory(Exit::Signal(9))), (None, None));
        limits.act(Instant::now());
        assert_eq!(Limits::settle(Confinement::default().prepare(), None).due(), None);
    }

    #[test]
    fn a_limit_of_memory_is_found_in_any_version() {
        let with = |file: &str, value: &str| Confinement {
            groups: vec![Group {
                path: "/nowhere".into(),
                keeper: Keeper::Mantyx,
                settings: vec![Setting { file: file.into(), value: value.into() }],
            }],
            ..Confinement::default()
        };
        assert_eq!(memory_limit(&with("memory.max", "1048576")), Some(1_048_576));
        assert_eq!(memory_limit(&with("memory.limit_in_bytes", "4096")), Some(4096));
        assert_eq!(memory_limit(&with("memory.max", "max")), None);
        assert_eq!(memory_limit(&with("pids.max", "5")), None);
    }
}
