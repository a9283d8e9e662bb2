//! Backups by the clock: every app with its own files, one after the other, whenever the setting `backup_schedule` is due.
//!
//! The database remembers by which line the last instant was told and up to when all has been decided, so the next daemon
//! knows what it missed, and makes up for all of it with one round. What of a round is done is told by the backups
//! themselves: one that is cut short goes on where it was. An app that is being changed has its turn afterwards, and
//! keeps nobody waiting; one whose backup somebody called off, as a stop does, has one more turn a while later. A backup
//! that fails is an operation that failed, in the list of them and in the record of events; its app has its turn again at
//! the next instant.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use mantyx_core::{
    Actor, AppId, BackupReason, Code, Error, Kind, OperationId, OperationStatus, Result, Timestamp,
};
use mantyx_registry::Read;
use mantyx_registry::tables::{apps, backups, settings};
use mantyx_scheduler::{Schedule, WallTimer, missed};
use mantyx_settings::Settings;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Keeping;
use crate::mantyx::Mantyx;

/// Where the database keeps what has been decided.
const KEY: &str = "backup_schedule";
/// After what could not be done for a reason that may be over soon.
const PAUSE: Duration = Duration::from_secs(60);
/// Who called a backup off has the app for so long before it is made again.
const RESPITE: TimeDelta = TimeDelta::minutes(1);
/// Beyond any instant that matters, and within what a timer takes.
const FAR: TimeDelta = TimeDelta::days(3650);
/// So many instants are looked through for the last one that was missed. Any of them makes the same round.
const MISSED_CAP: usize = 10_000;
/// How long the end of a backup is waited for at a time.
const LOOK: Duration = Duration::from_secs(3600);

/// Up to when all has been decided, by this line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Decided {
    line: String,
    to: Timestamp,
}

/// The apps that had their turn since an instant.
#[derive(Debug, Default)]
struct Round {
    due: Option<Timestamp>,
    done: HashSet<AppId>,
    /// When those have their turn again whose backup was called off.
    called_off: HashMap<AppId, Timestamp>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wait {
    until: Timestamp,
    /// Whether an app has to be free first.
    for_another: bool,
}

/// Whether an app had its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Over,
    /// It is being changed.
    Later,
    /// Somebody has cancelled it.
    CalledOff,
}

impl Wait {
    /// Whichever of the two comes first.
    fn or(self, other: Self) -> Self {
        Self { until: self.until.min(other.until), for_another: self.for_another || other.for_another }
    }
}

impl Round {
    fn since(due: Timestamp) -> Self {
        Self { due: Some(due), ..Self::default() }
    }

    /// For how long an app has no turn yet.
    fn respite(&self, app: AppId, now: Timestamp) -> Option<Wait> {
        let until = self.called_off.get(&app).copied().filter(|until| *until > now);
        until.map(|until| Wait { until, for_another: false })
    }

    /// What an app waits for that had this turn. Nothing, when it has no other one in this round: who calls the second
    /// one off as well means it.
    fn note(&mut self, app: AppId, turn: Turn, now: Timestamp) -> Option<Wait> {
        if turn == Turn::Later {
            return Some(Wait { until: now + FAR, for_another: true });
        }
        if turn == Turn::CalledOff && !self.called_off.contains_key(&app) {
            self.called_off.insert(app, now + RESPITE);
            return self.respite(app, now);
        }
        self.done.insert(app);
        None
    }
}

impl Mantyx {
    /// Makes backups by the clock, from now on.
    pub(crate) fn spawn_backups(&self) -> Result<()> {
        let (mantyx, timer) = (self.clone(), WallTimer::new()?);
        let changed = self.inner().settings_changed.subscribe();
        tokio::spawn(async move {
            let down = mantyx.inner().cancellations.clone();
            tokio::select! {
                () = mantyx.back_up_by_the_clock(&timer, changed) => {}
                () = down.down() => {}
            }
        });
        Ok(())
    }

    /// Refuses settings whose line is none.
    pub(crate) fn refuse_backup_schedule(&self, settings: &Settings) -> Result<()> {
        let Some(line) = &settings.backup_schedule else { return Ok(()) };
        let parsed = mantyx_scheduler::parse(&self.daily_spec(line)).map(drop);
        parsed.map_err(|error| {
            let detail = error.detail().to_owned();
            let hint = error.hint_text().unwrap_or("Write five fields as in crontab(5): `0 3 * * *`");
            Error::new(Code::Invalid, format!("`{KEY}` is `{line}`: {detail}"))
                .with_field(KEY, detail)
                .hint(hint)
        })
    }

