//! The loop: it waits for signals, clients, notices, output and the next time that is due, until the process and
//! everything that it started is gone.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;

use chrono::Utc;
use mantyx_core::{Ending, Exit};
use mantyx_limits::Confinement;
use mantyx_monitor::{MainProcess, Message, Plan, Record, RunFolder, StopTerms, Wish};
use rustix::process::Signal;

use crate::clients::Clients;
use crate::deadlines::{Expired, Watch};
use crate::ending::End;
use crate::launcher::Launcher;
use crate::limits::Limits;
use crate::notify_socket::NotifySocket;
use crate::order::Order;
use crate::output::Output;
use crate::post::{Post, Waiting};
use crate::reason::{Failure, reason};
use crate::recorder::Recorder;
use crate::said::Said;
use crate::stop::{self, Asked, Stop};
use crate::stub::Child;
use crate::system::{Reaped, reap};
use crate::title;
use crate::wait::{self, Ready, Source};

/// From this version on the record is there before the launch.
const IS_RECORDED: u32 = 3;

/// The monitor of one execution.
pub(crate) struct Monitor {
    pub(crate) folder: RunFolder,
    pub(crate) record: Record,
    pub(crate) recorder: Recorder,
    pub(crate) clients: Clients,
    pub(crate) output: Output,
    pub(crate) limits: Limits,
    pub(crate) watch: Watch,
    pub(crate) said: Said,
    pub(crate) warnings: Warnings,
    /// Whether somebody has asked for the end.
    pub(crate) wish: Wish,
    /// Why it is being stopped: the first reason.
    pub(crate) why: Option<Ending>,
    /// How the main process ended.
    pub(crate) end: Option<End>,
    post: Post,
    notify_socket: NotifySocket,
    family: Family,
    stop: Option<Stop>,
}

/// What could not be done as it was said, as sentences.
#[derive(Default)]
pub(crate) struct Warnings {
    pub(crate) limits: Vec<String>,
    pub(crate) watchdog: Option<String>,
    pub(crate) stop: Option<String>,
}

impl Warnings {
    /// All of them.
    pub(crate) fn all(&self) -> Vec<String> {
        self.limits.iter().chain(&self.watchdog).chain(&self.stop).cloned().collect()
    }
}

/// Whether any process of the app is left.
#[derive(PartialEq, Eq)]
enum Family {
    Alive,
    Gone,
}

