//! What stands around the caller's facts: which format this is, who wrote it, and when.

use chrono::{DateTime, Utc};
use mantyx_core::{Code, Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::MANTYX;

/// The format that this Mantyx writes, and the only one that it reads. It changes when an older Mantyx would read
/// something wrong, and not when it would only miss something.
pub(crate) const FORMAT: u32 = 1;

/// The first entry of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head<F> {
    /// In which way it is written.
    pub format: u32,
    /// The version of the Mantyx that wrote it.
    pub mantyx: String,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// What it is about.
    pub facts: F,
}

impl<F> Head<F> {
    pub(crate) fn new(made_at: DateTime<Utc>, facts: F) -> Self {
        Self { format: FORMAT, mantyx: MANTYX.to_owned(), made_at, facts }
    }
}

/// What can be read of every format.
#[derive(Deserialize)]
struct Envelope {
    format: u32,
    mantyx: String,
}

/// Reads what stands in an envelope. `what` is shown; what cannot be read has the code `damaged`.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], what: &str, damaged: Code) -> Result<T> {
    let unreadable = |error: serde_json::Error| {
        Error::new(damaged, format!("`{what}` cannot be read: {error}")).because(error)
    };
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(unreadable)?;
    if envelope.format != FORMAT {
        return Err(unknown(what, &envelope));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

fn unknown(what: &str, envelope: &Envelope) -> Error {
    let by: String = envelope.mantyx.chars().filter(|c| !c.is_control()).take(40).collect();
    let format = envelope.format;
    let detail =
        format!("`{what}` has the format {format} of Mantyx {by}; Mantyx {MANTYX} reads the format {FORMAT}");
    Error::new(Code::UnknownFormat, detail).hint(format!("Read it with Mantyx {by}, or a newer one"))
}
