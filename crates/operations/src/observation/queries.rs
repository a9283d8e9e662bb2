//! What can be read of what apps use.

use std::collections::HashMap;
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

    /// The last ten minutes of every app that was alive in them.
    pub async fn sparklines(&self) -> Result<Vec<Sparkline>> {
        let (observation, now) = (self.inner().observation.clone(), Utc::now().timestamp());
        self.registry()
            .read(move |db| {
                let ends = now - SPARKLINE + 1..=Resolution::Moments.end(now);
                observation.sparklines(db, &ends)
            })
            .await
    }
}

impl Observation {
    /// Apps with what they use now.
    pub(crate) fn figures(&self, db: &mut Read<'_>, apps: Vec<AppView>) -> Result<Vec<Figures>> {
        let instances = instances_by_app(db)?;
        let recent = self.recent();
        let figures = |app: AppView| {
            let instance = instances.get(&app.id)?;
            Some(Figures { used: recent.used(*instance), now: recent.now(*instance), app })
        };
        Ok(apps.into_iter().filter_map(figures).collect())
    }

    fn sparklines(&self, db: &mut Read<'_>, ends: &RangeInclusive<i64>) -> Result<Vec<Sparkline>> {
        let instances = instances_by_app(db)?;
        let mut minutes = HashMap::new();
        if !self.saw_all(ends) {
            minutes = history::read_all(db, Resolution::Minutes, ends.clone())?;
        }
        let line = |app: apps::App| {
            let instance = instances.get(&app.id.0)?;
            let points = self.moments(*instance, minutes.remove(instance).unwrap_or_default(), ends);
            let points: Vec<_> = points.into_iter().map(Summary::point).collect();
            (!points.is_empty()).then_some(Sparkline { app: app.id.0, points })
        };
        Ok(apps::list(db)?.into_iter().filter_map(line).collect())
    }

    /// Whether this daemon was there all the time.
    fn saw_all(&self, ends: &RangeInclusive<i64>) -> bool {
        self.began <= *ends.start()
    }

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
        let mut minutes = Vec::new();
        if !self.saw_all(&ends) {
            minutes = history::read(db, instance, Resolution::Minutes, ends.clone())?;
        }
        Ok(self.moments(instance, minutes, &ends))
    }

    /// What this daemon saw, after the minutes that an earlier one has left in the database.
    fn moments(
        &self,
        instance: InstanceId,
        minutes: Vec<Summary>,
        ends: &RangeInclusive<i64>,
    ) -> Vec<Summary> {
        let moments = roll_up(self.recent().moments(instance), Resolution::Moments);
        let seen_since = moments.first().map_or(i64::MAX, |first| first.at);
        let earlier = minutes.into_iter().filter(|minute| minute.at < seen_since);
        let mut points: Vec<Summary> =
            earlier.flat_map(|minute| spread(minute, Resolution::Minutes, Resolution::Moments)).collect();
        points.extend(moments);
        points.retain(|point| ends.contains(&point.at));
        points
    }
}

fn instances_by_app(db: &mut Read<'_>) -> Result<HashMap<AppId, InstanceId>> {
    Ok(instances::with_apps(db)?.into_iter().map(|(instance, app)| (app, instance)).collect())
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
