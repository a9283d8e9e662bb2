//! The handle that the rest of the daemon holds.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mantyx_core::{Code, Ending, Error, ExecutionId, InstanceId, RestartHistory, Result, Timestamp, Trigger};
use mantyx_limits::Offer;
use mantyx_logs::Rotation;
use mantyx_monitor::RunFolder;
use mantyx_platform::folders;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::care::Care;
use crate::command::Start;
use crate::context::{Context, blocking};
use crate::discover::{Discovered, Written, discover};
use crate::instance::{Instance, Message, Role, Snapshot};
use crate::limiter::Limiter;
use crate::observer::Observer;
use crate::service::ServiceStatus;
use crate::standby::Reserve;
use crate::watch::{Order, Watch};

/// A file that is not whole after this time never will be.
const LEFT: Duration = Duration::from_secs(60);

/// Where the supervisor finds its things.
pub struct SupervisorConfig {
    /// The folder of sockets and records, as an absolute path. It is made when it is not there.
    pub run_dir: PathBuf,
    /// The program `mantyx-monitor`, as an absolute path.
    pub monitor_program: PathBuf,
    /// What holds processes to their limits.
    pub limiter: Limiter,
    /// How logs are rotated.
    pub rotation: Rotation,
}

/// Starts, watches, restarts and stops processes. Clones are handles to the same one.
#[derive(Clone)]
pub struct Supervisor {
    context: Arc<Context>,
    instances: Arc<Mutex<HashMap<InstanceId, Mailbox>>>,
}

/// How an instance is reached.
struct Mailbox {
    sender: UnboundedSender<Message>,
    snapshot: Arc<Mutex<Snapshot>>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// A supervisor that watches nothing yet.
    pub fn new(config: SupervisorConfig, observer: Arc<dyn Observer>) -> Result<Self> {
        let SupervisorConfig { run_dir, monitor_program, limiter, rotation } = config;
        folders::create(&run_dir, 0o700)?;
        let folder = RunFolder::open(&run_dir)
            .map_err(|error| Error::io(format!("open the run folder `{}`", run_dir.display()), error))?;
        let ((down, _), reserve) = (watch::channel(false), Reserve::default());
        let context =
            Context { observer, folder: Arc::new(folder), monitor_program, limiter, rotation, reserve, down };
        Ok(Self { context: Arc::new(context), instances: Arc::default() })
    }

    /// What earlier daemons began and nobody has forgotten, the oldest first. What is [`crate::Found::Lost`] has
    /// been killed when this returns. Nothing is watched yet, and nothing reported.
    pub async fn discover(&self) -> Result<Vec<Discovered>> {
        let folder = &self.context.folder;
        let failed = |error| Error::io(format!("read the run folder `{}`", folder.path().display()), error);
        let look = |folder: &RunFolder| {
            if let Err(error) = folder.sweep(LEFT) {
                tracing::warn!(%error, "what killed writers left stays in the run folder");
            }
            folder.executions()
        };
        let executions = blocking(folder, look).await.map_err(failed)?;
        let mut looks = JoinSet::new();
        for execution in executions {
            let folder = Arc::clone(folder);
            looks.spawn(async move { (execution, discover(&folder, execution).await) });
        }
        let mut found = Vec::with_capacity(looks.len());
        for (execution, look) in looks.join_all().await {
            match look {
                Ok(discovered) => found.extend(discovered),
                // The others are there all the same.
                Err(error) => tracing::error!(%error, %execution, "what runs cannot be looked at"),
            }
        }
        found.sort_by_key(|discovered| discovered.execution);
        Ok(found)
    }

    /// Looks again at an execution that could not be looked at. `None` when nothing is known of it.
    pub async fn look_at(&self, execution: ExecutionId) -> Result<Option<Discovered>> {
        let failed = |error| Error::io(format!("look at the execution `{execution}`"), error);
        discover(&self.context.folder, execution).await.map_err(failed)
    }

    /// Goes on with what was discovered. A live process is watched, and nothing is reported until it changes or ends;
    /// an end is reported, and a service is started again by its rule. One that ended with its machine is started again
    /// whatever its rule says.
    pub async fn adopt(&self, discovered: Discovered, role: Role, care: Care) -> Result<()> {
        let instance = discovered.instance;
        self.ask(instance, |reply| Message::Adopt(Box::new(discovered), role, Box::new(care), reply)).await?
    }

    /// Goes on waiting for the moment at which an instance that was given up is tried again.
    pub async fn retry_at(&self, instance: InstanceId, at: Timestamp, history: RestartHistory) -> Result<()> {
        let history = history.tried_again();
        self.ask(instance, |reply| Message::StartAt(at, Trigger::Retry, history, reply)).await
    }

    /// Goes on waiting for the moment at which a service is started again, as it did under an earlier daemon.
    pub async fn restart_at(
        &self,
        instance: InstanceId,
        at: Timestamp,
        history: RestartHistory,
    ) -> Result<()> {
        self.ask(instance, |reply| Message::StartAt(at, Trigger::Restart, history, reply)).await
    }

    /// Calls off the start of an instance that is due, if there is one. What lives goes on.
    pub async fn forget_retry(&self, instance: InstanceId) -> Result<()> {
        if self.snapshot(instance).is_none() {
            return Ok(());
        }
        self.ask(instance, Message::ForgetRetry).await
    }

