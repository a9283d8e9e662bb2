//! The kernel of this machine, with what it offers. Each story is told for groups where there are any, and for the
//! limits of single processes where there are none.
#![allow(unsafe_code, reason = "what happens between fork and exec has no safe form")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::io::Read as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, thread};

use mantyx_core::{ConfinementId, Cores, LimitMechanism, Limits};
use mantyx_limits::{Confinement, Offer, Prepared, Shortage, kill_group, plan};

const MIB: u64 = 1 << 20;
/// Far longer than anything takes, also on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(120);

/// A shell script under limits. When it is dropped, all of it is killed and its groups are removed.
struct App {
    offer: Option<Offer>,
    id: ConfinementId,
    confinement: Confinement,
    prepared: Arc<Prepared>,
    main: Child,
}

impl App {
    fn start(test: &str, limits: Limits, script: &str) -> Self {
        let offer = Offer::detect_direct(&format!("test-{test}-{}", std::process::id()));
        let id = ConfinementId::generate();
        let confinement = plan(&limits, &offer, id);
        let prepared = Arc::new(confinement.clone().prepare());
        assert_eq!(prepared.warnings(), [""; 0]);
        let main = spawn(&prepared, script);
        assert_eq!(prepared.confirm(main.id()), [""; 0]);
        Self { offer: Some(offer), id, confinement, prepared, main }
    }

    /// Whether this machine has a group for it; else the plan must have said so.
    fn is_held(&self, word: &str, held: fn(&Offer) -> bool) -> bool {
        let held = self.offer.as_ref().is_some_and(held);
        let warned = self.confinement.warnings.iter().any(|warning| warning.contains(word));
        assert_ne!(held, warned, "either it is enforced or it is said: {:?}", self.confinement.warnings);
        held
    }

    fn wait(&mut self) -> std::process::ExitStatus {
        until("the main process ends", || self.main.try_wait().unwrap())
    }

    /// The end of what it wrote to stderr.
    fn complaints(&mut self) -> String {
        let mut text = String::new();
        self.main.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.confinement.groups.iter().map(|group| group.path.clone()).collect()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.main.kill();
        let deadline = Instant::now() + PATIENCE;
        while !self.prepared.kill_all().is_empty() && Instant::now() < deadline {
            thread::yield_now();
        }
        let _ = self.main.wait();
        let _ = self.prepared.remove();
        self.offer.take().into_iter().for_each(Offer::release);
    }
}

fn spawn(prepared: &Arc<Prepared>, script: &str) -> Child {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let prepared = Arc::clone(prepared);
    // SAFETY: entering allocates nothing and takes no lock; what holds the process to its own limits allocates, which
    // glibc allows after a fork.
    unsafe {
        command.pre_exec(move || {
            prepared.confinement().hold_self();
            prepared.enter()
        })
    };
    command.spawn().unwrap()
}

fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What stands in `/proc/<pid>/stat` after the name (proc(5)).
fn stat(pid: u32) -> Vec<String> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    line.rsplit_once(')').unwrap().1.split_ascii_whitespace().map(str::to_owned).collect()
}

