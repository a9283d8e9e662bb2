//! Variables that are no settings: secrets, which have no place in a file that people copy, and what the command
//! line and apps are told.

/// A variable of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
}

macro_rules! variables {
    ($($(#[doc = $doc:literal])+ $constant:ident = $name:literal;)*) => {
        $($(#[doc = $doc])+ pub const $constant: &str = $name;)*

        /// All of them, in the order of the reference.
        pub const ALL: &[Variable] = &[$(Variable { name: $name, doc: concat!($($doc,)+).trim_ascii() },)*];
    };
}

variables! {
    /// The folder that holds everything, for the daemon and the command line; `--root` is stronger.
    ROOT = "MANTYX_ROOT";
    /// The owner's token, for the first start of a daemon that should not make one up.
    OWNER_TOKEN = "MANTYX_OWNER_TOKEN";
    /// The password of the user `admin`, set whenever the daemon starts.
    OWNER_PASSWORD = "MANTYX_OWNER_PASSWORD";
    /// Where the daemon is, for the command line; `--url` is stronger. Apps are told it too.
    URL = "MANTYX_URL";
    /// The token that the command line sends; `--token` is stronger.
    TOKEN = "MANTYX_TOKEN";
    /// The execution that a process belongs to. Mantyx tells it to apps and never reads it.
    EXECUTION_ID = "MANTYX_EXECUTION_ID";
}
