//! What the tests of logs have in common.

use chrono::Utc;
use mantyx_core::{AppId, AppName, ExecutionId, ExecutionStatus, InstanceId, Trigger};
use mantyx_registry::tables::executions::Execution;
use mantyx_registry::{Json, Word};

/// A new execution of an app.
pub(super) fn row(app: AppId, status: ExecutionStatus) -> Execution {
    Execution {
        id: Word(ExecutionId::generate()),
        app_id: Word(app),
        app_name: Word(AppName::parse("wiki").unwrap()),
        instance_id: Word(InstanceId::generate()),
        release: 1,
        revision: 1,
        trigger: Word(Trigger::Manual),
        schedule_id: None,
        due_at: None,
        status: Word(status),
        pid: None,
        exit: None,
        cause: None,
        started_at: Utc::now(),
        finished_at: status.is_final().then(Utc::now),
        cpu_seconds: None,
        peak_memory: None,
        ending: None,
        last_lines: Json(Vec::new()),
        dropped_lines: 0,
    }
}
