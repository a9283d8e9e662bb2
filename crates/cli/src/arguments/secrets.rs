//! What can be typed about secrets. What one holds is never typed: what is typed stands in the history of a shell, and in
//! the list of processes.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mantyx_core::SecretName;

use crate::values::SecretChoice;

#[derive(Clone, Debug, Args)]
pub(crate) struct SecretArgs {
    #[command(subcommand)]
    pub(crate) command: SecretCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// List secrets, without what they hold
    Ls,
    /// Make a secret, or replace all of it. What it holds is asked for, or read from a file or standard input
    Set(SecretSetArgs),
    /// Remove a secret that no app uses
    Rm {
        /// The secret's name
        name: SecretName,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SecretSetArgs {
    /// The secret's name
    pub(crate) name: SecretName,
    /// What it is
    #[arg(long, value_enum)]
    pub(crate) kind: SecretChoice,
    /// Read what it holds from this file
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// The only host that it is sent to, such as `github.com`. A token needs one; without it a key opens any host
    #[arg(long, required_if_eq("kind", "token"))]
    pub(crate) host: Option<String>,
    /// In whose name a token is given. Hosts mostly do not ask
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Ask for what the private key of --file is encrypted with
    #[arg(long, requires = "file")]
    pub(crate) passphrase: bool,
}
