//! How Mantyx says no: one error type, one table of codes.
//!
//! An [`Error`] knows nothing of HTTP. Its [`Code`] is stable and belongs to a [`Kind`]; the API maps kinds to
//! status codes in one place. The cause that only the log may see is kept apart from what a person is told.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::lifecycle::AppEvent;

/// What every fallible function of Mantyx returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The family of a refusal, which decides how a protocol reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be read.
    Malformed,
    /// Nobody known is asking.
    Unauthenticated,
    /// Somebody known may not ask this.
    Forbidden,
    /// The thing is not there.
    NotFound,
    /// The thing is in a state that does not allow it.
    Conflict,
    /// The thing has changed since it was read.
    Stale,
    /// More bytes than the limit.
    TooLarge,
    /// A kind of content that is not understood.
    UnsupportedType,
    /// It can be read, but it is refused.
    Refused,
    /// Too often in too short a time.
    TooMany,
    /// A fault of Mantyx or its machine.
    Internal,
    /// Not now; later.
    Unavailable,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $kind:ident, $title:literal;)*) => {
        /// A stable name for each refusal.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that clients match on.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The family.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }

            /// A short title that is the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    /// The body or a parameter cannot be read.
    Malformed = "malformed", Malformed, "The request cannot be read";
    /// No credentials, or none that are known.
    Unauthenticated = "unauthenticated", Unauthenticated, "Log in first";
    /// A password or a code that is wrong or used up.
    WrongCredentials = "wrong_credentials", Unauthenticated, "These credentials are not right";
    /// The token's scope does not reach this far.
    Forbidden = "forbidden", Forbidden, "This token may not do that";
    /// The `Host` or `Origin` header is foreign.
    ForeignOrigin = "foreign_origin", Forbidden, "The request comes from a foreign place";
    /// What signs a webhook does not fit its secret.
    HookSignature = "hook_signature", Forbidden, "The signature is not right";
    /// No such thing.
    NotFound = "not_found", NotFound, "There is no such thing";
    /// The address exists, the method does not.
    MethodNotAllowed = "method_not_allowed", NotFound, "The address does not take this method";
    /// Not legal in this state.
    IllegalState = "illegal_state", Conflict, "Not possible in this state";
    /// Another operation has the app.
    OperationInProgress = "operation_in_progress", Conflict, "Another operation is under way";
    /// The name is in use.
    NameTaken = "name_taken", Conflict, "The name is taken";
    /// A port that somebody has.
    PortTaken = "port_taken", Conflict, "The port is taken";
    /// What can only be taken in by an empty Mantyx.
    NotEmpty = "not_empty", Conflict, "This Mantyx is not empty";
    /// The pool of ports is used up.
    NoFreePort = "no_free_port", Conflict, "No port is free";
    /// The operation cannot be cancelled any more.
    NotCancellable = "not_cancellable", Conflict, "The operation cannot be cancelled";
    /// An app could not be fetched without it.
    SecretInUse = "secret_in_use", Conflict, "The secret is in use";
    /// A due instant has its execution already.
    AlreadyClaimed = "already_claimed", Conflict, "The run is there already";
    /// `If-Match` does not match.
    Stale = "stale", Stale, "It has changed in the meantime";
    /// An upload beyond the limit.
    UploadTooLarge = "upload_too_large", TooLarge, "The upload is too large";
    /// A body of a type that is not understood.
    UnsupportedType = "unsupported_type", UnsupportedType, "This type of content is not understood";
    /// One or more fields are not right.
    Invalid = "invalid", Refused, "Some fields are not right";
    /// The name of the thing was not repeated.
    ConfirmationRequired = "confirmation_required", Refused, "Say the name to confirm";
    /// Neither zip nor tar, by content.
    NotAnArchive = "not_an_archive", Refused, "This is not an archive";
    /// No entries.
    ArchiveEmpty = "archive_empty", Refused, "The archive is empty";
    /// It ends too early or does not decode.
    ArchiveCorrupt = "archive_corrupt", Refused, "The archive is damaged";
    /// An entry needs a password.
    ArchiveEncrypted = "archive_encrypted", Refused, "The archive is encrypted";
    /// A compression method that is not built in.
    ArchiveCompression = "archive_compression", Refused, "The archive is compressed in an unknown way";
    /// A `..` part.
    EntryTraversal = "entry_traversal", Refused, "An entry leaves the archive";
    /// A path from a root or a drive.
    EntryAbsolute = "entry_absolute", Refused, "An entry has an absolute path";
    /// A name that cannot be kept: control characters, reserved names, not UTF-8, too long.
    EntryName = "entry_name", Refused, "An entry has a name that is not allowed";
    /// A symbolic link out of the tree.
    EntrySymlink = "entry_symlink", Refused, "A symbolic link leaves the archive";
    /// A hard link out of the tree.
    EntryHardlink = "entry_hardlink", Refused, "A hard link leaves the archive";
    /// A device, a FIFO or a socket.
    EntrySpecial = "entry_special", Refused, "An entry is not a file, a folder or a link";
    /// setuid, setgid.
    EntrySetuid = "entry_setuid", Refused, "An entry has a setuid bit";
    /// Twice the same path.
    EntryDuplicate = "entry_duplicate", Refused, "An entry is there twice";
    /// Two paths that differ by case only.
    EntryCaseCollision = "entry_case_collision", Refused, "Two entries differ only by case";
    /// One file is too large.
    EntryTooLarge = "entry_too_large", Refused, "An entry is too large";
    /// All files together are too large.
    TooManyBytes = "too_many_bytes", Refused, "The archive unpacks to too much";
    /// Too many entries.
    TooManyEntries = "too_many_entries", Refused, "The archive has too many entries";
    /// A compression ratio that no source has.
    CompressionRatio = "compression_ratio", Refused, "The archive is compressed too well to be true";
    /// It does not begin as an export of Mantyx does.
    NotAnExport = "not_an_export", Refused, "This is not an export of Mantyx";
    /// A format that only another Mantyx knows.
    UnknownFormat = "unknown_format", Refused, "Another Mantyx wrote this";
    /// Its files are not what they were when it was made.
    BackupDamaged = "backup_damaged", Refused, "The backup is damaged";
    /// Nothing to start.
    NoEntrypoint = "no_entrypoint", Refused, "There is nothing to start";
    /// The chosen entrypoint is not there.
    EntrypointMissing = "entrypoint_missing", Refused, "The entrypoint is not there";
    /// Not UTF-8, or not Python.
    NotAScript = "not_a_script", Refused, "This is not a Python script";
    /// A git address of a form that is not allowed.
    GitAddress = "git_address", Refused, "This git address is not allowed";
    /// The git remote does not answer or says no.
    GitRemote = "git_remote", Refused, "The git repository cannot be read";
    /// The git remote asks for credentials, or does not take those that it was given.
    GitAuth = "git_auth", Refused, "The git repository is not open to these credentials";
    /// The key that it is sealed under is gone or another one.
    SecretUnreadable = "secret_unreadable", Refused, "The secret cannot be opened";
    /// No such branch, tag or commit.
    GitReference = "git_reference", Refused, "There is no such branch, tag or commit";
    /// No such folder in the repository.
    GitSubdir = "git_subdir", Refused, "There is no such folder in the repository";
    /// Only uv can read this lock.
    NeedsUv = "needs_uv", Refused, "Only uv can read this lock file";
    /// No Python that fits.
    NoPython = "no_python", Refused, "No suitable Python was found";
    /// It did not become healthy in its start period.
    Unhealthy = "unhealthy", Refused, "The app did not become healthy";
    /// A requirement could not be installed.
    InstallFailed = "install_failed", Refused, "The installation failed";
    /// It took longer than allowed.
    TimedOut = "timed_out", Refused, "It took too long";
    /// Somebody called it off.
    Cancelled = "cancelled", Refused, "It was cancelled";
    /// The daemon ended in the middle.
    Interrupted = "interrupted", Refused, "It was interrupted";
    /// The process could not be started.
    StartFailed = "start_failed", Refused, "The app could not be started";
    /// A cron line or interval that says no time.
    InvalidSchedule = "invalid_schedule", Refused, "This is not a schedule";
    /// Too many wrong passwords.
    SlowDown = "slow_down", TooMany, "Too many attempts";
    /// A fault of ours.
    Internal = "internal", Internal, "Something went wrong inside Mantyx";
    /// No room.
    DiskFull = "disk_full", Unavailable, "The disk is full";
    /// The database is locked, the daemon is going down.
    Unavailable = "unavailable", Unavailable, "Not available at the moment";
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// The field's name, with `.` between levels.
    pub field: String,
    /// What is wrong with it, as a sentence.
    pub detail: String,
}