    async fn back_up_by_the_clock(&self, timer: &WallTimer, mut changed: watch::Receiver<()>) {
        let (mut ended, mut round) = (self.registry().watch_operations(), Round::default());
        loop {
            // What happens from here on is heard of, however long the rest takes.
            changed.mark_unchanged();
            ended.mark_unchanged();
            let waited = async {
                let wait = self.keep_what_is_due(&mut round).await?;
                tokio::select! {
                    woken = timer.sleep_until(wait.until) => woken.map(drop)?,
                    _ = changed.changed() => {}
                    _ = ended.changed(), if wait.for_another => {}
                }
                Ok::<_, Error>(())
            };
            if let Err(error) = waited.await {
                tracing::error!(?error, "what is to be backed up by the clock could not be yet");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Makes the backups that are due, as far as their apps are free.
    async fn keep_what_is_due(&self, round: &mut Round) -> Result<Wait> {
        let line = self.inner().live.now().backup_schedule.clone();
        let now = Utc::now();
        let Some(line) = line else {
            self.forget_decided().await?;
            return Ok(Wait { until: now + FAR, for_another: false });
        };
        let schedule = mantyx_scheduler::parse(&self.daily_spec(&line))?;
        let next = Wait { until: schedule.next_after(now).unwrap_or(now + FAR), for_another: false };
        let decided = self.decided(line, now).await?;
        let Some(due) = last_missed(&schedule, decided.to, now) else { return Ok(next) };
        if round.due != Some(due) {
            *round = Round::since(due);
        }
        if let Some(left) = self.back_up_owed(due, round).await? {
            return Ok(next.or(left));
        }
        self.decide(Decided { to: now, ..decided }).await?;
        Ok(next)
    }

    /// Up to when all has been decided. Another line than before counts from now, and so does a clock that was set back.
    async fn decided(&self, line: String, now: Timestamp) -> Result<Decided> {
        match self.remembered().await? {
            Some(before) if before.line == line && before.to <= now => Ok(before),
            _ => self.decide(Decided { line, to: now }).await,
        }
    }

    /// Nothing is missed while there is no line: the same one counts from now as well when it is set again.
    async fn forget_decided(&self) -> Result<()> {
        match self.remembered().await? {
            Some(_) => self.remember(None).await,
            None => Ok(()),
        }
    }

    async fn decide(&self, decided: Decided) -> Result<Decided> {
        self.remember(Some(&decided)).await?;
        Ok(decided)
    }

    async fn remembered(&self) -> Result<Option<Decided>> {
        let text = self.registry().read(|db| settings::get(db, KEY)).await?;
        Ok(text.and_then(|text| serde_json::from_str::<Option<Decided>>(&text).ok()).flatten())
    }

    async fn remember(&self, decided: Option<&Decided>) -> Result<()> {
        let text = serde_json::to_string(&decided)
            .map_err(|error| Error::internal("write what has been backed up by the clock", error))?;
        self.registry().change(&Actor::Mantyx, move |change| settings::set(change, KEY, &text)).await
    }

    /// Gives each app its turn that had none since an instant. Says what the others wait for, if there are any left.
    async fn back_up_owed(&self, due: Timestamp, round: &mut Round) -> Result<Option<Wait>> {
        let mut left = Vec::new();
        for app in self.registry().read(move |db| owed(db, due)).await? {
            if round.done.contains(&app) {
                continue;
            }
            let respite = round.respite(app, Utc::now());
            if respite.is_some() {
                left.extend(respite);
                continue;
            }
            let turn = self.back_up_in_turn(app).await?;
            left.extend(round.note(app, turn, Utc::now()));
        }
        Ok(left.into_iter().reduce(Wait::or))
    }

    /// What could not be begun for a reason of its own is not tried again before the next instant.
    async fn back_up_in_turn(&self, app: AppId) -> Result<Turn> {
        let begun = match self.begin_due_backup(app).await {
            Ok(begun) => begun,
            Err(error) if error.code() == Code::OperationInProgress => return Ok(Turn::Later),
            Err(error) if error.code().kind() == Kind::Unavailable => return Err(error),
            Err(error) => {
                tracing::error!(?error, %app, "an app that is due could not be backed up");
                return Ok(Turn::Over);
            }
        };
        match begun {
            Some(operation) => self.turn_of(app, operation).await,
            None => Ok(Turn::Over),
        }
    }

    /// What a backup was for its app, once it has ended.
    async fn turn_of(&self, app: AppId, operation: OperationId) -> Result<Turn> {
        loop {
            match self.wait_operation(operation, LOOK).await?.status {
                OperationStatus::Running => {}
                OperationStatus::Succeeded => return Ok(Turn::Over),
                status => {
                    tracing::warn!(%app, %operation, ?status, "an app that is due was not backed up");
                    let is_called_off = status == OperationStatus::Cancelled;
                    return Ok(if is_called_off { Turn::CalledOff } else { Turn::Over });
                }
            }
        }
    }

    /// None of an app that is gone by now.
    async fn begin_due_backup(&self, app: AppId) -> Result<Option<OperationId>> {
        let _lock = self.inner().locks.app(app).await;
        self.refuse_during_operation(app).await?;
        let row = self.registry().read(move |db| apps::find(db, app)).await?;
        let Some(row) = row.filter(|row| row.deleted_at.is_none()) else { return Ok(None) };
        let keeping = Keeping { data: true, ..Keeping::new(BackupReason::Schedule) };
        Ok(Some(self.keep(&Actor::Mantyx, &row, keeping).await?.id))
    }
}

/// The last instant up to now about which nothing has been decided.
fn last_missed(schedule: &Schedule, decided_to: Timestamp, now: Timestamp) -> Option<Timestamp> {
    missed(schedule, decided_to, now, MISSED_CAP).pop()
}

/// The apps that have no backup by the clock since an instant. A row that cannot be read keeps its own app from it, and
/// nobody else.
fn owed(db: &mut Read<'_>, due: Timestamp) -> Result<Vec<AppId>> {
    let mut owed = Vec::new();
    for app in apps::list(db)? {
        match backups::of_app(db, app.id.0) {
            Ok(rows)
                if rows.iter().any(|row| row.reason.0 == BackupReason::Schedule && row.made_at >= due) => {}
            Ok(_) => owed.push(app.id.0),
            Err(error) => tracing::error!(?error, app = %app.name.0, "its backups could not be listed"),
        }
    }
    Ok(owed)
}

#[cfg(test)]
mod tests;
