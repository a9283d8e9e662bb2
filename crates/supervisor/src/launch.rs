//! How a process begins: a monitor is started and says how it went.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mantyx_core::{ConfinementId, InstanceId};
use mantyx_limits::Confinement;
use mantyx_monitor::{Launch, MainProcess, Message, Output, Plan, Record, VERSION};
use mantyx_platform::process;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use crate::command::Command;
use crate::context::{Context, blocking};
use crate::ended::Ended;
use crate::standby::Ready;
use crate::tree;

/// A monitor needs a few milliseconds. One that needs this long will never answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a launch went.
pub(crate) enum Launched {
    /// The process is alive.
    Alive(Started),
    /// There is none, and nothing is left of the attempt.
    Failed(Ended),
}

/// A process that has begun.
pub(crate) struct Started {
    pub(crate) main: MainProcess,
    /// With which id it is confined.
    pub(crate) confinement: ConfinementId,
    /// What of the launch could not be done as it was said, as sentences.
    pub(crate) warnings: Vec<String>,
}

/// Starts a process under a monitor of its own: the one that waits for it, or a new one.
pub(crate) async fn launch(context: &Arc<Context>, instance: InstanceId, command: &Command) -> Launched {
    let launched = match monitor(context, command) {
        Ok(ready) => launch_under(ready, context, instance, command).await,
        Err(reason) => Launched::Failed(Ended::start_failed(reason)),
    };
    context.reserve.refill(context);
    launched
}

fn monitor(context: &Context, command: &Command) -> Result<Ready, String> {
    if let Some(ready) = context.reserve.take(&context.limiter) {
        return Ok(ready);
    }
    let monitor = start_monitor(context, &command.execution.to_string())?;
    Ok(Ready { monitor, id: None })
}

async fn launch_under(ready: Ready, context: &Context, instance: InstanceId, command: &Command) -> Launched {
    let Ready { mut monitor, id } = ready;
    let id = id.unwrap_or_else(|| command.execution.into());
    let confinement = context.limiter.plan(&command.care.limits, id);
    // Without a scope the monitor finds no group, and says so in a warning.
    if let Err(error) = context.limiter.admit(&confinement, monitor.id()).await {
        tracing::warn!(?error, execution = %command.execution, "systemd made no scope");
    }
    let order = order(context, instance, command, confinement);
    let given = match record(context, &order.plan, monitor.id()).await {
        Ok(()) => give_in_time(&mut monitor, &order).await,
        Err(error) => Err(format!("What is to be launched cannot be recorded: {error}")),
    };
    if let Err(reason) = given {
        let failed = fail(context, command, monitor, &reason).await;
        // A process may have waited in them.
        let _ = context.limiter.clear(id).await;
        return failed;
    }
    match answer(&mut monitor).await {
        Some(Message::Started { main, warnings }) => {
            collect(monitor);
            Launched::Alive(Started { main, confinement: id, warnings })
        }
        Some(Message::Exited { record }) => {
            collect(monitor);
            Launched::Failed(Ended::from(*record))
        }
        Some(Message::Refused { reason }) => fail(context, command, monitor, &reason).await,
        _ => fail(context, command, monitor, "The monitor ended before it had started the app").await,
    }
}

/// Starts a monitor, which is called by this id.
pub(crate) fn start_monitor(context: &Context, id: &str) -> Result<Child, String> {
    process::Command::new(&context.monitor_program)
        // For people who look at the list of processes; the monitor reads no arguments.
        .arg(id)
        .open_input()
        .start(process::Output::Pipe, process::Output::Nothing)
        .map_err(|error| error.detail().to_owned())
}

fn order(context: &Context, instance: InstanceId, command: &Command, confinement: Confinement) -> Launch {
    Launch {
        version: VERSION,
        plan: plan(context, instance, command, confinement),
        environment: command.care.surroundings.environment.clone(),
        run_folder: context.folder.path().to_owned(),
    }
}

/// Before there can be a process, so that a daemon which comes up at that moment knows of it.
async fn record(context: &Context, plan: &Plan, monitor: Option<u32>) -> io::Result<()> {
    // It has ended already; giving it the launch says so.
    let Some(monitor) = monitor else { return Ok(()) };
    let record = Record::expecting(plan.clone(), monitor)?;
    blocking(&context.folder, move |folder| folder.write_record(&record)).await
}

/// A launch may be larger than a pipe, and a monitor that does not read it must not hold up its instance.
async fn give_in_time(monitor: &mut Child, launch: &Launch) -> Result<(), String> {
    let given = timeout(PATIENCE, give(monitor, launch)).await;
    given.unwrap_or_else(|_| Err("The monitor does not take its launch".to_owned()))
}

/// Gives a monitor its launch, and hangs up.
async fn give(monitor: &mut Child, launch: &Launch) -> Result<(), String> {
    let text =
        serde_json::to_vec(launch).map_err(|error| format!("The launch cannot be written: {error}"))?;
    let mut input = monitor.stdin.take().ok_or("The monitor cannot be told what to start")?;
    input.write_all(&text).await.map_err(|error| format!("The monitor does not take its launch: {error}"))
}

fn plan(context: &Context, instance: InstanceId, command: &Command, confinement: Confinement) -> Plan {
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
        confinement: Some(confinement),
        rotation: context.rotation,
        web_port: command.care.web_port,
    }
}

/// The one line that a monitor says to whoever started it.
async fn answer(monitor: &mut Child) -> Option<Message> {
    let mut line = String::new();
    let mut output = BufReader::new(monitor.stdout.take()?);
    timeout(PATIENCE, output.read_line(&mut line)).await.ok()?.ok()?;
    serde_json::from_str(&line).ok()
}

/// Leaves nothing behind that might still come to life. What does not die is left to the next daemon when this one
/// goes down.
async fn fail(context: &Context, command: &Command, mut monitor: Child, reason: &str) -> Launched {
    let _ = monitor.kill().await;
    tokio::select! {
        () = tree::end_at_last(&context.folder, command.execution, |_| ()) => {}
        () = context.down() => {}
    }
    Launched::Failed(Ended::start_failed(reason))
}

/// Waits for a monitor when its time comes, so that no entry of it stays in the table of processes.
fn collect(mut monitor: Child) {
    tokio::spawn(async move { monitor.wait().await });
}
