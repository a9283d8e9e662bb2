//! Version 2 in folders, because this needs no kernel that offers it.

use mantyx_core::{ConfinementId, LimitMechanism, Limits};
use tempfile::TempDir;

use super::*;
use crate::confinement::Setting;
use crate::groups::Shortage;
use crate::offer::{Controllers, Holds, MemoryController, Offer, Standing, Swap};
use crate::plan;

/// A hierarchy in a folder, in which the group of one execution is there already.
struct Fake {
    folder: TempDir,
    offer: Offer,
    id: ConfinementId,
}

impl Fake {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let memory = Some(MemoryController { folder: path.clone(), swap: Swap::Own });
        let controllers = Controllers { memory, cpu: Some(path.clone()), processes: Some(path) };
        let offer = Offer {
            mechanism: LimitMechanism::CgroupV2,
            controllers,
            standing: Standing::look(),
            gate: None,
            holds: Holds::default(),
        };
        let fake = Self { folder, offer, id: ConfinementId::generate() };
        fs::create_dir(fake.group()).unwrap();
        for file in ["cgroup.procs", "memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "pids.max"] {
            fake.write(file, "");
        }
        fake
    }

    fn group(&self) -> std::path::PathBuf {
        self.folder.path().join(self.id.to_string())
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.group().join(file), text).unwrap();
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.group().join(file)).unwrap()
    }

    fn plan(&self, limits: Limits) -> Confinement {
        plan(&limits, &self.offer, self.id)
    }
}

#[test]
fn settings_are_written_and_a_missing_one_is_said() {
    let fake = Fake::new();
    fs::remove_file(fake.group().join("cpu.weight")).unwrap();
    let prepared = fake.plan(Limits { memory: Some(64 << 20), ..Limits::NONE }).prepare();
    assert_eq!(
        (fake.read("memory.max"), fake.read("memory.swap.max")),
        ("67108864".to_owned(), "0".to_owned())
    );
    let [warning] = prepared.warnings() else { panic!("{:?}", prepared.warnings()) };
    assert!(warning.starts_with("`cpu.weight` of the control group could not be set to 100"), "{warning}");
    assert!(!fake.group().join("cpu.weight").exists(), "no file is made that the kernel did not make");
}

#[test]
fn a_group_that_cannot_be_made_is_said() {
    let fake = Fake::new();
    let mut plan = fake.plan(Limits::NONE);
    plan.groups[0].path = fake.group().join("cgroup.procs/inner");
    let prepared = plan.prepare();
    assert!(prepared.warnings()[0].contains("could not be made"), "{:?}", prepared.warnings());
    assert!(prepared.entrances.is_empty());
}

#[test]
fn entering_writes_zero_into_the_group() {
    let fake = Fake::new();
    let prepared = fake.plan(Limits::NONE).prepare();
    // Only the doors: this process would take the limits upon itself.
    for entrance in &prepared.entrances {
        write(entrance, b"0").unwrap();
    }
    assert_eq!(fake.read("cgroup.procs"), "0");
}

#[test]
fn an_adjustment_writes_what_changed_and_remembers_it() {
    let fake = Fake::new();
    let mut prepared = fake.plan(Limits::NONE).prepare();
    fake.write("cgroup.procs", "");
    let after = fake.plan(Limits { processes: Some(7), ..Limits::NONE });
    assert_eq!(prepared.adjust(&after, &[]), [""; 0]);
    assert_eq!(fake.read("pids.max"), "7");
    assert_eq!(prepared.confinement(), &after);
    fake.write("pids.max", "by hand");
    assert_eq!(prepared.adjust(&after, &[]), [""; 0]);
    assert_eq!(fake.read("pids.max"), "by hand", "what did not change is not written");
}

#[test]
fn a_plan_for_other_groups_waits_for_the_next_start() {
    let fake = Fake::new();
    let mut prepared = fake.plan(Limits::NONE).prepare();
    let mut elsewhere = fake.plan(Limits { processes: Some(7), ..Limits::NONE });
    elsewhere.groups[0].path = "/elsewhere".into();
    let failures = prepared.adjust(&elsewhere, &[]);
    assert!(failures[0].ends_with("are changed at the next start"), "{failures:?}");
    assert_eq!(prepared.confinement().groups[0].path, fake.group());
}