/// A refusal or a fault: what failed, on what, and what to do about it.
pub struct Error(Box<Inner>);

struct Inner {
    code: Code,
    detail: String,
    hint: Option<String>,
    entry: Option<String>,
    fields: Vec<FieldError>,
    legal_events: Vec<AppEvent>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A refusal with what failed, on what, and why: one sentence.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            detail: detail.into(),
            hint: None,
            entry: None,
            fields: Vec::new(),
            legal_events: Vec::new(),
            source: None,
        }))
    }

    /// A fault of ours: the cause goes to the log, `doing` says what was attempted.
    #[must_use]
    pub fn internal(
        doing: impl fmt::Display,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::new(Code::Internal, format!("Could not {doing}")).because(source)
    }

    /// A fault while reading or writing: no room is said as such, everything else is internal.
    #[must_use]
    pub fn io(doing: impl fmt::Display, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::new(Code::DiskFull, format!("Could not {doing}: no space is left"))
                    .hint("Free some space and try again")
                    .because(source)
            }
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Self::new(Code::Internal, format!("Could not {doing}: {}", plain(source.kind())))
                    .hint("May the user that Mantyx runs as write there?")
                    .because(source)
            }
            _ => Self::internal(doing, source),
        }
    }

    /// One field is not right.
    #[must_use]
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let error = FieldError { field: field.into(), detail: detail.into() };
        Self::fields(vec![error])
    }

    /// Some fields are not right.
    #[must_use]
    pub fn fields(fields: Vec<FieldError>) -> Self {
        let names: Vec<&str> = fields.iter().map(|f| f.field.as_str()).collect();
        let mut error = Self::new(Code::Invalid, format!("Not accepted: {}", names.join(", ")));
        error.0.fields = fields;
        error
    }

    /// No such thing: `what` names its kind, `which` the one that was asked for.
    #[must_use]
    pub fn not_found(what: &str, which: impl fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("There is no {what} `{which}`"))
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Names a field of the request that it is about. The code stays as it is.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.fields.push(FieldError { field: field.into(), detail: detail.into() });
        self
    }

    /// Names the entry of an archive that it is about.
    #[must_use]
    pub fn entry(mut self, entry: impl Into<String>) -> Self {
        self.0.entry = Some(entry.into());
        self
    }

    /// Lists what would be legal instead.
    #[must_use]
    pub fn legal_events(mut self, events: Vec<AppEvent>) -> Self {
        self.0.legal_events = events;
        self
    }

    /// Keeps the cause, for the log alone.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The stable name of the refusal.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What failed, on what, and why.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What to do about it.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The entry of an archive that it is about.
    pub fn entry_name(&self) -> Option<&str> {
        self.0.entry.as_deref()
    }

    /// Field by field.
    pub fn field_errors(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// What would be legal instead.
    pub fn legal(&self) -> &[AppEvent] {
        &self.0.legal_events
    }
}

/// What a person may know of the machine's refusal.
fn plain(kind: std::io::ErrorKind) -> &'static str {
    match kind {
        std::io::ErrorKind::ReadOnlyFilesystem => "the disk is read-only",
        _ => "permission denied",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.detail)?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_travel_as_their_text() {
        let texts: HashSet<&str> = Code::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn a_full_disk_is_said_as_such() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(Error::io("write the lock", full).code(), Code::DiskFull);
    }
}
