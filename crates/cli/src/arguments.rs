//! What can be typed.

use std::num::NonZeroUsize;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use clap_complete::Shell;
use mantyx_core::{AppName, ExecutionId};

use crate::connection::Connection;
use crate::values::{ScopeChoice, StreamChoice, TypeChoice, seconds};

pub(crate) use self::backups::{BackupArgs, BackupCommand};
pub(crate) use self::configuration::{ConfigurationArgs, SetArgs};
pub(crate) use self::data::{DataArgs, DataCommand};
pub(crate) use self::git::GitArgs;
pub(crate) use self::releases::{
    CatArgs, DependenciesArgs, DiffArgs, ReleasesArgs, RenameArgs, RollbackArgs, UpdateArgs,
};
pub(crate) use self::schedules::{ScheduleAddArgs, ScheduleArgs, ScheduleCommand, ScheduleSetArgs};
pub(crate) use self::secrets::{SecretArgs, SecretCommand, SecretSetArgs};
pub(crate) use self::settings::{SettingsArgs, SettingsCommand};
pub(crate) use self::tracking::{HookArgs, HookCommand, TrackArgs};
pub(crate) use self::transfer::{ExportArgs, ImportArgs};

mod backups;
mod configuration;
mod data;
mod git;
mod releases;
mod schedules;
mod secrets;
mod settings;
mod tracking;
mod transfer;

/// A whole command line for a running Mantyx: where it is may stand before the command or behind it.
// Without words of its own the program would introduce itself by those above.
#[derive(Clone, Debug, Args)]
#[command(about = "The control plane for Python on one machine", long_about = None)]
pub struct Invocation {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: ClientCommand,
}