#[test]
fn memory_is_read_in_the_words_of_version_2() {
    let fake = Fake::new();
    let groups = Groups::of(&fake.plan(Limits::NONE));
    assert_eq!((groups.out_of_memory(), groups.peak_memory()), (None, None));
    fake.write("memory.peak", "4096\n");
    fake.write("memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\noom_group_kill 0\n");
    assert_eq!(groups.out_of_memory(), Some(OutOfMemory { kills: 2, shortage: Shortage::Limit }));
    assert_eq!(groups.peak_memory(), Some(4096));
    fake.write("memory.events", "max 0\noom 0\noom_kill 1\n");
    assert_eq!(groups.out_of_memory(), Some(OutOfMemory { kills: 1, shortage: Shortage::Machine }));
}

#[test]
fn memory_is_read_in_the_words_of_version_1() {
    let fake = Fake::new();
    let groups = Groups::of(&fake.plan(Limits::NONE));
    fake.write("memory.limit_in_bytes", "33554432\n");
    fake.write("memory.max_usage_in_bytes", "33550336\n");
    fake.write("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
    assert_eq!(groups.out_of_memory(), Some(OutOfMemory { kills: 1, shortage: Shortage::Limit }));
    assert_eq!(groups.peak_memory(), Some(33_550_336));
    fake.write("memory.max_usage_in_bytes", "1000000\n");
    assert_eq!(groups.out_of_memory(), Some(OutOfMemory { kills: 1, shortage: Shortage::Machine }));
}

#[test]
fn a_process_that_has_ended_needs_nothing() {
    let fake = Fake::new();
    let prepared = fake.plan(Limits { oom_score: Some(100), ..Limits::NONE }).prepare();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = child.id();
    // Until it is waited for it is still an entry.
    let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
    let id = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::waitid(rustix::process::WaitId::Pid(id), options).unwrap();
    assert_eq!(prepared.confirm(pid), [""; 0]);
    child.wait().unwrap();
    assert_eq!(prepared.confirm(pid), [""; 0]);
}

#[test]
fn processes_of_inner_groups_are_the_apps_too() {
    let fake = Fake::new();
    let groups = Groups::of(&fake.plan(Limits::NONE));
    fs::create_dir_all(fake.group().join("a/b")).unwrap();
    fake.write("a/b/cgroup.procs", "30\n");
    fake.write("cgroup.procs", &format!("0\n20\n{}\n10\n20\n", std::process::id()));
    assert_eq!(groups.processes(), [10, 20, 30]);
}

#[test]
fn version_2_kills_in_one_step() {
    let fake = Fake::new();
    let groups = Groups::of(&fake.plan(Limits::NONE));
    fake.write("cgroup.kill", "");
    // No process can have this pid (proc(5), `pid_max`).
    fake.write("cgroup.procs", "4194305\n");
    assert_eq!(groups.kill_all(), [4_194_305]);
    assert_eq!((fake.read("cgroup.kill"), fake.read("pids.max")), ("1".to_owned(), "0".to_owned()));
}

#[test]
fn a_scope_is_never_killed_in_one_step_because_the_monitor_is_in_it() {
    let fake = Fake::new();
    let mut plan = fake.plan(Limits::NONE);
    plan.groups[0].keeper = Keeper::Systemd;
    fake.write("cgroup.kill", "");
    fake.write("cgroup.procs", "4194305\n");
    Groups::of(&plan).kill_all();
    assert_eq!(fake.read("cgroup.kill"), "");
    Groups::of(&plan).remove().unwrap();
    assert!(fake.group().exists(), "systemd removes it");
}

#[test]
fn a_scope_that_the_monitor_is_not_in_is_said() {
    let mut fake = Fake::new();
    fake.offer.mechanism = LimitMechanism::Systemd;
    let plan = fake.plan(Limits::NONE);
    let unit = plan.scope.clone().unwrap().unit;
    let outside = plan.clone().prepare();
    assert_eq!(outside.warnings(), [format!("`{unit}` is not there, so its limits are not enforced")]);
    let group = fake.folder.path().join(unit);
    fs::create_dir(&group).unwrap();
    fs::write(group.join("cgroup.procs"), format!("{}\n7\n", std::process::id())).unwrap();
    let inside = plan.prepare();
    assert_eq!(inside.warnings(), [""; 0]);
    assert_eq!(inside.processes(), [7], "the monitor is not the app's");
    assert!(inside.entrances.is_empty(), "the app is born inside");
}

#[test]
fn only_own_groups_are_removed_with_those_inside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("execution");
    fs::create_dir_all(path.join("a/b")).unwrap();
    let group = Group { path: path.clone(), keeper: Keeper::Mantyx, settings: vec![Setting::new("x", 1)] };
    let groups = Groups::of(&Confinement { groups: vec![group], ..Confinement::default() });
    groups.remove().unwrap();
    assert!(!path.exists());
    groups.remove().unwrap();
    assert!(folder.path().exists());
}
