//! Limits, as far as this machine can hold an app to them: where it cannot, it says so.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use mantyx_core::{Ending, Exit, LimitMechanism, Limits};
use mantyx_limits::{Confinement, Groups, Offer, kill_group, plan};
use mantyx_monitor::{Message, Outcome, Request, Terms};

use rustix::process::Signal;

use crate::fixture::{Run, Stage, is_gone, signal, wait_for};

const MIB: u64 = 1 << 20;

/// What this machine offers, in folders of its own.
struct Machine {
    offer: Option<Offer>,
}

impl Machine {
    fn look() -> Self {
        let name = format!("test-{}", mantyx_core::ExecutionId::generate());
        Self { offer: Some(Offer::detect_direct(&name)) }
    }

    fn offer(&self) -> &Offer {
        self.offer.as_ref().unwrap()
    }

    fn confine(&self, stage: &mut Stage, limits: &Limits) {
        stage.launch.plan.confinement = Some(self.plan(stage, limits));
    }

    fn plan(&self, stage: &Stage, limits: &Limits) -> Confinement {
        plan(limits, self.offer(), stage.launch.plan.execution.into())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(offer) = self.offer.take() {
            offer.release();
        }
    }
}

fn memory(bytes: u64) -> Limits {
    Limits { memory: Some(bytes), ..Limits::default() }
}

fn groups(stage: &Stage) -> Vec<PathBuf> {
    let confinement = stage.launch.plan.confinement.as_ref().unwrap();
    confinement.groups.iter().map(|group| group.path.clone()).collect()
}

/// Runs it to its end, after which no group is left.
fn exited(run: Run) -> (mantyx_monitor::ExitRecord, Stage) {
    let (record, stage) = run.exited();
    assert!(groups(&stage).iter().all(|group| !group.exists()));
    (record, stage)
}

#[test]
fn an_app_that_takes_too_much_memory_is_ended_and_it_is_said_why() {
    let machine = Machine::look();
    let mut stage = Stage::python("hog = b'x' * (150 << 20); time.sleep(1000)");
    machine.confine(&mut stage, &memory(48 * MIB));
    let run = stage.start();
    let warnings = run.warnings();
    let (record, stage) = exited(run);
    if machine.offer().enforced().memory {
        assert_eq!(record.outcome, Outcome::Exited(Exit::Signal(9)), "{:?}", stage.log());
        assert_eq!(record.ending, Some(Ending::OutOfMemory { limit: Some(48 * MIB) }));
        assert!((40 * MIB..=49 * MIB).contains(&record.peak_memory), "{record:?}");
    } else {
        assert!(!warnings.is_empty());
        assert_eq!(record.ending, Some(Ending::Exited));
    }
}

#[test]
fn a_worker_without_memory_is_the_reason_when_its_app_gives_up() {
    let machine = Machine::look();
    let mut stage = Stage::script("head -c 150000000 /dev/zero | tail -c 149000000 | wc -c; exit 3");
    machine.confine(&mut stage, &memory(32 * MIB));
    let (record, _) = exited(stage.start());
    assert_eq!(record.outcome, Outcome::Exited(Exit::Code(3)));
    let limit = Ending::OutOfMemory { limit: Some(32 * MIB) };
    let expected = if machine.offer().enforced().memory { limit } else { Ending::Exited };
    assert_eq!(record.ending, Some(expected));
}

#[test]
fn a_fork_bomb_stays_small_and_is_gone_after_a_stop() {
    let machine = Machine::look();
    let mut stage = Stage::python(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
         count = 1\n\
         try:\n\
         \x20   while count < 100:\n\
         \x20       if os.fork() == 0:\n\
         \x20           os.setsid(); time.sleep(1000)\n\
         \x20       count += 1\n\
         except OSError: pass\n\
         print(count); time.sleep(1000)",
    );
    machine.confine(&mut stage, &Limits { processes: Some(20), ..Limits::default() });
    let mut run = stage.start();
    let count: u32 = run.stage.wait_for_log(1)[0].parse().unwrap();
    assert_eq!(count, if machine.offer().enforced().processes { 20 } else { 100 });
    run.stop(0.1);
    let (record, _) = exited(run);
    assert_eq!(record.outcome, Outcome::Exited(Exit::Signal(9)));
}

#[test]
fn what_flees_into_sessions_of_its_own_is_gone_after_a_stop() {
    let machine = Machine::look();
    let escape = "(setsid sh -c 'trap \"\" TERM; (setsid sleep 1000 & echo $!); echo $$; sleep 1000' &)";
    let mut stage = Stage::script(&format!("{escape}; exec sleep 1000"));
    machine.confine(&mut stage, &Limits::default());
    let mut run = stage.start();
    let fled = run.stage.wait_for_log(2);
    run.stop(0.1);
    exited(run);
    assert!(fled.iter().all(|pid| is_gone(pid)), "{fled:?}");
}

