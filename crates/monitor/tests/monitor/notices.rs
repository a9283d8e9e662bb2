//! What an app says of itself (sd_notify(3)), and the watchdog that waits for it.

use std::time::Instant;

use mantyx_core::{Ending, Exit};
use mantyx_monitor::{Deadlines, Message, Notified, Outcome, Phase, Request, Terms};

use crate::fixture::{Run, Stage, wait_for};

fn watchdog(seconds: f64) -> Deadlines {
    Deadlines { watchdog_seconds: Some(seconds), ..Deadlines::default() }
}

fn status(run: &mut Run) -> Notified {
    run.link().ask(&Request::Status);
    match run.link().next() {
        Message::Status { notified, .. } => notified,
        other => panic!("{other:?}"),
    }
}

/// How many messages there may have been since then: one a second, one that does not wait for its turn, and one at
/// either end.
fn most_messages(begun: Instant) -> usize {
    usize::try_from(begun.elapsed().as_secs()).unwrap() + 3
}

#[test]
fn readiness_is_told_at_once_and_the_rest_one_by_one() {
    let mut run = Stage::python(
        "input = lambda name: [time.sleep(0.005) for _ in iter(lambda: os.path.exists(name), True)]\n\
         input('go')\n\
         say('READY=1', 'STATUS=Serving')\n\
         for number in range(2000): say(f'STATUS=Request {number}')\n\
         say('STATUS=idle')\n\
         input('on'); say('RELOADING=1'); input('off'); say('STOPPING=1', 'STATUS=')\n\
         time.sleep(1000)",
    )
    .start();
    run.link().hello();
    let begun = Instant::now();
    std::fs::write(run.stage.path("go"), "").unwrap();
    let first = run.link().notified();
    assert_eq!(first.phase, Phase::Ready);
    let mut texts = vec![first.status.unwrap()];
    while texts.last().unwrap() != "idle" {
        texts.push(run.link().notified().status.unwrap());
    }
    assert!((2..=most_messages(begun)).contains(&texts.len()), "{texts:?}");
    std::fs::write(run.stage.path("on"), "").unwrap();
    assert_eq!(run.link().notified(), Notified { phase: Phase::Reloading, status: Some("idle".into()) });
    std::fs::write(run.stage.path("off"), "").unwrap();
    assert_eq!(run.link().notified(), Notified { phase: Phase::Stopping, status: None });
    run.stop(25.0);
    run.exited();
}

#[test]
fn an_app_that_reloads_without_end_is_not_heard_without_end() {
    let mut run = Stage::python(
        "while not os.path.exists('go'): time.sleep(0.005)\n\
         for number in range(2000):\n\
         \x20   say('READY=1', f'STATUS={number}'); say('RELOADING=1', f'STATUS=again {number}')\n\
         say('READY=1', 'STATUS=idle'); time.sleep(1000)",
    )
    .start();
    run.link().hello();
    let begun = Instant::now();
    std::fs::write(run.stage.path("go"), "").unwrap();
    let idle = Notified { phase: Phase::Ready, status: Some("idle".into()) };
    let mut told = 1;
    while run.link().notified() != idle {
        told += 1;
    }
    assert!(told <= most_messages(begun), "{told} messages");
    run.stop(25.0);
    run.exited();
}

#[test]
fn a_client_that_said_no_hello_is_told_when_it_asks() {
    let mut run = Stage::python("say('READY=1', 'STATUS=Serving'); time.sleep(1000)").start();
    let said = Notified { phase: Phase::Ready, status: Some("Serving".into()) };
    wait_for("the notice", || status(&mut run) == said);
    run.stop(25.0);
    assert_eq!(run.link().next(), Message::Done);
    run.exited();
}

#[test]
fn children_may_speak_and_descriptors_that_come_along_are_closed() {
    let run = Stage::python(
        "inner, outer = os.pipe()\n\
         if os.fork() == 0:\n\
         \x20   socket.send_fds(talk, [b'READY=1\\nFDSTORE=1\\nBARRIER=1'], [outer]); os._exit(0)\n\
         os.wait(); os.close(outer); print('closed', os.read(inner, 1))",
    )
    .start();
    // The read ends only when the monitor has closed its copy.
    let (record, stage) = run.exited();
    assert_eq!(record.outcome, Outcome::Exited(Exit::Code(0)));
    assert_eq!(stage.log(), ["closed b''"]);
}

