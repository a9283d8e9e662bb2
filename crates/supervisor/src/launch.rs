//! How a process begins: a monitor is started and says how it went.

use std::time::Duration;

use mantyx_core::InstanceId;
use mantyx_limits as limits;
use mantyx_monitor::{Launch, MainProcess, Message, Output, Plan, VERSION};
use mantyx_platform::process;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use crate::command::Command;
use crate::context::Context;
use crate::ended::Ended;
use crate::tree;

/// A monitor needs a few milliseconds. One that needs this long will never answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a launch went.
pub(crate) enum Launched {
    /// The process is alive. What of the launch could not be done as it was said comes with it, as sentences.
    Alive(MainProcess, Vec<String>),
    /// There is none, and nothing is left of the attempt.
    Failed(Ended),
}

/// Starts a process under a monitor of its own.
pub(crate) async fn launch(context: &Context, instance: InstanceId, command: &Command) -> Launched {
    let mut monitor = match start_monitor(context, instance, command) {
        Ok(monitor) => monitor,
        Err(reason) => return Launched::Failed(Ended::start_failed(reason)),
    };
    match answer(&mut monitor).await {
        Some(Message::Started { main, warnings }) => {
            collect(monitor);
            Launched::Alive(main, warnings)
        }
        Some(Message::Exited { record }) => {
            collect(monitor);
            Launched::Failed(Ended::from(*record))
        }
        Some(Message::Refused { reason }) => fail(context, command, monitor, &reason).await,
        _ => fail(context, command, monitor, "The monitor ended before it had started the app").await,
    }
}

fn start_monitor(context: &Context, instance: InstanceId, command: &Command) -> Result<Child, String> {
    let launch = Launch {
        version: VERSION,
        plan: plan(context, instance, command),
        environment: command.care.surroundings.environment.clone(),
        run_folder: context.folder.path().to_owned(),
    };
    let text =
        serde_json::to_vec(&launch).map_err(|error| format!("The launch cannot be written: {error}"))?;
    process::Command::new(&context.monitor_program)
        // For people who look at the list of processes; the monitor reads no arguments.
        .arg(command.execution.to_string())
        .input(text)
        .start(process::Output::Pipe, process::Output::Nothing)
        .map_err(|error| error.detail().to_owned())
}

fn plan(context: &Context, instance: InstanceId, command: &Command) -> Plan {
    Plan {
        execution: command.execution,
        instance,
        app: command.app,
        program: command.program.clone(),
        arguments: command.arguments.clone(),
        directory: command.care.surroundings.directory.clone(),
        log: command.log.clone(),
        stop: command.care.stop(),
        output: Output::Pipes,
        identity: command.care.surroundings.identity.clone(),
        deadlines: command.care.deadlines(),
        confinement: Some(limits::plan(&command.care.limits, &context.offer, command.execution)),
        rotation: context.rotation,
    }
}

/// The one line that a monitor says to whoever started it.
async fn answer(monitor: &mut Child) -> Option<Message> {
    let mut line = String::new();
    let mut output = BufReader::new(monitor.stdout.take()?);
    timeout(PATIENCE, output.read_line(&mut line)).await.ok()?.ok()?;
    serde_json::from_str(&line).ok()
}

/// Leaves nothing behind that might still come to life.
async fn fail(context: &Context, command: &Command, mut monitor: Child, reason: &str) -> Launched {
    let _ = monitor.kill().await;
    tree::end(&context.folder, command.execution).await;
    Launched::Failed(Ended::start_failed(reason))
}

/// Waits for a monitor when its time comes, so that no entry of it stays in the table of processes.
fn collect(mut monitor: Child) {
    tokio::spawn(async move { monitor.wait().await });
}
