//! What each command does.

mod access;
mod apps;
mod backups;
mod configure;
mod data;
mod dependencies;
mod deploy;
mod logs;
mod operation;
mod reconcile;
mod releases;
mod schedules;
mod secrets;
mod settings;
mod steps;
mod tracking;
mod transfer;
mod trash;
mod update;
mod upload;

use clap::Command;

use crate::arguments::{ClientCommand, CompletionsArgs, Invocation};
use crate::client::Client;
use crate::connection::Connection;
use crate::failure::Result;
use crate::output::Output;

/// What every command works with.
struct Session {
    client: Client,
    output: Output,
}

impl Session {
    fn open(connection: Connection) -> Result<Self> {
        let connection = connection.or_from(|name| std::env::var(name).ok());
        Ok(Self { client: Client::new(&connection)?, output: Output::new(connection.json) })
    }
}

pub(crate) async fn run(invocation: Invocation, program: Command) -> Result<()> {
    let Invocation { connection, command } = invocation;
    if let ClientCommand::Completions(what) = &command {
        return completions(what, program);
    }
    let session = Session::open(connection)?;
    match command {
        ClientCommand::Deploy(what) => deploy::deploy(*what, session).await,
        ClientCommand::Update(what) => update::update(*what, session).await,
        ClientCommand::Rollback(what) => update::rollback(what, session).await,
        ClientCommand::Ls(what) => apps::list(what, session).await,
        ClientCommand::Status(what) => apps::status(what, session).await,
        ClientCommand::Config(what) => configure::show(what, session).await,
        ClientCommand::Set(what) => configure::set(what, session).await,
        ClientCommand::Rename(what) => apps::rename(what, session).await,
        ClientCommand::Logs(what) => logs::logs(what, session).await,
        ClientCommand::Install(what) => apps::install(what, session).await,
        ClientCommand::Enable(what) => apps::event("enable", what, session).await,
        ClientCommand::Disable(what) => apps::event("disable", what, session).await,
        ClientCommand::Start(what) => apps::event("start", what, session).await,
        ClientCommand::Stop(what) => apps::event("stop", what, session).await,
        ClientCommand::Restart(what) => apps::event("restart", what, session).await,
        ClientCommand::Run(what) => apps::run(what, session).await,
        ClientCommand::Executions(what) => apps::executions(what, session).await,
        ClientCommand::Releases(what) => releases::list(what, session).await,
        ClientCommand::Diff(what) => releases::diff(what, session).await,
        ClientCommand::Cat(what) => releases::cat(what, session).await,
        ClientCommand::Dependencies(what) => dependencies::list(what, session).await,
        ClientCommand::Data(what) => data::run(what, session).await,
        ClientCommand::Backup(what) => backups::run(what, session).await,
        ClientCommand::Export(what) => transfer::export(what, session).await,
        ClientCommand::Import(what) => transfer::import(what, session).await,
        ClientCommand::Track(what) => tracking::track(what, session).await,
        ClientCommand::Hook(what) => tracking::hook(what, session).await,
        ClientCommand::Secret(what) => secrets::run(what, session).await,
        ClientCommand::Schedule(what) => schedules::run(what, session).await,
        ClientCommand::Rm(what) => apps::remove(what, session).await,
        ClientCommand::Trash(what) => trash::run(what, session).await,
        ClientCommand::Settings(what) => settings::run(what, session).await,
        ClientCommand::Reconcile => reconcile::run(session).await,
        ClientCommand::Token(what) => access::token(what, session).await,
        ClientCommand::Password => access::password(session).await,
        ClientCommand::LoginLink => access::login_link(session).await,
        // Needs no daemon, and was answered above.
        ClientCommand::Completions(_) => Ok(()),
    }
}

fn completions(arguments: &CompletionsArgs, mut program: Command) -> Result<()> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, name, &mut script);
    Ok(std::io::Write::write_all(&mut std::io::stdout(), &script)?)
}
