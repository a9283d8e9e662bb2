//! The handle, and how a Mantyx comes up and goes down.

use std::sync::{Arc, Mutex};

use chrono::Utc;
use mantyx_api_types::{LiveMessage, ReconcileView, TokenView};
use mantyx_core::{Actor, Ending, Error, EventKind, InstanceId, Result, Subject, Timestamp};
use mantyx_logs::Rotation;
use mantyx_platform::folders;
use mantyx_platform::lock::FolderLock;
use mantyx_registry::tables::instances;
use mantyx_registry::{PortPool, Registry, Store};
use mantyx_scheduler::Scheduler;
use mantyx_settings::{Layout, Live, OnShutdown, Settings};
use mantyx_supervisor::{Limiter, Supervisor, SupervisorConfig};
use serde_json::json;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;

use crate::access::Access;
use crate::conductor::Conductor;
use crate::due::DueRunner;
use crate::hooks::Guesses;
use crate::host::HostMeter;
use crate::house::{self, House};
use crate::inquiry::Inquiries;
use crate::locks::AppLocks;
use crate::observation::Observation;
use crate::stops::Stops;
use crate::tracking::Following;
use crate::unclear::Unclear;
use crate::work::Cancellations;

/// A running Mantyx. Cloning it clones the handle.
#[derive(Clone)]
pub struct Mantyx {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    /// As they were at the start.
    pub(crate) settings: Settings,
    /// As they are now.
    pub(crate) live: Live,
    /// Marked as changed whenever one of them was changed.
    pub(crate) settings_changed: watch::Sender<()>,
    pub(crate) layout: Layout,
    pub(crate) house: Arc<House>,
    pub(crate) registry: Registry,
    pub(crate) supervisor: Supervisor,
    pub(crate) scheduler: Scheduler,
    pub(crate) due: DueRunner,
    /// Whether everything that was alive has been found.
    up: watch::Sender<bool>,
    pub(crate) access: Access,
    pub(crate) locks: AppLocks,
    pub(crate) cancellations: Cancellations,
    pub(crate) unclear: Unclear,
    pub(crate) stops: Stops,
    pub(crate) host: HostMeter,
    pub(crate) observation: Observation,
    /// What apps come from, and who looks at it.
    pub(crate) following: Following,
    pub(crate) inquiries: Inquiries,
    pub(crate) guesses: Guesses,
    /// Secrets are sealed one after the other: the first makes the key.
    pub(crate) sealing: tokio::sync::Mutex<()>,
    /// What the last look at everything found.
    pub(crate) reconciled: Mutex<Option<ReconcileView>>,
    pub(crate) started_at: Timestamp,
    /// Held for as long as this daemon lives, so that no second one shares the root.
    _lock: FolderLock,
}

/// Who asks, as far as the API could tell.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The token that was shown.
    pub token: TokenView,
    /// The address that the request came from.
    pub address: String,
}

impl Caller {
    /// The same for the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Token { name: self.token.name.clone(), address: self.address.clone() }
    }
}

/// How far the log of one execution may grow.
fn rotation(settings: &Settings) -> Rotation {
    let (segment_size, total_size) = (settings.log_segment_size, settings.log_execution_size);
    Rotation { segment_size, total_size, ..Rotation::default() }
}

impl Mantyx {
    /// Comes up: makes the folders, brings the database up to date, finds the processes that are alive, finishes or
    /// undoes what was interrupted, starts what should run, and arms the schedules.
    pub async fn open(settings: Settings) -> Result<Self> {
        let layout = settings.layout();
        prepare_folders(&layout)?;
        let lock = FolderLock::acquire(&layout.run().join("daemon.lock"))?;
        // Neither what it looks at nor the database has to wait for the other.
        let mark = house::mark(layout.root())?;
        let limiter = tokio::spawn(async move { Limiter::detect(&mark).await });
        let registry = Registry::new(Store::open(&layout.database())?);
        let access = Access::open(&registry, &layout).await?;
        let (resume, resumed) = mpsc::unbounded_channel();
        let house = Arc::new(House::new(&settings));
        let (unclear, stops) = (Unclear::default(), Stops::default());
        let conductor =
            Conductor::new(registry.clone(), Arc::clone(&house), resume, unclear.clone(), stops.clone());
        let config = SupervisorConfig {
            run_dir: layout.run(),
            monitor_program: settings.monitor_program()?,
            limiter: limiter.await.map_err(|error| Error::internal("see how limits are enforced", error))?,
            rotation: rotation(&settings),
        };
        let supervisor = Supervisor::new(config, Arc::new(conductor))?;
        let locks = AppLocks::default();
        let (up, is_up) = watch::channel(false);
        let due = DueRunner::new(registry.clone(), supervisor.clone(), locks.clone(), is_up);
        let scheduler = Scheduler::open(&layout.jobs(), Arc::new(due.clone())).await?;
        let live = Live::new(settings.clone());
        let settings_changed = watch::Sender::new(());
        let tell = settings_changed.clone();
        live.on_change(move |_| tell.send_replace(()));
        let inner = Inner {
            host: HostMeter::new(&settings.root)?,
            observation: Observation::new(),
            following: Following::default(),
            inquiries: Inquiries::default(),
            guesses: Guesses::default(),
            sealing: tokio::sync::Mutex::default(),
            live,
            settings_changed,
            settings,
            layout,
            house,
            registry,
            supervisor,
            scheduler,
            access,
            due,
            locks,
            up,
            cancellations: Cancellations::default(),
            unclear,
            stops,
            reconciled: Mutex::default(),
            started_at: Utc::now(),
            _lock: lock,
        };
        let mantyx = Self { inner: Arc::new(inner) };
        mantyx.come_up().await?;
        mantyx.spawn_resumer(resumed);
        Ok(mantyx)
    }

