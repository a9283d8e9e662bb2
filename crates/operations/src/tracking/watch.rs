//! Looks when it is time to. One task sleeps until the next instant of any tracking; it is woken when one is changed,
//! and by operations that end while an update waits for that. It never looks at the clock for nothing.

use std::time::Duration;

use chrono::Utc;
use futures_util::{StreamExt, stream};
use mantyx_core::{Actor, AppId, Kind, Result, Timestamp};
use mantyx_registry::Read;
use mantyx_registry::tables::{operations, trackings};
use mantyx_scheduler::WallTimer;
use tokio::sync::watch;

use crate::alone::of_all;
use crate::mantyx::Mantyx;

/// So many are looked at at the same time.
const AT_ONCE: usize = 4;

/// After what cannot be written down, so that it is not done again and again.
const PAUSE: Duration = Duration::from_secs(60);

/// Beyond any instant that matters, and within what a timer takes.
const FAR: chrono::TimeDelta = chrono::TimeDelta::days(3650);

/// An app that is followed.
struct Watched {
    app: AppId,
    next: Option<Timestamp>,
    waits: Waits,
}

/// What an update waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// There is none.
    No,
    /// Another operation of the app.
    ForAnother,
    /// Nothing any more.
    Over,
}

/// What there is to do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Agenda {
    /// Those that are looked at now.
    due: Vec<AppId>,
    /// When somebody looks next.
    next: Option<Timestamp>,
    /// Whether an update waits for an operation.
    waiting: bool,
}

impl Mantyx {
    /// Follows what apps come from, from now on.
    pub(crate) fn spawn_tracking(&self) -> Result<()> {
        let (mantyx, timer) = (self.clone(), WallTimer::new()?);
        tokio::spawn(async move {
            let down = mantyx.inner().cancellations.clone();
            tokio::select! {
                () = mantyx.follow(&timer) => {}
                () = down.down() => {}
            }
        });
        Ok(())
    }

    async fn follow(&self, timer: &WallTimer) {
        let mut rung = self.inner().following.listen();
        let mut ended = self.registry().watch_operations();
        loop {
            // What happens from here on is heard of, however long the rest takes.
            rung.mark_unchanged();
            ended.mark_unchanged();
            if let Err(error) = self.turn(timer, &mut rung, &mut ended).await {
                tracing::error!(?error, "what apps follow could not be looked at");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Does what there is to do, or waits until there is something.
    async fn turn(
        &self,
        timer: &WallTimer,
        rung: &mut watch::Receiver<()>,
        ended: &mut watch::Receiver<()>,
    ) -> Result<()> {
        let agenda = self.agenda().await?;
        if !agenda.due.is_empty() {
            return self.look_at_all(agenda.due).await;
        }
        let next = agenda.next.unwrap_or_else(|| Utc::now() + FAR);
        tokio::select! {
            woken = timer.sleep_until(next) => woken.map(drop)?,
            _ = rung.changed() => {}
            _ = ended.changed(), if agenda.waiting => {}
        }
        Ok(())
    }

    async fn agenda(&self) -> Result<Agenda> {
        let rows = self.registry().read(watched).await?;
        let rows = rows.into_iter().map(|(row, waits)| {
            let since = row.checked_at.map_or(row.set_at, |checked| checked.max(row.set_at));
            let next = row.cron.as_deref().and_then(|line| self.next_look(line, since));
            Watched { app: row.app_id.0, next, waits }
        });
        Ok(Agenda::of(rows, Utc::now()))
    }

    async fn look_at_all(&self, apps: Vec<AppId>) -> Result<()> {
        // Why it could not be done is kept with the tracking; a fault of ours may come back at once.
        let look = async |app| match self.look(&Actor::Mantyx, app).await {
            Err(error) if matches!(error.code().kind(), Kind::Internal | Kind::Unavailable) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        };
        let looks = stream::iter(apps).map(look).buffer_unordered(AT_ONCE);
        looks.collect::<Vec<_>>().await.into_iter().collect()
    }
}

impl Agenda {
    fn of(rows: impl Iterator<Item = Watched>, now: Timestamp) -> Self {
        let mut agenda = Self::default();
        for row in rows {
            if row.waits == Waits::Over || row.next.is_some_and(|next| next <= now) {
                agenda.due.push(row.app);
            }
            agenda.waiting |= row.waits == Waits::ForAnother;
            agenda.next = [agenda.next, row.next].into_iter().flatten().min();
        }
        agenda
    }
}

/// The trackings that matter here, and what they wait for.
fn watched(db: &mut Read<'_>) -> Result<Vec<(trackings::Tracking, Waits)>> {
    let rows = trackings::watched(db)?;
    let shut = of_all(db)?.is_some();
    let waits = |row: trackings::Tracking| {
        let waits = match (row.waiting, operations::under_way(db, row.app_id.0)?) {
            (false, _) => Waits::No,
            (true, _) if shut => Waits::ForAnother,
            (true, Some(_)) => Waits::ForAnother,
            (true, None) => Waits::Over,
        };
        Ok((row, waits))
    };
    rows.into_iter().map(waits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, TimeDelta};

    fn row(next: Option<i64>, waits: Waits) -> Watched {
        let next = next.map(|seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds));
        Watched { app: AppId::generate(), next, waits }
    }

    #[test]
    fn what_is_due_is_told_from_what_comes_next() {
        let rows = [
            row(Some(10), Waits::No),
            row(Some(30), Waits::No),
            row(None, Waits::No),
            row(Some(40), Waits::Over),
            row(Some(20), Waits::ForAnother),
        ];
        let (first, fourth, fifth) = (rows[0].app, rows[3].app, rows[4].app);
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let agenda = Agenda::of(rows.into_iter(), at(20));
        assert_eq!(agenda, Agenda { due: vec![first, fourth, fifth], next: Some(at(10)), waiting: true });
        assert_eq!(Agenda::of([].into_iter(), at(0)), Agenda::default());
        let later =
            Agenda::of([row(Some(30), Waits::ForAnother), row(Some(25), Waits::No)].into_iter(), at(20));
        assert_eq!(later, Agenda { due: Vec::new(), next: Some(at(25)), waiting: true });
    }
}
