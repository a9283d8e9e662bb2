//! The plan as a table, and what holds for every limit on every machine.

use proptest::prelude::*;

use super::*;
use crate::offer::{Controllers, Holds, Standing};

const MIB: u64 = 1 << 20;

fn standing() -> Standing {
    Standing {
        most_open_files: Some(20_000),
        open_files: Some(20_000),
        data: None,
        nice: Level { own: 0, least: 0 },
        oom_score: Level { own: 0, least: 0 },
    }
}

/// A machine with everything, all controllers in one hierarchy.
fn offer(mechanism: LimitMechanism, swap: Swap) -> Offer {
    let folder = PathBuf::from("/groups/mantyx-x");
    let memory = Some(MemoryController { folder: folder.clone(), swap });
    let controllers = Controllers { memory, cpu: Some(folder.clone()), processes: Some(folder) };
    Offer { mechanism, controllers, standing: standing(), gate: None, holds: Holds::default() }
}

fn bare() -> Offer {
    Offer {
        mechanism: LimitMechanism::Rlimits,
        controllers: Controllers::default(),
        standing: standing(),
        gate: None,
        holds: Holds::default(),
    }
}

fn limits() -> Limits {
    Limits {
        memory: Some(512 * MIB),
        cpu: Some(Cores::from_thousandths(1500)),
        processes: Some(20),
        open_files: Some(256),
        nice: Some(5),
        oom_score: Some(300),
    }
}

fn settings(group: &Group) -> Vec<String> {
    group.settings.iter().map(|setting| format!("{}={}", setting.file, setting.value)).collect()
}

#[test]
fn version_2() {
    let offer = offer(LimitMechanism::CgroupV2, Swap::Own);
    let id = ConfinementId::generate();
    let plan = plan(&limits(), &offer, id);
    assert_eq!(plan.groups.len(), 1, "controllers of one hierarchy share a group");
    assert_eq!(plan.groups[0].path, PathBuf::from(format!("/groups/mantyx-x/{id}")));
    assert_eq!(
        settings(&plan.groups[0]),
        [
            "memory.max=536870912",
            "memory.swap.max=0",
            "cpu.max=150000 100000",
            "cpu.weight=32",
            "pids.max=20"
        ]
    );
    assert_eq!((plan.nice, plan.oom_score, plan.scope), (Some(5), Some(300), None));
    assert!(plan.warnings.is_empty());
}

#[test]
fn version_1() {
    let plan = plan(&limits(), &offer(LimitMechanism::CgroupV1, Swap::WithMemory), ConfinementId::generate());
    assert_eq!(
        settings(&plan.groups[0]),
        [
            "memory.memsw.limit_in_bytes=-1",
            "memory.limit_in_bytes=536870912",
            "memory.memsw.limit_in_bytes=536870912",
            "cpu.cfs_period_us=100000",
            "cpu.cfs_quota_us=150000",
            "cpu.shares=335",
            "pids.max=20"
        ]
    );
}

#[test]
fn without_limits_the_groups_are_made_all_the_same_and_take_back_what_was_set() {
    let second = plan(&Limits::NONE, &offer(LimitMechanism::CgroupV2, Swap::Own), ConfinementId::generate());
    assert_eq!(
        settings(&second.groups[0]),
        ["memory.max=max", "memory.swap.max=max", "cpu.max=max 100000", "cpu.weight=100", "pids.max=max"]
    );
    let first =
        plan(&Limits::NONE, &offer(LimitMechanism::CgroupV1, Swap::Swappiness), ConfinementId::generate());
    assert!(settings(&first.groups[0]).contains(&"memory.swappiness=60".to_owned()));
    assert!(settings(&first.groups[0]).contains(&"cpu.cfs_quota_us=-1".to_owned()));
}

#[test]
fn systemd_makes_the_groups_itself() {
    let id = ConfinementId::generate();
    let plan = plan(&limits(), &offer(LimitMechanism::Systemd, Swap::None), id);
    let scope = plan.scope.unwrap();
    assert_eq!(scope.unit, format!("mantyx-{id}.scope"));
    assert_eq!((scope.memory, scope.cpu), (Some(512 * MIB), Some(1_500_000)));
    assert_eq!(scope.tasks, Some(23), "the threads of the monitor are in the scope too");
    assert_eq!(plan.groups.len(), 1);
    assert_eq!((plan.groups[0].keeper, plan.groups[0].settings.len()), (Keeper::Systemd, 0));
    assert!(plan.groups[0].path.ends_with(scope.unit));
}

