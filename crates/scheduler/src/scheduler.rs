//! The clock: one task that sleeps until something is due and puts it into the queue.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use futures_util::future::BoxFuture;
use mantyx_core::{Result, ScheduleId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::agenda::Agenda;
use crate::queue::Queue;
use crate::schedule::Schedule;
use crate::timer::WallTimer;

/// How often old jobs are forgotten.
const TIDY: Duration = Duration::from_secs(3600);

/// A schedule was due at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tick {
    /// The schedule.
    pub schedule: ScheduleId,
    /// When it was due, which may be a while ago.
    pub due: Timestamp,
}

/// What is done about a tick.
pub trait Runner: Send + Sync + 'static {
    /// Handles a tick. It may come twice after a crash, so it claims the run first. An error is logged; it is not
    /// tried again.
    fn due(&self, tick: Tick) -> BoxFuture<'_, Result<()>>;
}

/// A handle to the clock and the worker of the queue.
#[derive(Debug)]
pub struct Scheduler {
    commands: mpsc::UnboundedSender<Command>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
enum Command {
    Set { id: ScheduleId, schedule: Schedule, from: Timestamp },
    Remove(ScheduleId),
    ShutDown,
}

/// Whether the clock goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    GoOn,
    End,
}

impl Scheduler {
    /// Opens the queue and starts the clock. Jobs that were queued and not done are delivered again at once.
    ///
    /// # Errors
    /// When the file can be neither opened nor made.
    pub async fn open(jobs_db: &Path, runner: Arc<dyn Runner>) -> Result<Self> {
        let queue = Queue::open(jobs_db).await?;
        let timer = WallTimer::new()?;
        let (commands, inbox) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let worker = tokio::spawn(queue.clone().work(Arc::clone(&runner), stopped));
        let agenda = Agenda::new(Utc::now());
        let clock = Clock { agenda, timer, queue, tidied: Instant::now(), runner, inbox };
        let clock = tokio::spawn(clock.run(stop));
        Ok(Self { commands, tasks: Mutex::new(vec![clock, worker]) })
    }

    /// Arms a schedule, or another version of it: it fires at each of its instants after `from`. Those that have
    /// passed already fire at once.
    pub fn set(&self, id: ScheduleId, schedule: Schedule, from: Timestamp) {
        self.tell(Command::Set { id, schedule, from });
    }

    /// Disarms a schedule. A job of it that is queued already is still delivered.
    pub fn remove(&self, id: ScheduleId) {
        self.tell(Command::Remove(id));
    }

    /// Stops the clock, waits for the ticks that are being handled, and closes the queue.
    pub async fn shutdown(&self) {
        self.tell(Command::ShutDown);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "A task of the scheduler ended badly");
            }
        }
    }

    /// A clock that is shut down has no ears and needs none.
    fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

struct Clock {
    agenda: Agenda,
    timer: WallTimer,
    queue: Queue,
    tidied: Instant,
    runner: Arc<dyn Runner>,
    inbox: mpsc::UnboundedReceiver<Command>,
}

impl Clock {
    /// Runs until it is told to end or nobody holds its handle; dropping `stop` ends the worker then.
    async fn run(mut self, stop: oneshot::Sender<()>) {
        while self.wait().await == Flow::GoOn {
            let ticks = self.agenda.take_due(Utc::now());
            if !ticks.is_empty() {
                self.fire(ticks).await;
                self.tidy().await;
            }
        }
        drop(stop);
    }

    /// Waits until something may be due or has changed.
    async fn wait(&mut self) -> Flow {
        let due = self.agenda.next_due();
        let timer = &self.timer;
        let sleep = async {
            match due {
                Some(due) => timer.sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = self.inbox.recv() => self.obey(command),
            // Due or clock set: either way the agenda is asked again, with the clock as it is now.
            woken = sleep => woken.map_or_else(|error| broken(&error), |_| Flow::GoOn),
        }
    }

    fn obey(&mut self, command: Option<Command>) -> Flow {
        match command {
            None | Some(Command::ShutDown) => return Flow::End,
            Some(Command::Set { id, schedule, from }) => self.agenda.set(id, schedule, from),
            Some(Command::Remove(id)) => self.agenda.remove(id),
        }
        Flow::GoOn
    }

    /// A queue that nothing is put into does not grow, so this needs no timer of its own.
    async fn tidy(&mut self) {
        if self.tidied.elapsed() < TIDY {
            return;
        }
        self.tidied = Instant::now();
        if let Err(error) = self.queue.forget().await {
            tracing::warn!(?error, "The queue keeps its old jobs for now");
        }
    }

    /// No tick is lost with the queue: what cannot be queued is handed over directly.
    async fn fire(&self, ticks: Vec<Tick>) {
        let Err(error) = self.queue.push(&ticks).await else { return };
        tracing::error!(?error, "Ticks could not be queued and are handled without the queue");
        for tick in ticks {
            let runner = Arc::clone(&self.runner);
            tokio::spawn(async move {
                if let Err(error) = runner.due(tick).await {
                    tracing::error!(schedule = %tick.schedule, due = %tick.due, ?error, "A tick failed");
                }
            });
        }
    }
}

/// A timer that the kernel refuses will not come back.
fn broken(error: &mantyx_core::Error) -> Flow {
    tracing::error!(?error, "The clock of the scheduler has ended");
    Flow::End
}
