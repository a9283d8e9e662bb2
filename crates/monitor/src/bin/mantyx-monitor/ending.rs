//! The end of an execution, and how it is written down and told.

use std::io;
use std::time::Duration;

use chrono::Utc;
use mantyx_core::{Ending, Exit, Timestamp};
use mantyx_monitor::{ExitRecord, Message, Outcome, VERSION};

use crate::monitor::Monitor;
use crate::system::Usage;

/// How long between two attempts to write the exit record on a disk that is full.
const RETRY: Duration = Duration::from_secs(1);

/// How the main process ended.
pub(crate) struct End {
    pub(crate) exit: Exit,
    pub(crate) at: Timestamp,
    pub(crate) usage: Usage,
    pub(crate) ending: Ending,
}

impl Monitor {
    /// Everything is gone.
    pub(crate) fn finish(mut self) {
        if let Some(End { exit, at, usage, ending }) = self.end.take() {
            let record = self.exit_record(Outcome::Exited(exit), ending, at, usage);
            self.leave(&record);
        }
    }

    /// There was never anything.
    pub(crate) fn never_began(mut self, reason: String) {
        let ending = Ending::NotStarted { reason: reason.clone() };
        let record = self.exit_record(Outcome::StartFailed(reason), ending, Utc::now(), Usage::default());
        self.leave(&record);
    }

    fn exit_record(
        &mut self,
        outcome: Outcome,
        ending: Ending,
        finished_at: Timestamp,
        usage: Usage,
    ) -> ExitRecord {
        let plan = &self.record.plan;
        ExitRecord {
            version: VERSION,
            execution: plan.execution,
            instance: plan.instance,
            app: plan.app,
            outcome,
            wish: self.wish,
            started_at: self.record.main.map(|main| main.started_at),
            finished_at,
            cpu_seconds: usage.cpu_seconds,
            peak_memory: self.limits.peak_memory().unwrap_or(usage.peak_memory),
            dropped_lines: self.output.finish(),
            ending: Some(ending),
            boot_id: Some(self.record.boot_id.clone()),
        }
    }

    /// Writes the end down and tells it. The clients hear it before the disk has it: they keep it themselves, and
    /// a replacement need not wait for the disk. The monitor leaves only when the record is safe.
    fn leave(&mut self, record: &ExitRecord) {
        let told = Message::Exited { record: Box::new(record.clone()) };
        let mut written = self.folder.write_exit_record(record);
        self.clients.tell_last(&told);
        // Nobody should be in the groups by now; only root can have put somebody there who is not of the app's family.
        self.limits.kill_all();
        self.limits.remove();
        while written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::NotFound) {
            self.clients.wait_for_knock(RETRY);
            self.clients.tell_last(&told);
            written = self.folder.write_exit_record(record);
        }
        let _ = written.and_then(|file| self.folder.sync(&file));
        let _ = self.folder.remove_socket(record.execution);
        // Nobody can connect any more: whoever did has heard it, whoever comes now finds the record.
        self.clients.tell_last(&told);
    }
}