#[test]
fn what_a_monitor_that_was_killed_leaves_behind_is_found_by_its_record() {
    let machine = Machine::look();
    let mut stage = Stage::script("(trap '' TERM; setsid sleep 1000 & echo $!) ; exec sleep 1000");
    machine.confine(&mut stage, &Limits::default());
    let mut run = stage.start();
    let fled = run.stage.wait_for_log(1);
    run.monitor.kill().unwrap();
    run.monitor.wait().unwrap();
    let record = run.stage.folder().record(run.stage.launch.plan.execution).unwrap().unwrap();
    let confinement = record.plan.confinement.unwrap();
    if confinement.groups.is_empty() {
        // Without groups it takes a look at every process, which is the daemon's part.
        signal(fled[0].parse().unwrap(), Signal::KILL);
    }
    wait_for("everything to go", || kill_group(&confinement).is_empty() && is_gone(&fled[0]));
    Groups::of(&confinement).remove().unwrap();
}

#[test]
fn limits_can_be_changed_while_it_runs() {
    let machine = Machine::look();
    let mut stage = Stage::script("echo ready; sleep 1000 & wait");
    machine.confine(&mut stage, &memory(64 * MIB));
    let mut run = stage.start();
    run.stage.wait_for_log(1);
    let limits = Limits { open_files: Some(77), ..memory(128 * MIB) };
    let confinement = machine.plan(&run.stage, &limits);
    let plan = run.stage.launch.plan.clone();
    let terms = Terms { stop: plan.stop, deadlines: plan.deadlines, confinement: Some(confinement.clone()) };
    run.link().ask(&Request::Adjust(Box::new(terms)));
    assert_eq!(run.link().next(), Message::Done);

    // A slow disk does not hold up the answer.
    wait_for("the record", || {
        let written = run.stage.folder().record(plan.execution).unwrap().unwrap();
        written.plan.confinement.as_ref() == Some(&confinement)
    });
    let of_process = fs::read_to_string(format!("/proc/{}/limits", run.main())).unwrap();
    let open_files = of_process.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(open_files.split_whitespace().nth(3), Some("77"), "{open_files}");
    let setting = if machine.offer().mechanism() == LimitMechanism::CgroupV2 {
        "memory.max"
    } else {
        "memory.limit_in_bytes"
    };
    for file in groups(&run.stage).iter().map(|group| group.join(setting)).filter(|file| file.exists()) {
        assert_eq!(fs::read_to_string(file).unwrap().trim(), (128 * MIB).to_string());
    }
    run.stop(25.0);
    exited(run);
}

#[test]
fn limits_for_a_process_that_was_started_without_any_wait_for_the_next_start() {
    let machine = Machine::look();
    let mut run = Stage::script("exec sleep 1000").start();
    let plan = run.stage.launch.plan.clone();
    let confinement = Some(machine.plan(&run.stage, &Limits::default()));
    let terms = Terms { stop: plan.stop, deadlines: plan.deadlines, confinement };
    run.link().ask(&Request::Adjust(Box::new(terms)));
    run.link().ask(&Request::Status);
    assert_eq!(run.link().next(), Message::Done);
    let Message::Status { warnings, .. } = run.link().next() else { panic!("no status") };
    assert!(warnings.iter().any(|warning| warning.contains("next start")), "{warnings:?}");
    run.stop(25.0);
    run.exited();
}

#[test]
fn the_monitor_is_spared_before_the_app() {
    let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    let mut run = Stage::script("cat /proc/self/oom_score_adj; exec sleep 1000").start();
    assert_eq!(run.stage.wait_for_log(1), [own.trim()]);
    let of_monitor = fs::read_to_string(format!("/proc/{}/oom_score_adj", run.monitor.id())).unwrap();
    assert_eq!(of_monitor.trim(), if may_be_spared() { "-500" } else { own.trim() });
    run.stop(25.0);
    run.exited();
}

/// Not even root may always lower the score: it takes CAP_SYS_RESOURCE.
fn may_be_spared() -> bool {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "echo -500 >/proc/self/oom_score_adj"]).stderr(Stdio::null());
    shell.status().unwrap().success()
}

#[test]
fn the_groups_hold_the_app_and_nobody_else() {
    let machine = Machine::look();
    let mut stage = Stage::script("echo $$; exec sleep 1000");
    machine.confine(&mut stage, &Limits::default());
    let mut run = stage.start();
    let main = run.stage.wait_for_log(1).remove(0);
    for group in groups(&run.stage) {
        wait_for("the app in its group", || {
            fs::read_to_string(group.join("cgroup.procs")).unwrap().trim() == main
        });
    }
    run.stop(25.0);
    exited(run);
}