    async fn come_up(&self) -> Result<()> {
        self.refuse_backup_schedule(self.settings())?;
        if let Some(trouble) = self.app_user().await.trouble {
            tracing::warn!("{trouble}");
        }
        self.reconcile_at_boot().await?;
        self.inner.up.send_replace(true);
        self.spawn_host_meter();
        self.spawn_observation().await?;
        self.spawn_log_sweeper();
        self.spawn_retention();
        self.spawn_tracking()?;
        self.spawn_backups()?;
        self.spawn_reconcile();
        self.record_daemon(EventKind::DaemonStarted).await
    }

    /// Starts again what an earlier daemon had stopped for a restart, and what went down with the machine.
    fn spawn_resumer(&self, mut resumed: mpsc::UnboundedReceiver<InstanceId>) {
        let mantyx = self.clone();
        tokio::spawn(async move {
            while let Some(instance) = resumed.recv().await {
                if let Err(error) = mantyx.resume(instance).await {
                    tracing::error!(?error, %instance, "a restart could not be finished");
                }
            }
        });
    }

    /// Goes down: every app stays alive, unless the settings say otherwise, and the next start finds it again and
    /// settles the operations under way.
    pub async fn shutdown(&self) {
        self.inner.cancellations.go_down();
        self.inner.scheduler.shutdown().await;
        if self.settings().stop_apps_on_shutdown == OnShutdown::StopApps {
            self.stop_apps().await;
        }
        self.inner.supervisor.shutdown().await;
        self.flush_observation().await;
        if let Err(error) = self.record_daemon(EventKind::DaemonStopped).await {
            tracing::warn!(?error, "the end could not be recorded");
        }
    }

    /// Ends every process, each with its own grace and all at once. No state changes: nobody meant the apps, so the next
    /// start brings up what ran.
    async fn stop_apps(&self) {
        let instances = match self.registry().read(instances::ids).await {
            Ok(instances) => instances,
            Err(error) => {
                return tracing::error!(?error, "the apps to stop could not be listed; they stay alive");
            }
        };
        tracing::info!("every app is stopped");
        let mut stops = JoinSet::new();
        for instance in instances {
            let supervisor = self.inner.supervisor.clone();
            stops.spawn(async move { supervisor.stop(instance, Ending::ShutDown).await });
        }
        for stopped in stops.join_all().await {
            if let Err(error) = stopped {
                tracing::error!(?error, "an app was not stopped");
            }
        }
    }

    /// What this daemon was told.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Everything that changes from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<LiveMessage> {
        self.inner.registry.subscribe()
    }

    /// Is marked as changed whenever somebody may be let in no more. Who watches it is no listener.
    #[must_use]
    pub fn watch_credentials(&self) -> watch::Receiver<()> {
        self.inner.registry.watch_credentials()
    }

    /// Are marked as changed whenever an execution or an operation has begun, ended or changed. Who watches them is no
    /// listener.
    #[must_use]
    pub fn watch_work(&self) -> [watch::Receiver<()>; 2] {
        [self.inner.registry.watch_executions(), self.inner.registry.watch_operations()]
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    pub(crate) fn port_pool(&self) -> PortPool {
        self.inner.settings.port_pool_first..=self.inner.settings.port_pool_last
    }

    async fn record_daemon(&self, kind: EventKind) -> Result<()> {
        let version = env!("CARGO_PKG_VERSION");
        let subject = Subject { kind: "daemon".into(), id: "mantyx".into(), name: "Mantyx".into() };
        let payload = json!({ "version": version });
        self.registry().change(&Actor::Mantyx, move |change| change.record(kind, &subject, payload)).await
    }
}

/// The root itself may be walked through by apps; what holds secrets may not.
fn prepare_folders(layout: &Layout) -> Result<()> {
    for open in [layout.root().to_owned(), layout.apps(), layout.all_environments(), layout.cache()] {
        folders::create(&open, 0o755)?;
    }
    let private =
        [layout.config(), layout.data(), layout.all_logs(), layout.run(), layout.trash(), layout.uploads()];
    private.iter().try_for_each(|folder| folders::create(folder, 0o700))
}