impl Monitor {
    /// Takes its place in the run folder, for a launch of this version.
    pub(crate) fn prepare(plan: Plan, version: u32, run_folder: &Path, post: Post) -> io::Result<Self> {
        std::env::set_current_dir(run_folder)?;
        let folder = RunFolder::open(run_folder)?;
        let uid = plan.identity.as_ref().map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.uid);
        let notify_socket = NotifySocket::open(plan.execution, uid)?;
        let mut record = Record::expecting(plan, std::process::id())?;
        if version < IS_RECORDED {
            // What that version does not say is not said by the record either.
            record.version = version;
            // It is first, so that whoever finds the socket or a group can tell whose it is.
            folder.write_record(&record)?;
        }
        let plan = &record.plan;
        Ok(Self {
            clients: Clients::listen(&folder.socket(plan.execution))?,
            output: Output::to(&plan.log, plan.rotation),
            limits: Limits::default(),
            watch: Watch::begin(Instant::now(), &plan.deadlines),
            said: Said::default(),
            warnings: Warnings::default(),
            wish: Wish::None,
            why: None,
            end: None,
            post,
            notify_socket,
            family: Family::Alive,
            stop: None,
            recorder: Recorder::new(run_folder),
            folder,
            record,
        })
    }

    /// Lets a process become the app and stays until all of it is over and written down.
    pub(crate) fn run(
        mut self,
        waiting: Option<Waiting>,
        environment: BTreeMap<String, String>,
        launcher: Launcher,
    ) {
        self.clients.expect(launcher);
        match self.begin(waiting, environment) {
            Ok(child) => {
                self.output.connect(child.stdout, child.stderr);
                self.began(child.process);
                while !self.is_over() {
                    self.turn();
                }
                self.finish();
            }
            Err(failure) => {
                let reason = reason(&self.record.plan, &failure);
                self.never_began(reason);
            }
        }
    }

    fn begin(
        &mut self,
        waiting: Option<Waiting>,
        environment: BTreeMap<String, String>,
    ) -> Result<Child, Failure> {
        let plan = &self.record.plan;
        let planned = plan.confinement.as_ref();
        let Waiting { stub, groups } = match waiting {
            Some(waiting) => self.post.look_after(waiting)?,
            None => self.post.get_ready(planned.unwrap_or(&Confinement::default()))?,
        };
        self.limits = Limits::settle(groups, planned);
        // Whoever told a monitor to end that had nothing to watch did not mean this app.
        while self.post.signals.next().is_some() {}
        stub.become_app(&Order::new(plan.clone(), environment, self.notify_socket.variable()))
    }

    fn began(&mut self, main: MainProcess) {
        self.record.main = Some(main);
        self.watch = Watch::begin(Instant::now(), &self.record.plan.deadlines);
        self.warnings.limits = self.limits.warnings(main.id.pid);
        self.warnings.stop = stop::first_signal(self.record.plan.stop.signal).1;
        // Without room for it the process runs on: while the daemon lives it knows from the message.
        let _ = self.folder.write_record(&self.record);
        self.clients.tell_all(&Message::Started { main, warnings: self.warnings.all() });
        title::show(self.record.plan.execution);
    }

    fn is_over(&self) -> bool {
        self.end.is_some() && self.family == Family::Gone
    }

    /// Waits until something happens, and deals with it. Each has its turn, however much another brings.
    fn turn(&mut self) {
        for ready in wait::until(self.next_due(), self.sources()) {
            match ready {
                Ready::Signals => self.hear_signals(),
                Ready::Client(index) => self.listen_to(index),
                Ready::Listener => self.clients.accept(),
                Ready::Notices => self.hear_notices(),
                Ready::Output(source) => self.output.act(source),
            }
        }
        self.act(Instant::now());
    }

    /// Clients come before anything that may tell them something, because then those who have gone are removed.
    fn sources(&self) -> Vec<Source<'_>> {
        let mut sources = vec![(Ready::Signals, self.post.signals.as_fd())];
        sources.extend(self.clients.sources());
        sources.push((Ready::Notices, self.notify_socket.as_fd()));
        sources.extend(self.output.open().map(|(source, fd)| (Ready::Output(source), fd)));
        sources
    }

    /// The next moment at which [`Monitor::act`] has something to do.
    fn next_due(&self) -> Option<Instant> {
        let end = self.stop.as_ref().map_or_else(|| self.watch.due(), Stop::due);
        [end, self.said.due(Instant::now()), self.limits.due()].into_iter().flatten().min()
    }

    /// Does what is due.
    fn act(&mut self, now: Instant) {
        if let Some(stop) = &mut self.stop {
            stop.act(now, &self.limits);
        } else if let Some(expired) = self.watch.expired(now) {
            self.expire(expired);
        }
        self.limits.act(now);
        if let Some(notified) = self.said.take_due(now) {
            self.clients.tell_notified(notified);
        }
    }

    fn hear_signals(&mut self) {
        while let Some(signal) = self.post.signals.next() {
            match signal {
                Signal::CHILD => self.reap(),
                Signal::TERM => {
                    // Everything is told to end like this when the machine is shut down. The app is to be back after
                    // it, for daemons of version 1 too, which judge by the wish.
                    let _ = self.stop(self.record.plan.stop, Ending::ShutDown);
                }
                // A terminal that closes or a Ctrl-C is meant for the daemon.
                _ => {}
            }
        }
    }

    fn hear_notices(&mut self) {
        let now = Instant::now();
        for notice in self.notify_socket.receive() {
            self.watch.hear(&notice, now);
            self.said.hear(notice);
        }
    }

    /// Collects all that have ended. What the main process leaves behind is stopped like itself: its signal,
    /// its grace, then SIGKILL.
    fn reap(&mut self) {
        let main = self.main_pid();
        loop {
            match reap() {
                Reaped::Process { pid, exit, usage } if Some(pid) == main => {
                    self.end = Some(End { exit, at: Utc::now(), usage, ending: self.ending_of(exit) });
                }
                Reaped::Process { .. } => {}
                Reaped::NotYet => break,
                Reaped::Nobody => {
                    self.family = Family::Gone;
                    return;
                }
            }
        }
        if main.is_some() && self.end.is_some() {
            self.stop_rest(main);
        }
    }

    /// What was asked for first, then what the kernel did, and else it ended by itself.
    fn ending_of(&self, exit: Exit) -> Ending {
        self.why.clone().or_else(|| self.limits.out_of_memory(exit)).unwrap_or(Ending::Exited)
    }

    /// Called once, when the main process has just ended before others. Its group may have had the signal already.
    fn stop_rest(&mut self, group: Option<u32>) {
        let terms = self.record.plan.stop;
        let has_signal = self.stop.as_ref().is_some_and(|stop| stop.asked() == Asked::Group);
        stop::signal_rest(terms.signal, group.filter(|_| has_signal));
        self.stop.get_or_insert_with(|| Stop::after(terms.grace(), Asked::Group));
    }

    /// The main process, as long as its pid is its own: until it was waited for.
    fn main_pid(&self) -> Option<u32> {
        self.record.main.filter(|_| self.end.is_none()).map(|main| main.id.pid)
    }

    /// Sends a signal to the process group.
    pub(crate) fn signal(&self, number: i32) -> Result<(), String> {
        let main = self.main_pid().ok_or("The process has ended")?;
        stop::signal_group(main, number)
    }

    /// The signal goes out once and the first reason stays; who asks again can only shorten the grace.
    pub(crate) fn stop(&mut self, terms: StopTerms, why: Ending) -> Result<(), String> {
        if matches!(why, Ending::Stopped { .. }) {
            self.wish = Wish::Stop;
        }
        if let Some(stop) = &mut self.stop {
            stop.hurry(terms.grace());
            return Ok(());
        }
        self.why = Some(why);
        self.stop = Some(Stop::after(terms.grace(), Asked::Group));
        let (number, warning) = stop::first_signal(terms.signal);
        self.warnings.stop = warning;
        self.signal(number)
    }

    /// A process that hangs shows where when it is aborted, so the watchdog does that, as systemd's does.
    fn expire(&mut self, expired: Expired) {
        let terms = self.record.plan.stop;
        match expired {
            Expired::Timeout(after) => {
                let _ = self.stop(terms, Ending::TimedOut { after: whole_seconds(after) });
            }
            Expired::Watchdog => {
                self.why = Some(Ending::WatchdogExpired);
                self.stop = Some(Stop::after(terms.grace(), Asked::Main));
                if let Some(main) = self.main_pid() {
                    stop::abort(main);
                }
            }
        }
    }
}

/// Rounded up, so that a limit of half a second is not none.
fn whole_seconds(time: std::time::Duration) -> u32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
