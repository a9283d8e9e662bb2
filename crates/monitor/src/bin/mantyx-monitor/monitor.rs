//! The loop: it waits for signals, clients and output, until the process and everything that it started is gone.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use chrono::Utc;
use mantyx_core::{Exit, Timestamp};
use mantyx_logs::Stream;
use mantyx_monitor::process::{self, ProcessId};
use mantyx_monitor::{
    ExitRecord, MainProcess, Message, Notified, Outcome, Plan, Record, Request, RunFolder, StopTerms,
    VERSION, Wish,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::process::Signal;

use crate::child;
use crate::client::{Asked, Client};
use crate::launcher::Launcher;
use crate::output::Output;
use crate::stop::{self, Stop};
use crate::system::{Reaped, Signals, Usage, reap};

/// How long between two attempts to write the exit record on a disk that is full.
const RETRY: Duration = Duration::from_secs(1);

/// The monitor of one execution.
pub(crate) struct Monitor {
    folder: RunFolder,
    record: Record,
    signals: Signals,
    listener: UnixListener,
    launcher: Option<Launcher>,
    clients: Vec<Client>,
    output: Output,
    end: Option<End>,
    family: Family,
    stop: Option<Stop>,
    wish: Wish,
}

/// How the main process ended.
struct End {
    exit: Exit,
    at: Timestamp,
    usage: Usage,
}

/// Whether any process of the app is left.
#[derive(PartialEq, Eq)]
enum Family {
    Alive,
    Gone,
}

/// Whose turn it is.
enum Ready {
    Signals,
    Listener,
    Output(Stream),
    Client(usize),
}

impl Monitor {
    /// Takes its place in the run folder and in the kernel, before anything is started.
    pub(crate) fn prepare(plan: Plan, run_folder: &Path) -> io::Result<Self> {
        // It fails for the leader of a process group: then who started it has set it apart already.
        let _ = rustix::process::setsid();
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        std::env::set_current_dir(run_folder)?;
        let folder = RunFolder::open(run_folder)?;
        let me = ProcessId::of(std::process::id())?;
        let record = Record { version: VERSION, plan, boot_id: process::boot_id()?, monitor: me, main: None };
        // The record is first, so that whoever finds the socket can tell whose it is.
        folder.write_record(&record)?;
        Ok(Self {
            listener: listen(&folder.socket(record.plan.execution))?,
            signals: Signals::listen()?,
            launcher: None,
            clients: Vec::new(),
            output: Output::to(&record.plan.log),
            end: None,
            family: Family::Alive,
            stop: None,
            wish: Wish::None,
            folder,
            record,
        })
    }

    /// Starts the process and stays until all of it is over and written down.
    pub(crate) fn run(mut self, environment: &BTreeMap<String, String>, launcher: Launcher) {
        self.launcher = Some(launcher);
        match child::start(&self.record.plan, environment) {
            Ok(child) => {
                self.output.connect(child.stdout, child.stderr);
                self.began(child.process);
                while !self.is_over() {
                    self.turn();
                }
                self.finish();
            }
            Err(reason) => self.record_end(Outcome::StartFailed(reason), Utc::now(), Usage::default()),
        }
    }

    fn began(&mut self, main: MainProcess) {
        self.record.main = Some(main);
        // Without room for it the process runs on: while the daemon lives it knows from the message.
        let _ = self.folder.write_record(&self.record);
        self.tell_all(&Message::Started { main, warnings: Vec::new() });
    }

    fn is_over(&self) -> bool {
        self.end.is_some() && self.family == Family::Gone
    }

    /// Waits until something happens, and deals with it.
    fn turn(&mut self) {
        let wait = self.stop.as_ref().map(Stop::remaining);
        for ready in self.wait(wait) {
            match ready {
                Ready::Signals => self.hear(),
                Ready::Listener => self.accept(),
                Ready::Output(stream) => drop(self.output.read(stream)),
                Ready::Client(index) => self.listen_to(index),
            }
        }
        if let Some(stop) = &mut self.stop {
            stop.act();
        }
    }

    /// Clients come last and from the highest down, so that one can be removed without moving those to come.
    fn wait(&self, wait: Option<Duration>) -> Vec<Ready> {
        let mut sources: Vec<(Ready, BorrowedFd<'_>)> =
            vec![(Ready::Signals, self.signals.as_fd()), (Ready::Listener, self.listener.as_fd())];
        sources.extend(self.output.open().map(|(stream, pipe)| (Ready::Output(stream), pipe)));
        let clients = self.clients.iter().enumerate().rev();
        sources.extend(clients.map(|(index, client)| (Ready::Client(index), client.as_fd())));
        ready(sources, wait)
    }

    fn hear(&mut self) {
        while let Some(signal) = self.signals.next() {
            match signal {
                Signal::CHILD => self.reap(),
                Signal::TERM => drop(self.stop(self.record.plan.stop)),
                // A terminal that closes or a Ctrl-C is meant for the daemon.
                _ => {}
            }
        }
    }

    /// Collects all that have ended. What the main process leaves behind is stopped like itself: its signal,
    /// its grace, then SIGKILL.
    fn reap(&mut self) {
        let main = self.main_pid();
        loop {
            match reap() {
                Reaped::Process { pid, exit, usage } if Some(pid) == main => {
                    self.end = Some(End { exit, at: Utc::now(), usage });
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

    /// Called once, when the main process has just ended before others. Its group has had the signal if a stop
    /// was under way.
    fn stop_rest(&mut self, group: Option<u32>) {
        let terms = self.record.plan.stop;
        let signalled = group.filter(|_| self.stop.is_some());
        stop::signal_rest(terms.signal, signalled);
        self.stop.get_or_insert_with(|| Stop::after(terms.grace()));
    }

    /// The main process, as long as its pid is its own: until it was waited for.
    fn main_pid(&self) -> Option<u32> {
        self.record.main.filter(|_| self.end.is_none()).map(|main| main.id.pid)
    }

    fn accept(&mut self) {
        if let Ok((stream, _)) = self.listener.accept()
            && let Ok(client) = Client::new(OwnedFd::from(stream))
        {
            self.clients.push(client);
        }
    }

    fn listen_to(&mut self, index: usize) {
        let answered = self.clients[index].asked().and_then(|asked| {
            let answers: Vec<Message> = asked.into_iter().map(|asked| self.answer(asked)).collect();
            answers.iter().try_for_each(|answer| self.clients[index].tell(answer))
        });
        if answered.is_err() {
            self.clients.remove(index);
        }
    }

    fn answer(&mut self, asked: Asked) -> Message {
        let done = match asked {
            Ok(Request::Hello { .. }) => return self.hello(),
            Ok(Request::Status) => return self.status(),
            Ok(Request::Signal { number }) => self.signal(number),
            Ok(Request::Stop { terms, .. }) => self.stop(terms),
            Ok(Request::Adjust(terms)) => {
                self.record.plan.stop = terms.stop;
                Ok(())
            }
            Err(reason) => Err(reason),
        };
        done.map_or_else(|reason| Message::Refused { reason }, |()| Message::Done)
    }

    fn hello(&self) -> Message {
        Message::Hello { version: VERSION, execution: self.record.plan.execution, main: self.record.main }
    }

    fn status(&self) -> Message {
        let dropped_lines = self.output.dropped_lines();
        Message::Status {
            main: self.record.main,
            wish: self.wish,
            dropped_lines,
            notified: Notified::default(),
            warnings: Vec::new(),
        }
    }

    fn signal(&self, number: i32) -> Result<(), String> {
        let main = self.main_pid().ok_or("The process has ended")?;
        stop::signal_group(main, number)
    }

    /// The signal goes out once; who asks again can only shorten the grace.
    fn stop(&mut self, terms: StopTerms) -> Result<(), String> {
        self.wish = Wish::Stop;
        if let Some(stop) = &mut self.stop {
            stop.hurry(terms.grace());
            return Ok(());
        }
        self.stop = Some(Stop::after(terms.grace()));
        self.signal(terms.signal)
    }

    fn finish(&mut self) {
        if let Some(End { exit, at, usage }) = self.end.take() {
            self.record_end(Outcome::Exited(exit), at, usage);
        }
    }

    /// Writes the end down and tells it. The clients hear it before the disk has it: they keep it themselves, and
    /// a replacement need not wait for the disk. The monitor leaves only when the record is safe.
    fn record_end(&mut self, outcome: Outcome, finished_at: Timestamp, usage: Usage) {
        let plan = &self.record.plan;
        let record = ExitRecord {
            version: VERSION,
            execution: plan.execution,
            instance: plan.instance,
            app: plan.app,
            outcome,
            wish: self.wish,
            started_at: self.record.main.map(|main| main.started_at),
            finished_at,
            cpu_seconds: usage.cpu_seconds,
            peak_memory: usage.peak_memory,
            dropped_lines: self.output.finish(),
            ending: None,
        };
        let told = Message::Exited { record: Box::new(record.clone()) };
        let mut written = self.folder.write_exit_record(&record);
        self.tell_latecomers(&told);
        while written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::NotFound) {
            let _ = ready(vec![(Ready::Listener, self.listener.as_fd())], Some(RETRY));
            self.tell_latecomers(&told);
            written = self.folder.write_exit_record(&record);
        }
        let _ = written.and_then(|file| self.folder.sync(&file));
        let _ = self.folder.remove_socket(record.execution);
        // Nobody can connect any more: whoever did has heard it, whoever comes now finds the record.
        self.tell_latecomers(&told);
    }

    /// Tells everybody, those who are just knocking included, and hangs up.
    fn tell_latecomers(&mut self, message: &Message) {
        while !ready(vec![(Ready::Listener, self.listener.as_fd())], Some(Duration::ZERO)).is_empty() {
            self.accept();
        }
        self.tell_all(message);
        self.clients.clear();
    }

    fn tell_all(&mut self, message: &Message) {
        if let Some(launcher) = self.launcher.take() {
            launcher.answer(message);
        }
        self.clients.retain_mut(|client| client.tell(message).is_ok());
    }
}

/// Waits for sources, at most `wait`, and keeps those that have something, in order.
fn ready(sources: Vec<(Ready, BorrowedFd<'_>)>, wait: Option<Duration>) -> Vec<Ready> {
    let timeout = wait.and_then(|wait| Timespec::try_from(wait).ok());
    let mut polled: Vec<PollFd<'_>> =
        sources.iter().map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    // The only error that can come is an interruption, and then nothing is ready.
    if poll(&mut polled, timeout.as_ref()).is_err() {
        return Vec::new();
    }
    let awake = polled.iter().map(|fd| !fd.revents().is_empty()).collect::<Vec<bool>>();
    sources.into_iter().zip(awake).filter_map(|((ready, _), awake)| awake.then_some(ready)).collect()
}

/// Opens the socket, for the owner alone.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
