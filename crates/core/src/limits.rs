//! What an app may use of the machine, and as whom it runs.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::FieldError;

mod amount;
#[cfg(test)]
mod tests;

/// More than any app needs that does not go astray, and few enough for every machine.
const PROCESSES: u32 = 4096;

/// The smallest memory in which a Python can begin.
const LEAST_MEMORY: u64 = 16 << 20;

/// What an app may use. What is not given, or null, is the default: no limit, but for processes. `unlimited` says of
/// memory, processors, processes and open files that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of memory, of everything that the app started together. A text such as `256 MiB` is read as well.
    #[serde(deserialize_with = "amount::bytes")]
    pub memory: Option<u64>,
    /// Processors, such as 0.5 or 2.
    #[serde(deserialize_with = "amount::or_unlimited")]
    pub cpu: Option<Cores>,
    /// Processes and threads, of everything that the app started together; 4096 when not given, so that a fork bomb
    /// ends.
    #[serde(with = "amount::processes")]
    #[cfg_attr(feature = "openapi", schema(schema_with = amount::processes::schema))]
    pub processes: Option<u32>,
    /// Files that one process may have open; what the machine gives a process when there is no limit.
    #[serde(deserialize_with = "amount::or_unlimited")]
    pub open_files: Option<u32>,
    /// Niceness, from -20 to 19; the higher, the more it gives way to others (nice(2)). Below 0 needs the scope
    /// `admin`.
    pub nice: Option<i8>,
    /// What is added to its score when the machine is out of memory, from -1000 to 1000; the higher, the sooner it is
    /// the one that ends (proc(5), `oom_score_adj`). Below 0 needs the scope `admin`.
    pub oom_score: Option<i16>,
}

/// A number of processors, kept in thousandths so that two of them can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cores(u32);

impl Cores {
    /// So many thousandths of a processor.
    #[must_use]
    pub const fn from_thousandths(thousandths: u32) -> Self {
        Self(thousandths)
    }

    /// Thousandths of a processor.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// Processors.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

impl Serialize for Cores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}

impl<'de> Deserialize<'de> for Cores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cores = f64::deserialize(deserializer)?;
        if !(0.01..=4096.0).contains(&cores) {
            return Err(serde::de::Error::custom("a number of processors goes from 0.01 to 4096"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
        Ok(Self((cores * 1000.0).round() as u32))
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Cores {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        f64::schema()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Cores {}

impl Default for Limits {
    fn default() -> Self {
        Self { processes: Some(PROCESSES), ..Self::NONE }
    }
}

impl Limits {
    /// No limit at all.
    pub const NONE: Self =
        Self { memory: None, cpu: None, processes: None, open_files: None, nice: None, oom_score: None };

    /// What types alone cannot say.
    pub(crate) fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, detail: &str| {
            errors.push(FieldError { field: format!("limits.{field}"), detail: detail.to_owned() });
        };
        if self.memory.is_some_and(|bytes| !(LEAST_MEMORY..=1 << 50).contains(&bytes)) {
            wrong("memory", "A Python needs at least 16 MiB; the number is in bytes");
        }
        if self.processes.is_some_and(|count| count == 0 || count > 4_194_304) {
            wrong("processes", "It goes from 1 to 4194304");
        }
        if self.open_files.is_some_and(|count| !(16..=1_073_741_816).contains(&count)) {
            wrong("open_files", "An app needs at least 16 open files");
        }
        if self.nice.is_some_and(|nice| !(-20..=19).contains(&nice)) {
            wrong("nice", "Niceness goes from -20 to 19");
        }
        if self.oom_score.is_some_and(|score| !(-1000..=1000).contains(&score)) {
            wrong("oom_score", "It goes from -1000 to 1000");
        }
        errors
    }
}

/// By what means the kernel holds an app to its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LimitMechanism {
    /// A transient scope of systemd for each execution.
    Systemd,
    /// Control groups of version 2, used directly.
    CgroupV2,
    /// Control groups of version 1, used directly.
    CgroupV1,
    /// Limits of single processes only (setrlimit(2)).
    Rlimits,
}

impl LimitMechanism {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::CgroupV2 => "cgroup_v2",
            Self::CgroupV1 => "cgroup_v1",
            Self::Rlimits => "rlimits",
        }
    }
}

/// As whom a process runs: numbers, because names are looked up once, by whoever starts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// The name of the user, for `USER`, `LOGNAME` and messages.
    pub name: String,
}

/// Whether a text can be the name of a user or a group (useradd(8)).
#[must_use]
pub fn is_account_name(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    first && name.len() <= 32 && characters.all(|c| c.is_ascii_alphanumeric() || "_-.$".contains(c))
}