#[test]
fn a_machine_without_groups_is_told_of_in_sentences() {
    let plan = plan(&limits(), &bare(), ConfinementId::generate());
    assert_eq!(
        plan.warnings,
        [
            "The limit of 512 MiB of memory is only approximated: this machine offers no control groups, so each \
             process of the app by itself may hold that much data",
            "The limit of 1.5 processors is not enforced: this machine offers no control groups",
            "The limit of 20 processes is not enforced: this machine offers no control groups",
        ]
    );
    let limit = |resource, soft, hard| ProcessLimit { resource, soft, hard };
    assert_eq!(
        plan.process_limits,
        [limit(Resource::OpenFiles, Some(256), Some(256)), limit(Resource::Data, Some(512 * MIB), None)]
    );
}

#[test]
fn one_controller_may_be_missing() {
    let mut offer = offer(LimitMechanism::CgroupV1, Swap::None);
    offer.controllers.cpu = None;
    let limits = Limits { cpu: Some(Cores::from_thousandths(1000)), ..limits() };
    let plan = plan(&limits, &offer, ConfinementId::generate());
    assert_eq!(
        plan.warnings,
        [
            "The limit of 1 processor is not enforced: this machine offers no control groups with the controller `cpu`"
        ]
    );
}

#[test]
fn the_open_files_of_the_daemon_are_not_handed_down() {
    let usual = plan(&Limits::NONE, &bare(), ConfinementId::generate()).process_limits[0];
    assert_eq!((usual.soft, usual.hard), (Some(1024), Some(20_000)));
    let many = Limits { open_files: Some(30_000), ..Limits::NONE };
    let many = plan(&many, &bare(), ConfinementId::generate());
    assert_eq!(many.process_limits[0].soft, Some(20_000));
    assert_eq!(
        many.warnings,
        ["The limit of 30000 open files is 20000 instead: this machine allows no more"]
    );
}

#[test]
fn what_protects_the_daemon_is_not_handed_down() {
    let mut offer = bare();
    offer.standing.nice = Level { own: -5, least: -20 };
    offer.standing.oom_score = Level { own: -900, least: -1000 };
    let plan = plan(&Limits::NONE, &offer, ConfinementId::generate());
    assert_eq!((plan.nice, plan.oom_score), (Some(0), Some(0)));
}

#[test]
fn nobody_is_made_more_important_without_the_right_to() {
    let wanted = Limits { nice: Some(-5), oom_score: Some(-500), ..Limits::NONE };
    let refused = plan(&wanted, &bare(), ConfinementId::generate());
    assert_eq!((refused.nice, refused.oom_score), (Some(0), Some(0)));
    assert_eq!(refused.warnings.len(), 2);
    let mut offer = bare();
    offer.standing.nice.least = -20;
    offer.standing.oom_score.least = -1000;
    let given = plan(&wanted, &offer, ConfinementId::generate());
    assert_eq!((given.nice, given.oom_score), (Some(-5), Some(-500)));
    assert!(given.warnings.is_empty());
}

#[test]
fn it_travels() {
    let plan = plan(&limits(), &offer(LimitMechanism::CgroupV1, Swap::WithMemory), ConfinementId::generate());
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Confinement>(&text).unwrap(), plan);
    // A daemon of an earlier version says nothing of all this.
    assert_eq!(serde_json::from_str::<Confinement>("{}").unwrap(), Confinement::default());
}

#[test]
fn bytes_are_said_as_people_do() {
    assert_eq!(in_words(3 << 30), "3 GiB");
    assert_eq!(in_words(1536 * MIB), "1536 MiB");
    assert_eq!(in_words(1000), "1000 bytes");
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let memory = proptest::option::of(16 * MIB..1 << 50);
    let cpu = proptest::option::of((10u32..4_096_000).prop_map(Cores::from_thousandths));
    let processes = proptest::option::of(1u32..4_194_304);
    let open_files = proptest::option::of(16u32..1_073_741_816);
    let nice = proptest::option::of(-20i8..20);
    let oom_score = proptest::option::of(-1000i16..=1000);
    (memory, cpu, processes, open_files, nice, oom_score).prop_map(
        |(memory, cpu, processes, open_files, nice, oom_score)| Limits {
            memory,
            cpu,
            processes,
            open_files,
            nice,
            oom_score,
        },
    )
}

