//! What can be read of what apps use.

use std::ops::RangeInclusive;

use chrono::{TimeDelta, Utc};
use mantyx_api_types::{AppMetrics, AppView, Sparkline, UsageSpan};
use mantyx_core::{AppId, AppName, InstanceId, Result, Timestamp};
use mantyx_registry::tables::{apps, executions, instances};
use mantyx_registry::{Read, views};

use super::exposition::Figures;
use super::lives::{self, Lives};
use super::summary::{Resolution, Summary, roll_up, spread};
use super::{Observation, history};
use crate::mantyx::Mantyx;

/// Seconds that a sparkline shows: sixty points.
const SPARKLINE: i64 = 600;

impl Mantyx {
    /// What an app used over time, and how it fared.
    pub async fn app_metrics(&self, name: &AppName, span: UsageSpan) -> Result<AppMetrics> {
        let (name, observation, now) = (name.clone(), self.inner().observation.clone(), Utc::now());
        self.registry()
            .read(move |db| {
                let app = views::find_app_by_name(db, &name)?;
                let instance = instances::of_app(db, app.id.0)?.id.0;
                let resolution = resolution(span);
                let ends = resolution.window(now.timestamp());
                let points = observation.points(db, instance, resolution, ends)?;
                let begin = now - TimeDelta::seconds(resolution.kept().into());
                let Lives { told: lives, uptime, restarts } =
                    lives(db, app.id.0, instance, begin.max(app.created_at), now)?;
                let points = points.into_iter().map(Summary::point).collect();
                Ok(AppMetrics { span, resolution: resolution.seconds(), points, lives, uptime, restarts })
            })
            .await
    }

    /// Apps with what they use now.
    pub(crate) async fn figures(&self, apps: Vec<AppView>) -> Result<Vec<Figures>> {
        let observation = self.inner().observation.clone();
        self.registry()
            .read(move |db| {
                let figures = |app: AppView| {
                    let instance = instances::of_app(db, app.id)?.id.0;
                    let recent = observation.recent();
                    Ok(Figures { used: recent.used(instance), now: recent.now(instance), app })
                };
                apps.into_iter().map(figures).collect()
            })
            .await
    }

    /// The last ten minutes of every app that was alive in them.
    pub async fn sparklines(&self) -> Result<Vec<Sparkline>> {
        let (observation, now) = (self.inner().observation.clone(), Utc::now().timestamp());
        self.registry()
            .read(move |db| {
                let ends = now - SPARKLINE + 1..=Resolution::Moments.end(now);
                let mut lines = Vec::new();
                for app in apps::list(db)? {
                    let instance = instances::of_app(db, app.id.0)?.id.0;
                    let points = observation.points(db, instance, Resolution::Moments, ends.clone())?;
                    let points = points.into_iter().map(Summary::point).collect();
                    lines.push(Sparkline { app: app.id.0, points });
                }
                lines.retain(|line| !line.points.is_empty());
                Ok(lines)
            })
            .await
    }
}

impl Observation {
    /// Spans that ended within these seconds, the oldest first.
    fn points(
        &self,
        db: &mut Read<'_>,
        instance: InstanceId,
        resolution: Resolution,
        ends: RangeInclusive<i64>,
    ) -> Result<Vec<Summary>> {
        if resolution != Resolution::Moments {
            return history::read(db, instance, resolution, ends);
        }
        let moments = roll_up(self.recent().moments(instance), resolution);
        let seen_since = moments.first().map_or(*ends.end(), |first| first.at - 1);
        let mut points = Vec::new();
        if self.began > *ends.start() {
            // What this daemon did not see an earlier one has left in the database, by the minute.
            let minutes = history::read(db, instance, Resolution::Minutes, *ends.start()..=seen_since)?;
            points.extend(
                minutes.into_iter().flat_map(|minute| spread(minute, Resolution::Minutes, resolution)),
            );
        }
        points.extend(moments);
        points.retain(|point| ends.contains(&point.at));
        Ok(points)
    }
}

fn resolution(span: UsageSpan) -> Resolution {
    match span {
        UsageSpan::Hour => Resolution::Moments,
        UsageSpan::Day => Resolution::Minutes,
        UsageSpan::Month => Resolution::Hours,
    }
}

fn lives(
    db: &mut Read<'_>,
    app: AppId,
    instance: InstanceId,
    since: Timestamp,
    now: Timestamp,
) -> Result<Lives> {
    let one_more = i64::try_from(lives::MOST).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows = executions::ended_since(db, app, since, one_more)?;
    rows.extend(executions::live_of(db, instance)?);
    Ok(Lives::of(rows, since, now))
}

#[cfg(test)]
mod tests;
