//! Detection against machines that are folders.

use super::*;
use crate::Enforced;

/// A machine whose unified hierarchy is in `folder`, and whose daemon is in the group `own`.
fn unified(folder: &Path, own: &str) -> Machine {
    let mountinfo = format!("41 31 0:38 / {} rw,relatime - cgroup2 cgroup2 rw", folder.display());
    machine(mountinfo, format!("0::{own}\n"))
}

fn machine(mountinfo: String, membership: String) -> Machine {
    Machine { mountinfo, membership, manager: Manager::Other, standing: Standing::look() }
}

/// A group of version 2, with what it is offered and what it hands out.
fn group(folder: &Path, offered: &str, handed_out: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("cgroup.controllers"), offered).unwrap();
    fs::write(folder.join("cgroup.subtree_control"), handed_out).unwrap();
}

/// A group of version 1 with these files.
fn group_1(folder: &Path, files: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    for file in files {
        fs::write(folder.join(file), "").unwrap();
    }
}

#[test]
fn the_own_group_is_taken_when_it_hands_controllers_out() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("service");
    group(&own, "cpu memory pids", "cpu memory pids");
    group(&own.join("mantyx-a"), "cpu memory pids", "cpu memory pids");
    let offer = Offer::of(&unified(folder.path(), "/service"), "a");
    assert_eq!(offer.mechanism(), LimitMechanism::CgroupV2);
    assert_eq!(offer.enforced(), Enforced { memory: true, cpu: true, processes: true });
    assert_eq!(offer.controllers.cpu, Some(own.join("mantyx-a")));
    assert_eq!(offer.controllers.memory.map(|memory| memory.swap), Some(Swap::None));
}

#[test]
fn a_group_with_processes_hands_nothing_out_so_the_one_above_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    // As in the kernel, where handing out is refused while processes are inside: nothing is there to write to.
    fs::create_dir_all(folder.path().join("slice/service")).unwrap();
    group(&folder.path().join("slice"), "memory pids", "memory pids");
    group(&folder.path().join("slice/mantyx-a"), "memory pids", "memory pids");
    fs::write(folder.path().join("slice/mantyx-a/memory.swap.max"), "max").unwrap();
    let offer = Offer::of(&unified(folder.path(), "/slice/service"), "a");
    assert_eq!(offer.enforced(), Enforced { memory: true, cpu: false, processes: true });
    assert_eq!(offer.controllers.processes, Some(folder.path().join("slice/mantyx-a")));
    assert_eq!(offer.controllers.memory.map(|memory| memory.swap), Some(Swap::Own));
}

#[test]
fn controllers_are_asked_for_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    group(folder.path(), "cpuset cpu memory", "cpu");
    enable(folder.path());
    let asked = fs::read_to_string(folder.path().join("cgroup.subtree_control")).unwrap();
    assert_eq!(asked, "cpu+memory", "what is there is not asked for again, what is not offered neither");
}

#[test]
fn version_1_is_taken_controller_by_controller() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    group_1(&at("memory/own/mantyx-a"), &["memory.limit_in_bytes", "memory.swappiness"]);
    group_1(&at("cpu,pids/mantyx-a"), &["cpu.cfs_quota_us", "pids.max"]);
    let line = |name: &str| format!("1 1 0:1 / {} rw - cgroup cgroup rw,{name}\n", at(name).display());
    let mountinfo = line("memory") + &line("cpu,pids") + &line("freezer");
    let membership = "3:cpu,pids:/\n2:memory:/own\n1:freezer:/\n".to_owned();
    let offer = Offer::of(&machine(mountinfo, membership), "a");
    assert_eq!(offer.mechanism(), LimitMechanism::CgroupV1);
    assert_eq!(offer.controllers.cpu, offer.controllers.processes);
    let memory = MemoryController { folder: at("memory/own/mantyx-a"), swap: Swap::Swappiness };
    assert_eq!(offer.controllers.memory, Some(memory));
}

#[test]
fn version_1_is_taken_where_version_2_has_less() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    group(&at("unified"), "hugetlb", "");
    group_1(&at("pids/mantyx-a"), &["pids.max"]);
    let mountinfo = format!(
        "1 1 0:1 / {} rw - cgroup2 none rw\n2 1 0:2 / {} rw - cgroup none rw,pids",
        at("unified").display(),
        at("pids").display()
    );
    let offer = Offer::of(&machine(mountinfo, "1:pids:/\n0::/\n".to_owned()), "a");
    assert_eq!(offer.mechanism(), LimitMechanism::CgroupV1);
    assert_eq!(offer.enforced(), Enforced { memory: false, cpu: false, processes: true });
}

#[test]
fn systemd_makes_its_groups_in_a_slice_of_all_apps() {
    let folder = tempfile::tempdir().unwrap();
    group(folder.path(), "cpuset cpu io memory pids", "");
    let machine =
        Machine { manager: Manager::Systemd, ..unified(folder.path(), "/system.slice/mantyx.service") };
    let offer = Offer::of(&machine, "a");
    assert_eq!(offer.mechanism(), LimitMechanism::Systemd);
    assert_eq!(offer.enforced(), Enforced { memory: true, cpu: true, processes: true });
    assert_eq!(offer.controllers.cpu, Some(folder.path().join("mantyx.slice")));
    assert!(!folder.path().join("mantyx.slice").exists(), "systemd makes it when it is needed");
}

#[test]
fn a_machine_without_groups_has_limits_of_processes() {
    let offer = Offer::of(&machine(String::new(), String::new()), "a");
    assert_eq!(offer.mechanism(), LimitMechanism::Rlimits);
    assert_eq!(offer.enforced(), Enforced { memory: false, cpu: false, processes: false });
}

#[test]
fn release_removes_what_detection_made() {
    let folder = tempfile::tempdir().unwrap();
    let mut folders = Folders { name: "mantyx-a".to_owned(), holds: Vec::new() };
    let made = folders.make(folder.path()).unwrap();
    assert_eq!(folders.holds.len(), 1, "it is held until then");
    let mut offer = Offer::of(&machine(String::new(), String::new()), "a");
    offer.mechanism = LimitMechanism::CgroupV1;
    offer.controllers.processes = Some(made.clone());
    offer.release();
    assert!(!made.exists());
}

#[test]
fn the_daemon_is_moved_only_to_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("service");
    group(&own, "memory", "memory");
    group(&own.join("mantyx-a"), "memory", "memory");
    let procs = own.join("cgroup.procs");
    let mut machine = unified(folder.path(), "/service");
    fs::write(&procs, "1\n").unwrap();
    assert_eq!(Offer::of(&machine, "a").gate, None, "it is not certain that this is its group");

    let me = std::process::id().to_string();
    fs::write(&procs, &me).unwrap();
    Offer::of(&machine, "a").warm_up();
    assert_eq!(fs::read_to_string(&procs).unwrap(), me, "it was moved meanwhile, so it is left alone");

    machine.membership = fs::read_to_string("/proc/self/cgroup").unwrap();
    let membership = machine.membership.clone();
    Offer { gate: Some(Gate { file: procs.clone(), membership }), ..Offer::rlimits() }.warm_up();
    assert_eq!(fs::read_to_string(&procs).unwrap(), "0");
}

#[test]
fn capabilities_are_a_mask() {
    assert_eq!(capabilities("Name:\tx\nCapEff:\t0000000000800000\n") >> CAP_SYS_NICE, 1);
    assert_eq!(capabilities(""), 0);
}