#[test]
fn a_flood_of_notices_delays_nobody_else() {
    let mut run = Stage::python("print('ready')\nwhile True: say('STATUS=x', 'STATUS=y')").start();
    run.stage.wait_for_log(1);
    assert!(matches!(status(&mut run), Notified { phase: Phase::Silent, .. }));
    run.stop(25.0);
    assert_eq!(run.exited().0.outcome, Outcome::Exited(Exit::Signal(15)));
}

#[test]
fn signs_of_life_keep_an_app_alive_and_silence_ends_it() {
    let mut stage = Stage::python(
        "print(os.environ['WATCHDOG_USEC'], os.environ['WATCHDOG_PID'] == str(os.getpid()))\n\
         say('READY=1')\n\
         over = time.monotonic() + 4\n\
         while time.monotonic() < over: say('WATCHDOG=1'); time.sleep(0.05)\n\
         print('silent'); time.sleep(1000)",
    );
    // A Python may take long to begin.
    stage.launch.plan.deadlines = Deadlines { start_period_seconds: 60.0, ..watchdog(3.0) };
    let (record, stage) = stage.start().exited();
    assert_eq!(stage.log(), ["3000000 True", "silent"]);
    assert_eq!(record.outcome, Outcome::Exited(Exit::Signal(6)));
    assert_eq!(record.ending, Some(Ending::WatchdogExpired));
    assert!((record.finished_at - record.started_at.unwrap()).num_milliseconds() >= 6900);
}

#[test]
fn one_that_was_never_heard_has_its_start_period() {
    let mut stage = Stage::script("exec sleep 1000");
    stage.launch.plan.deadlines = Deadlines { start_period_seconds: 0.3, ..watchdog(0.2) };
    let (record, _) = stage.start().exited();
    assert_eq!(record.ending, Some(Ending::WatchdogExpired));
    assert!((record.finished_at - record.started_at.unwrap()).num_milliseconds() >= 490);
}

#[test]
fn one_that_does_not_mind_the_watchdog_is_killed_with_all_that_it_has() {
    let mut stage = Stage::python(
        "signal.signal(signal.SIGABRT, signal.SIG_IGN)\n\
         signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
         print(os.fork())\n\
         say('WATCHDOG=trigger'); time.sleep(1000)",
    );
    stage.launch.plan.stop.grace_seconds = 0.1;
    let (record, _) = stage.start().exited();
    assert_eq!(record.outcome, Outcome::Exited(Exit::Signal(9)));
    assert_eq!(record.ending, Some(Ending::WatchdogExpired));
}

#[test]
fn an_app_may_ask_for_a_watchdog_and_the_daemon_may_call_it_off() {
    let mut run = Stage::python("say('READY=1', 'WATCHDOG_USEC=100000000'); time.sleep(1000)").start();
    wait_for("the notice", || status(&mut run).phase == Phase::Ready);
    let stop = run.stage.launch.plan.stop;
    let adjust = |deadlines| Request::Adjust(Box::new(Terms { stop, deadlines, confinement: None }));
    run.link().ask(&adjust(watchdog(100.0)));
    run.link().ask(&adjust(Deadlines::default()));
    run.link().ask(&adjust(watchdog(0.1)));
    let (record, _) = run.exited();
    assert_eq!(record.ending, Some(Ending::WatchdogExpired));
}

#[test]
fn a_watchdog_that_the_app_was_not_told_of_waits_for_the_next_start() {
    let mut run = Stage::script("exec sleep 1000").start();
    let stop = run.stage.launch.plan.stop;
    let terms = Terms { stop, deadlines: watchdog(0.01), confinement: None };
    run.link().ask(&Request::Adjust(Box::new(terms)));
    assert_eq!(run.link().next(), Message::Done);
    run.link().ask(&Request::Status);
    let Message::Status { warnings, stopping: None, .. } = run.link().next() else { panic!("no status") };
    assert!(warnings[0].contains("next start"), "{warnings:?}");
    run.stop(25.0);
    assert!(matches!(run.exited().0.ending, Some(Ending::Stopped { .. })));
}