/// A command for a running Mantyx.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Deploy a folder, a script, an archive or a git repository as a new app
    Deploy(Box<DeployArgs>),
    /// Take new code into use as a new release; when that fails, everything is as it was
    Update(Box<UpdateArgs>),
    /// Take an earlier release into use again
    Rollback(RollbackArgs),
    /// List apps
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Show an app
    Status(AppArgs),
    /// Show what is set about an app
    Config(AppArgs),
    /// Change what is set about an app
    Set(SetArgs),
    /// Give an app another name
    Rename(RenameArgs),
    /// Print or follow the log of an app
    Logs(LogsArgs),
    /// Build the environment of an app
    Install(AppArgs),
    /// Let an app run: arm its schedules, or start it
    Enable(AppArgs),
    /// Switch an app off
    Disable(AppArgs),
    /// Start a perpetual app
    Start(AppArgs),
    /// Stop an app
    Stop(AppArgs),
    /// Restart a perpetual app
    Restart(AppArgs),
    /// Run a scheduled app once, now
    Run(AppArgs),
    /// List the executions of an app, the newest first
    Executions(ExecutionsArgs),
    /// List the releases of an app, or the files of one
    Releases(ReleasesArgs),
    /// Show what changed from one release to another
    Diff(DiffArgs),
    /// Print a file of a release
    Cat(CatArgs),
    /// List the packages of an app
    Dependencies(DependenciesArgs),
    /// List, fetch, write and remove the own files of an app
    Data(DataArgs),
    /// Make, list, restore and remove backups
    Backup(BackupArgs),
    /// Fetch all of Mantyx as one file
    Export(ExportArgs),
    /// Take all of another Mantyx from a file; only an empty one does
    Import(ImportArgs),
    /// Show or change how the git repository of an app is followed
    Track(TrackArgs),
    /// Make and remove the webhook by which a forge says that somebody has pushed
    Hook(HookArgs),
    /// List, set and remove what opens private repositories
    Secret(SecretArgs),
    /// List and change schedules
    Schedule(ScheduleArgs),
    /// Move an app to the trash
    Rm(RemoveArgs),
    /// List, restore and purge deleted apps
    Trash(TrashArgs),
    /// List and change the settings of Mantyx
    Settings(SettingsArgs),
    /// Hold what is there against what should be, and put right what can be put right
    Reconcile,
    /// Make, list and revoke access tokens
    Token(TokenArgs),
    /// Set the password of `admin`, read from standard input
    Password,
    /// Print a link that logs a browser in, once
    LoginLink,
    /// Print completions for a shell
    Completions(CompletionsArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AppArgs {
    /// The app's name
    pub(crate) app: AppName,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DeployArgs {
    /// A folder, a `.py` file, an archive, or the address of a git repository
    pub(crate) source: String,
    /// The app's name
    #[arg(long)]
    pub(crate) name: Option<AppName>,
    /// A name for people
    #[arg(long)]
    pub(crate) display_name: Option<String>,
    /// What it is for
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// A word to group by; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Whether it runs by schedules or always
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(crate) app_type: Option<TypeChoice>,
    /// A cron line such as `30 8 * * 1-5`
    #[arg(long, value_name = "CRON")]
    pub(crate) schedule: Option<String>,
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArgs,
    #[command(flatten)]
    pub(crate) git: GitArgs,
    /// Install it and leave it at that
    #[arg(long)]
    pub(crate) no_enable: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ListArgs {
    /// Only apps with this tag
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Only apps of this type
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(crate) app_type: Option<TypeChoice>,
    /// Only apps that have this text in a name or the description
    #[arg(long)]
    pub(crate) text: Option<String>,
}

#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct LogsArgs {
    /// The app's name
    pub(crate) app: AppName,
    /// Go on with new lines as they come
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How many lines of the past to begin with, 100000 at most
    #[arg(short = 'n', long, default_value_t = 100, value_name = "LINES")]
    pub(crate) tail: usize,
    /// Only lines of this execution
    #[arg(long, value_name = "ID")]
    pub(crate) execution: Option<ExecutionId>,
    /// Only lines of this stream
    #[arg(long, value_enum)]
    pub(crate) stream: Option<StreamChoice>,
    /// Only lines from this instant on (RFC 3339)
    #[arg(long, value_name = "INSTANT")]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Only lines before this instant (RFC 3339)
    #[arg(long, value_name = "INSTANT")]
    pub(crate) until: Option<DateTime<Utc>>,
    /// Only lines that contain this text
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) grep: Option<String>,
    /// Take the text of --grep as a regular expression
    #[arg(long, requires = "grep")]
    pub(crate) regex: bool,
    /// Let --grep find small and capital letters alike
    #[arg(short, long, requires = "grep")]
    pub(crate) ignore_case: bool,
    /// Print the time before each line
    #[arg(short, long)]
    pub(crate) timestamps: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ExecutionsArgs {
    /// The app's name; all apps when not given
    pub(crate) app: Option<AppName>,
    /// How many
    #[arg(short = 'n', long, default_value = "20", value_name = "COUNT")]
    pub(crate) limit: NonZeroUsize,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The app's name
    pub(crate) app: AppName,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Remove it for good instead of moving it to the trash
    #[arg(long)]
    pub(crate) permanent: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TrashArgs {
    #[command(subcommand)]
    pub(crate) command: TrashCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TrashCommand {
    /// List deleted apps
    Ls,
    /// Bring an app back
    Restore {
        /// The name that it had, or its id
        app: String,
        /// Another name for it
        #[arg(long)]
        name: Option<AppName>,
    },
    /// Remove an app for good
    Purge {
        /// The name that it had, or its id
        app: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print its secret, this once
    Create {
        /// What people call it
        name: String,
        /// How far it reaches
        #[arg(long, value_enum, default_value_t = ScopeChoice::Operate)]
        scope: ScopeChoice,
        /// When it ends, such as `30d`; never when not given
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        expires_in: Option<u64>,
    },
    /// List tokens
    Ls,
    /// Revoke a token
    Revoke {
        /// Its name, or its id
        token: String,
    },
}

#[cfg(test)]
mod tests;