/// User and system time of a process, which the kernel tells in hundredths of a second (`USER_HZ`).
fn processor_time(pid: u32) -> Duration {
    let fields = stat(pid);
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn niceness(pid: u32) -> i8 {
    stat(pid)[16].parse().unwrap()
}

/// This niceness, or our own where that is higher: not everybody may go below.
fn at_least_own_niceness(nice: i8) -> i8 {
    nice.max(niceness(std::process::id()))
}

fn oom_score(pid: u32) -> i16 {
    fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap().trim().parse().unwrap()
}

fn limit_of(pid: u32, name: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line[name.len()..].split_ascii_whitespace().take(2).map(str::to_owned).collect()
}

#[test]
fn runaway_memory_is_killed_and_recognised() {
    let limits = Limits { memory: Some(32 * MIB), ..Limits::NONE };
    // A single line of 100 MB, which tail(1) has to hold as a whole.
    let mut app = App::start("memory", limits, "head -c 100000000 /dev/zero | tail -n 1");
    let status = app.wait();
    assert!(!status.success(), "it must not get 100 MB: {status}");
    if app.is_held("memory", |offer| offer.enforced().memory) {
        let out = app.prepared.out_of_memory().unwrap();
        assert!(out.kills >= 1);
        assert_eq!(out.shortage, Shortage::Limit);
        let peak = app.prepared.peak_memory().unwrap();
        assert!((16 * MIB..=32 * MIB).contains(&peak), "{peak}");
    } else {
        assert_eq!(app.prepared.out_of_memory(), None);
        assert!(app.complaints().contains("memory"));
    }
}

#[test]
fn an_app_that_stays_within_its_memory_is_not_called_out_of_it() {
    let limits = Limits { memory: Some(64 * MIB), ..Limits::NONE };
    let mut app = App::start("modest", limits, "head -c 4000000 /dev/zero | tail -n 1");
    assert!(app.wait().success());
    if app.is_held("memory", |offer| offer.enforced().memory) {
        assert_eq!(app.prepared.out_of_memory().unwrap().kills, 0);
        assert!(app.prepared.peak_memory().unwrap() >= 4_000_000);
    }
}

#[test]
fn a_fork_bomb_ends_at_its_limit() {
    let limits = Limits { processes: Some(20), ..Limits::NONE };
    let script = "i=0; while [ $i -lt 60 ]; do sleep 60 & i=$((i+1)); done";
    let mut app = App::start("fork", limits, script);
    let status = app.wait();
    if app.is_held("20 processes", |offer| offer.enforced().processes) {
        assert!(!status.success(), "the shell could start all 60");
        let complaints = until_fork_fails(&mut app);
        assert!(complaints.contains("fork"), "{complaints}");
    } else {
        assert!(status.success());
    }
}

/// What the shell said of its own end. Its children hold the pipe, so they go first.
fn until_fork_fails(app: &mut App) -> String {
    let left = app.prepared.processes();
    assert!((1..=20).contains(&left.len()), "{}", left.len());
    until("all are killed", || app.prepared.kill_all().is_empty().then_some(()));
    app.complaints()
}

#[test]
fn a_quota_of_processor_time_is_a_quota() {
    let busy = "while :; do :; done";
    let quota = Limits { cpu: Some(Cores::from_thousandths(50)), ..Limits::NONE };
    let begun = Instant::now();
    let slow = App::start("slow", quota, busy);
    let free = App::start("free", Limits::NONE, busy);
    // However busy the machine is, there was as much to be had.
    let used = until("a second is used", || {
        Some(processor_time(free.main.id())).filter(|used| *used >= Duration::from_secs(1))
    });
    let (slowed, elapsed) = (processor_time(slow.main.id()), begun.elapsed());
    println!("{slowed:?} with 0.05 processors, {used:?} without a limit, within {elapsed:?}");
    if slow.is_held("0.05 processors", |offer| offer.enforced().cpu) {
        // The first period may have begun before, and every processor may have taken a slice that it has not used.
        let most = elapsed.mul_f64(0.06) + Duration::from_millis(100);
        assert!(slowed <= most, "{slowed:?} of {elapsed:?}");
        until("it is held up", || (times_throttled(&slow) > 0).then_some(()));
    }
}

fn times_throttled(app: &App) -> u64 {
    let stat = app.paths().iter().find_map(|path| fs::read_to_string(path.join("cpu.stat")).ok()).unwrap();
    stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")).unwrap().parse().unwrap()
}

#[test]
fn a_grandchild_that_hides_is_found_and_killed() {
    let mut app = App::start("hide", Limits::NONE, "(setsid sh -c 'sleep 600 & exec sleep 600' &) & wait");
    let mechanism = app.offer.as_ref().unwrap().mechanism();
    app.wait();
    if mechanism == LimitMechanism::Rlimits {
        assert!(app.prepared.groups().is_empty() && app.prepared.processes().is_empty());
        return;
    }
    let hidden = until("both sleep", || Some(app.prepared.processes()).filter(|pids| pids.len() == 2));
    until("all are killed", || app.prepared.kill_all().is_empty().then_some(()));
    for pid in hidden {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }
    // The kernel may take a moment to let go of them.
    until("the groups are removed", || app.prepared.remove().ok());
    assert!(app.paths().iter().all(|path| !path.exists()));
}

#[test]
fn a_tree_that_forks_while_it_is_killed_is_killed() {
    let limits = Limits { processes: Some(60), ..Limits::NONE };
    // Six that do nothing but start others, which outlive whoever started them, and go on when there is no room for
    // one more. It ends by itself. Without groups they are not let loose: only the monitor could end them.
    let forks =
        "f() { while :; do command eval '(sleep 0.05 &)'; done; }; for i in 1 2 3 4 5 6; do f & done; wait";
    let script = &format!("timeout 300 sh -c \"{forks}\" 2>/dev/null & wait; exec sleep 1000");
    let offer = Offer::detect_direct(&format!("test-forks-{}", std::process::id()));
    let held = offer.enforced().processes;
    offer.release();
    let mut app = App::start("forking", limits, if held { script } else { "exit 0" });
    if !app.is_held("60 processes", |offer| offer.enforced().processes) {
        assert!(app.wait().success());
        return;
    }
    until("it forks", || (app.prepared.processes().len() > 12).then_some(()));
    until("all are killed", || app.prepared.kill_all().is_empty().then_some(()));
    assert_eq!(app.wait().signal(), Some(9));
    assert_eq!(app.prepared.processes(), [0; 0]);
}

#[test]
fn the_daemon_ends_what_a_monitor_left_behind() {
    let mut app = App::start("left", Limits::NONE, "sleep 600 & sleep 600 & wait");
    // All that is left of a monitor is what it wrote down.
    let text = serde_json::to_string(&app.confinement).unwrap();
    let recorded: Confinement = serde_json::from_str(&text).unwrap();
    if recorded.groups.is_empty() {
        assert_eq!(kill_group(&recorded), [0; 0]);
        return;
    }
    until("all have begun", || (app.prepared.processes().len() == 3).then_some(()));
    until("all are killed", || kill_group(&recorded).is_empty().then_some(()));
    assert_eq!(app.wait().signal(), Some(9));
    until("the groups are removed", || mantyx_limits::Groups::of(&recorded).remove().ok());
    assert!(app.paths().iter().all(|path| !path.exists()));
}

#[test]
fn each_process_gets_its_limits_niceness_and_score() {
    let (nice, score) = (at_least_own_niceness(7), 250.max(oom_score(std::process::id())));
    let limits = Limits { open_files: Some(64), nice: Some(nice), oom_score: Some(score), ..Limits::NONE };
    let app = App::start("terms", limits, "sleep 600");
    let pid = app.main.id();
    assert_eq!(limit_of(pid, "Max open files"), ["64", "64"]);
    assert_eq!((niceness(pid), oom_score(pid)), (nice, score));
}

#[test]
fn an_app_has_the_usual_open_files_whatever_the_daemon_has() {
    let app = App::start("files", Limits::NONE, "sleep 600");
    let [soft, hard] = limit_of(app.main.id(), "Max open files").try_into().unwrap();
    assert_eq!(soft, "1024");
    let [_, own] = limit_of(std::process::id(), "Max open files").try_into().unwrap();
    assert_eq!(hard, own);
}

#[test]
fn limits_change_while_the_app_runs() {
    let before = Limits { open_files: Some(64), processes: Some(50), ..Limits::NONE };
    let app = App::start("live", before, "sleep 600 & wait");
    until("both run", || (app.prepared.processes().len() == 2 || app.paths().is_empty()).then_some(()));
    let nice = at_least_own_niceness(3);
    let after = Limits {
        open_files: Some(48),
        processes: Some(9),
        memory: Some(64 * MIB),
        nice: Some(nice),
        ..Limits::NONE
    };
    let plan = plan(&after, app.offer.as_ref().unwrap(), app.id);
    let mut prepared = app.confinement.clone().prepare();
    assert_eq!(prepared.adjust(&plan, &[app.main.id()]), [""; 0]);
    let mut processes = app.prepared.processes();
    processes.push(app.main.id());
    for pid in processes {
        assert_eq!(limit_of(pid, "Max open files"), ["48", "48"]);
        assert_eq!(niceness(pid), nice);
    }
    let most = app.paths().iter().find_map(|path| fs::read_to_string(path.join("pids.max")).ok());
    assert!(most.is_none_or(|most| most.trim() == "9"));
    assert_eq!(prepared.confinement(), &plan);
}

#[test]
fn one_who_looks_at_the_app_is_under_its_limits() {
    let nice = at_least_own_niceness(5);
    let limits = Limits { open_files: Some(64), nice: Some(nice), ..Limits::NONE };
    let app = App::start("look", limits, "sleep 600");
    let line = format!("{} read -r go", app.confinement.in_shell());
    let mut look = Command::new("/bin/sh").args(["-c", &line]).stdin(Stdio::piped()).spawn().unwrap();
    assert_eq!(app.confinement.admit(look.id()), [""; 0]);
    until("it has its limits", || (limit_of(look.id(), "Max open files") == ["64", "64"]).then_some(()));
    assert_eq!(limit_of(look.id(), "Max data size"), limit_of(app.main.id(), "Max data size"));
    assert_eq!(niceness(look.id()), nice);
    assert_eq!(app.prepared.processes().contains(&look.id()), !app.paths().is_empty());
    drop(look.stdin.take());
    look.wait().unwrap();
}

#[test]
fn the_next_daemon_removes_what_is_left_but_not_what_is_held() {
    let name = format!("test-sweep-{}", std::process::id());
    let offer = Offer::detect_direct(&name);
    let groups = |id| plan(&Limits::NONE, &offer, id).groups;
    let (left, held) = (groups(ConfinementId::generate()), ConfinementId::generate());
    for group in &left {
        fs::create_dir_all(&group.path).unwrap();
    }
    let prepared = plan(&Limits::NONE, &offer, held).prepare();
    let next = Offer::detect_direct(&name);
    assert!(left.iter().all(|group| !group.path.exists()));
    assert!(groups(held).iter().all(|group| group.path.exists()), "it was just made");
    let more = plan(&Limits { processes: Some(9), ..Limits::NONE }, &next, ConfinementId::generate());
    let folders: Vec<PathBuf> =
        more.groups.iter().filter_map(|group| Some(group.path.parent()?.to_owned())).collect();
    prepared.remove().unwrap();
    assert!(folders.iter().all(|folder| folder.exists()), "a daemon is there");
    drop((offer, next));
    // A monitor that outlives its daemon tidies up, and one that comes after that finds everything in place.
    for _ in 0..2 {
        let later = more.clone().prepare();
        assert_eq!(later.warnings(), [""; 0]);
        // A child that another test is about to start has what held the folders as long as it has not begun.
        until("the last one tidies up", || {
            later.remove().unwrap();
            folders.iter().all(|folder| !folder.exists()).then_some(())
        });
    }
}

#[test]
fn data_is_limited_where_no_group_counts_memory() {
    let limits = Limits { memory: Some(32 * MIB), ..Limits::NONE };
    let confinement = plan(&limits, &Offer::rlimits(), ConfinementId::generate());
    assert!(confinement.warnings[0].contains("only approximated"), "{:?}", confinement.warnings);
    let prepared = Arc::new(confinement.prepare());
    let mut main = spawn(&prepared, "head -c 100000000 /dev/zero | tail -n 1");
    let mut complaints = String::new();
    main.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    assert!(!main.wait().unwrap().success());
    assert!(complaints.contains("memory"), "{complaints}");
    assert_eq!((prepared.out_of_memory(), prepared.peak_memory()), (None, None));
}

#[test]
fn detection_leaves_nothing_behind_when_it_is_released() {
    let name = format!("test-release-{}", std::process::id());
    let offer = Offer::detect_direct(&name);
    let folders: Vec<PathBuf> = plan(&Limits::NONE, &offer, ConfinementId::generate())
        .groups
        .iter()
        .filter_map(|group| Some(group.path.parent()?.to_owned()))
        .collect();
    assert!(folders.iter().all(|folder| folder.ends_with(format!("mantyx-{name}")) && folder.is_dir()));
    let enforced = offer.enforced();
    assert_eq!(offer.mechanism() == LimitMechanism::Rlimits, folders.is_empty());
    assert_eq!(enforced.memory || enforced.cpu || enforced.processes, !folders.is_empty());
    let before = fs::read_to_string("/proc/self/cgroup").unwrap();
    offer.warm_up();
    assert_eq!(fs::read_to_string("/proc/self/cgroup").unwrap(), before, "the daemon stays where it is");
    offer.release();
    assert!(folders.iter().all(|folder| !folder.exists()));
}