fn any_offer() -> impl Strategy<Value = Offer> {
    let mechanism = prop_oneof![
        Just(LimitMechanism::Systemd),
        Just(LimitMechanism::CgroupV2),
        Just(LimitMechanism::CgroupV1),
        Just(LimitMechanism::Rlimits),
    ];
    let level = (-20i8..20, any::<bool>());
    (mechanism, any::<[bool; 3]>(), proptest::option::of(16u64..1 << 20), level).prop_map(
        |(mechanism, [memory, cpu, processes], most, (nice, lower))| {
            let mut offer = offer(mechanism, Swap::None);
            let there = mechanism != LimitMechanism::Rlimits;
            offer.controllers.memory.take_if(|_| !(there && memory));
            offer.controllers.cpu.take_if(|_| !(there && cpu));
            offer.controllers.processes.take_if(|_| !(there && processes));
            offer.standing.most_open_files = most;
            offer.standing.nice = Level { own: nice, least: if lower { -20 } else { nice } };
            let score = i16::from(nice) * 50;
            offer.standing.oom_score = Level { own: score, least: if lower { -1000 } else { score } };
            offer
        },
    )
}

proptest! {
    /// Every limit is in what the kernel is told, or in a warning: nothing is silent.
    #[test]
    fn nothing_is_silent(limits in any_limits(), offer in any_offer()) {
        let plan = plan(&limits, &offer, ConfinementId::generate());
        let written: Vec<String> = plan.groups.iter().flat_map(settings).collect();
        let is_written = |name: &str, value: &str| written.iter().any(|setting| setting.starts_with(name) && setting.ends_with(value));
        let warned = |word: &str| plan.warnings.iter().any(|warning| warning.contains(word));
        let scope = |is: fn(&SystemdScope) -> bool| plan.scope.as_ref().is_some_and(is);
        if let Some(bytes) = limits.memory {
            let told = is_written("memory.", &bytes.to_string()) || scope(|scope| scope.memory.is_some());
            prop_assert!(told && offer.enforced().memory || warned("of memory"));
        }
        if limits.cpu.is_some() {
            let told = written.iter().any(|setting| setting.starts_with("cpu.") && setting.contains("00"))
                && !written.iter().any(|setting| setting.contains("quota_us=-1") || setting.contains("cpu.max=max"));
            prop_assert!((told || scope(|scope| scope.cpu.is_some())) && offer.enforced().cpu || warned("processor"));
        }
        if let Some(count) = limits.processes {
            let told = is_written("pids.max", &count.to_string()) || scope(|scope| scope.tasks.is_some());
            prop_assert!(told && offer.enforced().processes || warned("process"));
        }
        if let Some(count) = limits.open_files {
            prop_assert!(plan.process_limits[0].soft == Some(u64::from(count)) || warned("open files"));
        }
        prop_assert!(limits.nice.is_none() || plan.nice == limits.nice || warned("niceness"));
        prop_assert!(limits.oom_score.is_none() || plan.oom_score == limits.oom_score || warned("score"));
    }

    /// No limit, no warning, on whatever machine.
    #[test]
    fn who_wants_nothing_is_not_warned(offer in any_offer()) {
        prop_assert!(plan(&Limits::NONE, &offer, ConfinementId::generate()).warnings.is_empty());
    }

    /// The same files are written whatever the limits, so that a change takes back what was set before.
    #[test]
    fn a_change_reaches_every_file(before in any_limits(), after in any_limits(), offer in any_offer()) {
        let id = ConfinementId::generate();
        let files = |limits: &Limits| -> Vec<(PathBuf, Vec<String>)> {
            let groups = plan(limits, &offer, id).groups.into_iter();
            groups.map(|group| (group.path, group.settings.into_iter().map(|s| s.file).collect())).collect()
        };
        prop_assert_eq!(files(&before), files(&after));
    }
}
