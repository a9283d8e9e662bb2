//! A monitor that says whatever a test wants: of another version, of another mind, or of too many words.
#![allow(clippy::unwrap_used, reason = "a fixture that fails is a test that fails")]

use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use chrono::{TimeDelta, Utc};
use mantyx_core::{Ending, ExecutionId, Exit, Health, RestartHistory};
use mantyx_logs::Rotation;
use mantyx_monitor::process::{self, ProcessId};
use mantyx_monitor::{
    Deadlines, ExitRecord, MainProcess, Message, Notified, Outcome, Output, Plan, Record, Request, RunFolder,
    StopTerms, VERSION, Wish,
};
use mantyx_supervisor::{Role, Supervisor};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::fixture::Stage;

/// What it answers to a request; without an answer it hangs up.
pub(crate) type Answer = fn(&Part, &Request) -> Vec<Message>;

/// A process that is taken for a monitor with its app, and the task that answers in its place.
pub(crate) struct Pretender {
    pub(crate) part: Arc<Part>,
    child: Child,
    task: JoinHandle<()>,
}

/// What it knows.
pub(crate) struct Part {
    pub(crate) record: Record,
    pub(crate) version: u32,
    asked: Mutex<Vec<Request>>,
    answer: Answer,
}

impl Pretender {
    /// It began an hour ago, and speaks this version of the protocol.
    pub(crate) fn new(stage: &Stage, version: u32, answer: Answer) -> Self {
        let mut sleep = std::process::Command::new("/bin/sleep");
        let child = sleep.arg("1000").stdout(Stdio::null()).spawn().unwrap();
        let record = record(stage, ProcessId::of(child.id()).unwrap());
        std::fs::create_dir_all(stage.path("run")).unwrap();
        let folder = RunFolder::open(&stage.path("run")).unwrap();
        folder.write_record(&record).unwrap();
        let listener = UnixListener::bind(folder.socket(record.plan.execution)).unwrap();
        let part = Arc::new(Part { record, version, asked: Mutex::default(), answer });
        let task = tokio::spawn(serve(listener, Arc::clone(&part)));
        Self { part, child, task }
    }

    /// Lets a daemon that comes up find it.
    pub(crate) async fn is_adopted(&self, stage: &Stage, supervisor: &Supervisor, health: Health) {
        let found = supervisor.discover().await.unwrap().remove(0);
        let role = Role::Service { history: RestartHistory::default(), health };
        supervisor.adopt(found, role, stage.book.current_care()).await.unwrap();
    }

    pub(crate) fn was_adjusted(&self) -> bool {
        self.times_asked(|request| matches!(request, Request::Adjust(_))) > 0
    }

    pub(crate) fn times_asked(&self, what: impl Fn(&Request) -> bool) -> usize {
        self.part.asked.lock().unwrap().iter().filter(|request| what(request)).count()
    }
}

impl Drop for Pretender {
    fn drop(&mut self) {
        self.task.abort();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Part {
    pub(crate) fn status(&self, notified: Notified) -> Message {
        Message::Status {
            main: self.record.main,
            wish: Wish::None,
            dropped_lines: 0,
            stopping: None,
            notified,
            warnings: Vec::new(),
        }
    }

    /// It has ended with 0.
    pub(crate) fn exited(&self, wish: Wish, ending: Option<Ending>) -> Message {
        let Plan { execution, instance, app, .. } = self.record.plan;
        let record = ExitRecord {
            version: self.version,
            execution,
            instance,
            app,
            outcome: Outcome::Exited(Exit::Code(0)),
            wish,
            started_at: self.record.main.map(|main| main.started_at),
            finished_at: Utc::now(),
            cpu_seconds: 0.0,
            peak_memory: 0,
            dropped_lines: 0,
            ending,
            boot_id: None,
        };
        Message::Exited { record: Box::new(record) }
    }

    /// What a monitor answers that has nothing to say.
    pub(crate) fn plainly(&self, request: &Request) -> Vec<Message> {
        match request {
            Request::Status => vec![self.status(Notified::default())],
            Request::Stop { .. } => vec![self.exited(Wish::Stop, None)],
            _ => vec![Message::Done],
        }
    }
}

async fn serve(listener: UnixListener, part: Arc<Part>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(talk(stream, Arc::clone(&part)));
    }
}

async fn talk(stream: UnixStream, part: Arc<Part>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let request: Request = serde_json::from_str(&line).unwrap();
        let (execution, main) = (part.record.plan.execution, part.record.main);
        let answers = match &request {
            Request::Hello { .. } => vec![Message::Hello { version: part.version, execution, main }],
            request => (part.answer)(&part, request),
        };
        part.asked.lock().unwrap().push(request);
        if answers.is_empty() {
            return;
        }
        for answer in answers {
            let mut text = serde_json::to_vec(&answer).unwrap();
            text.push(b'\n');
            if write.write_all(&text).await.is_err() {
                return;
            }
        }
    }
}

fn record(stage: &Stage, id: ProcessId) -> Record {
    Record {
        version: VERSION,
        plan: Plan {
            execution: ExecutionId::generate(),
            instance: stage.instance,
            app: stage.app(),
            program: "/bin/sh".into(),
            arguments: Vec::new(),
            directory: "/".into(),
            log: stage.path("app.log"),
            stop: StopTerms { signal: 15, grace_seconds: 0.3 },
            output: Output::Pipes,
            identity: None,
            deadlines: Deadlines::default(),
            confinement: None,
            rotation: Rotation::default(),
            web_port: None,
        },
        boot_id: process::boot_id().unwrap(),
        monitor: id,
        main: Some(MainProcess { id, started_at: Utc::now() - TimeDelta::hours(1) }),
    }
}