    /// Lets go of everything about an instance that is gone. What would still live of it is no longer watched.
    pub fn forget_instance(&self, instance: InstanceId) {
        // Its task ends with the last handle to it.
        self.instances().remove(&instance);
    }

    /// Cares for the live processes of an instance in another way from now on, and decides anew about a start that is
    /// due. What they were started with, their surroundings, stays as it was.
    pub async fn adjust(&self, instance: InstanceId, care: Care) -> Result<()> {
        // An instance that was never heard of has nothing that lives.
        if self.snapshot(instance).is_none() {
            return Ok(());
        }
        self.ask(instance, |reply| Message::Adjust(Box::new(care), reply)).await
    }

    /// Ends a process that no record of the layer above speaks of, with everything that it started, and forgets it.
    pub async fn end_stray(&self, stray: &Discovered) -> Result<()> {
        let (orders, received) = mpsc::unbounded_channel();
        if let Some(Written { terms, .. }) = &stray.written {
            let _ = orders.send(Order::Stop(
                terms.stop,
                Ending::Stopped { by: "Mantyx, which does not know it".into() },
            ));
            Watch::new(Arc::clone(&self.context), stray.execution, received, |_| ()).run().await;
        }
        self.forget(stray.execution).await
    }

    /// Removes what the run folder says about an execution that has ended, once the database has it. For ends that
    /// were reported the supervisor does it by itself.
    pub async fn forget(&self, execution: ExecutionId) -> Result<()> {
        self.context.forget(execution).await
    }

    /// Starts the service of an instance and keeps it running. Returns when its process is alive; when it is
    /// alive already, nothing is done. A process that cannot be started is an error here and an exit for the
    /// restart policy: it is reported, and then what follows from it. Past restarts no longer count.
    pub async fn start_service(&self, instance: InstanceId, trigger: Trigger) -> Result<()> {
        self.resume_service(instance, trigger, RestartHistory::default()).await
    }

    /// Starts a service as [`Self::start_service`] does, with what it has behind it.
    pub async fn resume_service(
        &self,
        instance: InstanceId,
        trigger: Trigger,
        history: RestartHistory,
    ) -> Result<()> {
        self.ask(instance, |reply| Message::StartService(trigger, history, reply)).await?
    }

    /// Starts one run of an instance, beside others that are going. Returns when its process is alive.
    pub async fn start_run(&self, instance: InstanceId, start: Start) -> Result<ExecutionId> {
        self.ask(instance, |reply| Message::StartRun(start, reply)).await?
    }

    /// Calls off a start that is due and stops every process of an instance. Returns when all of them are gone,
    /// with everything that they started, and this has been reported. It fails only while the supervisor goes
    /// down, which leaves every process alive.
    pub async fn stop(&self, instance: InstanceId, why: Ending) -> Result<()> {
        // An instance that was never heard of has nothing to stop.
        if self.snapshot(instance).is_none() {
            return Ok(());
        }
        self.ask(instance, |reply| Message::Stop(why, reply)).await
    }

    /// How many runs of an instance are alive.
    pub fn live_runs(&self, instance: InstanceId) -> u32 {
        self.snapshot(instance).map_or(0, |snapshot| snapshot.runs)
    }

    /// How the service of an instance stands; `None` when it neither runs nor waits for a restart.
    pub fn status(&self, instance: InstanceId) -> Option<ServiceStatus> {
        self.snapshot(instance)?.service
    }

    /// What this machine offers to hold processes to their limits.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        self.context.limiter.offer()
    }

    /// Stops watching, and leaves every process alive. What is being reported is reported first.
    pub async fn shutdown(&self) {
        self.context.down.send_replace(true);
        let instances = std::mem::take(&mut *self.instances());
        for (_, mailbox) in instances {
            let _ = mailbox.task.await;
        }
        self.context.reserve.dismiss(&self.context.limiter).await;
        self.context.limiter.release();
    }

    async fn ask<T>(
        &self,
        instance: InstanceId,
        message: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.sender(instance)?.send(message(reply)).map_err(|_| going_down())?;
        answer.await.map_err(|_| going_down())
    }

    /// The way to an instance, whose task begins with the first message.
    fn sender(&self, instance: InstanceId) -> Result<UnboundedSender<Message>> {
        let mut instances = self.instances();
        // Under the lock, so that no task begins behind the back of a shutdown.
        if *self.context.down.borrow() {
            return Err(going_down());
        }
        let mailbox = instances.entry(instance).or_insert_with(|| {
            let snapshot = Arc::default();
            let (sender, task) = Instance::spawn(instance, Arc::clone(&self.context), Arc::clone(&snapshot));
            Mailbox { sender, snapshot, task }
        });
        Ok(mailbox.sender.clone())
    }

    fn snapshot(&self, instance: InstanceId) -> Option<Snapshot> {
        let snapshot = Arc::clone(&self.instances().get(&instance)?.snapshot);
        Some(*snapshot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn instances(&self) -> std::sync::MutexGuard<'_, HashMap<InstanceId, Mailbox>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn going_down() -> Error {
    Error::new(Code::Unavailable, "Mantyx is shutting down").hint("Try again when it is back")
}
