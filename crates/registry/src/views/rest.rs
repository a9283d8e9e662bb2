//! Executions, operations, events and backups.

use mantyx_api_types::{BackupView, EventView, ExecutionView, OperationView, StepView};
use mantyx_core::{Error, Result, Subject};
use mantyx_store::Read;
use mantyx_store::tables::{backups, events, executions, operations};

/// One process from start to exit.
#[must_use]
pub fn execution(row: executions::Execution) -> ExecutionView {
    let alive = !row.status.0.is_final();
    ExecutionView {
        id: row.id.0,
        app: row.app_name.0,
        release: u32::try_from(row.release).unwrap_or_default(),
        revision: u32::try_from(row.revision).unwrap_or_default(),
        trigger: row.trigger.0,
        schedule: row.schedule_id.map(|id| id.0),
        status: row.status.0,
        pid: row.pid.filter(|_| alive).and_then(|pid| u32::try_from(pid).ok()),
        exit: row.exit.map(|exit| exit.0),
        ending: row.ending.map(|ending| ending.0),
        cause: row.cause,
        last_lines: row.last_lines.0,
        started_at: row.started_at,
        finished_at: row.finished_at,
        cpu_seconds: row.cpu_seconds,
        peak_memory: row.peak_memory.and_then(|bytes| u64::try_from(bytes).ok()),
        dropped_lines: u64::try_from(row.dropped_lines).unwrap_or_default(),
    }
}

/// A long piece of work with its steps.
pub fn operation(db: &mut Read<'_>, row: operations::Operation) -> Result<OperationView> {
    let steps: Vec<StepView> = operations::steps(db, row.id.0)?.into_iter().map(step).collect();
    let problem = row.problem.map(|problem| serde_json::from_value(problem.0)).transpose();
    Ok(OperationView {
        id: row.id.0,
        kind: row.kind.0,
        app_id: row.app_id.map(|id| id.0),
        app: row.app_name.map(|name| name.0),
        status: row.status.0,
        cancellable: row.cancellable,
        steps,
        problem: problem.map_err(|error| Error::internal("read why an operation failed", error))?,
        started_at: row.started_at,
        finished_at: row.finished_at,
    })
}

fn step(row: operations::Step) -> StepView {
    StepView {
        name: row.name,
        title: row.title,
        status: row.status.0,
        detail: row.detail,
        started_at: row.started_at,
        finished_at: row.finished_at,
    }
}

/// Something that changed.
#[must_use]
pub fn event(row: events::Event) -> EventView {
    EventView {
        sequence: row.sequence,
        at: row.at,
        actor: row.actor.0,
        subject: Subject { kind: row.subject_kind, id: row.subject_id, name: row.subject_name },
        kind: row.kind.0,
        payload: row.payload.0,
        hash: row.hash,
    }
}

/// A backup.
#[must_use]
pub fn backup(row: backups::Backup) -> BackupView {
    BackupView {
        id: row.id.0,
        reason: row.reason.0,
        release: u32::try_from(row.release).unwrap_or_default(),
        revision: u32::try_from(row.revision).unwrap_or_default(),
        data: row.data,
        bytes: u64::try_from(row.bytes).unwrap_or_default(),
        made_at: row.made_at,
        made_by: row.made_by,
    }
}
