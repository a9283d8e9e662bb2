//! What is to be told to the kernel for one execution, as a value: it travels to the monitor and is recorded there.

use std::path::PathBuf;

use mantyx_core::{ConfinementId, LimitMechanism};
use serde::{Deserialize, Serialize};

/// Everything that holds one execution to its limits. The default holds it to none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Confinement {
    /// By what means.
    pub mechanism: LimitMechanism,
    /// The groups that all processes of the execution are in.
    pub groups: Vec<Group>,
    /// The scope that systemd makes for it, before the monitor is given its launch.
    pub scope: Option<SystemdScope>,
    /// What each single process is held to.
    pub process_limits: Vec<ProcessLimit>,
    /// Niceness of its processes (nice(2)).
    pub nice: Option<i8>,
    /// The score that they begin with (proc(5), `oom_score_adj`).
    pub oom_score: Option<i16>,
    /// What this machine cannot hold the app to: a sentence each.
    pub warnings: Vec<String>,
}

impl Confinement {
    /// The id that it was planned with; none where it has no group, or one of systemd.
    #[must_use]
    pub fn id(&self) -> Option<ConfinementId> {
        self.groups.first()?.path.file_name()?.to_str()?.parse().ok()
    }

    /// The same groups, and nothing else: they hold nobody to anything yet.
    #[must_use]
    pub fn bare(&self) -> Self {
        let empty = |group: &Group| Group { settings: Vec::new(), ..group.clone() };
        Self {
            mechanism: self.mechanism,
            groups: self.groups.iter().map(empty).collect(),
            scope: self.scope.clone(),
            ..Self::default()
        }
    }
}

impl Default for Confinement {
    fn default() -> Self {
        Self {
            mechanism: LimitMechanism::Rlimits,
            groups: Vec::new(),
            scope: None,
            process_limits: Vec::new(),
            nice: None,
            oom_score: None,
            warnings: Vec::new(),
        }
    }
}

/// One folder in a hierarchy of control groups (cgroups(7)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The folder.
    pub path: PathBuf,
    /// Who makes it and removes it.
    pub keeper: Keeper,
    /// What is written into its files, in this order.
    pub settings: Vec<Setting>,
}

/// Who makes a group and removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeper {
    /// The monitor; nobody but the app is in it.
    Mantyx,
    /// Systemd, with its scope; the monitor is in it too.
    Systemd,
}

/// One value for one file of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The name of the file, such as `memory.max`.
    pub file: String,
    /// What is written.
    pub value: String,
}

/// A transient scope of systemd (org.freedesktop.systemd1(5)). What is not given is without limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemdScope {
    /// The name of the unit.
    pub unit: String,
    /// The slice that it lies in.
    pub slice: String,
    /// What a person sees in `systemctl status`.
    pub description: String,
    /// `MemoryMax`, in bytes. Where it is given, there is no swap.
    pub memory: Option<u64>,
    /// `CPUQuotaPerSecUSec`: microseconds of processor time in each second.
    pub cpu: Option<u64>,
    /// `CPUWeight`, from 1 to 10000.
    pub weight: u64,
    /// `TasksMax`, the threads of the monitor included.
    pub tasks: Option<u64>,
}

/// A limit of each single process (setrlimit(2)). None is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLimit {
    /// Of what.
    pub resource: Resource,
    /// What is enforced.
    pub soft: Option<u64>,
    /// How far a process may raise it by itself.
    pub hard: Option<u64>,
}

/// What a process can be limited in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Open files (`RLIMIT_NOFILE`).
    OpenFiles,
    /// Bytes of heap and private writable memory (`RLIMIT_DATA`).
    Data,
}

impl Setting {
    pub(crate) fn new(file: &str, value: impl ToString) -> Self {
        Self { file: file.to_owned(), value: value.to_string() }
    }
}
