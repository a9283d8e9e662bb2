//! What every app used in the last ten minutes, for the lines beside their names: read once for each connection,
//! then kept up by the socket.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use leptos::prelude::*;
use mantyx_api_types::core::AppId;
use mantyx_api_types::{AppUsage, Sparkline, UsagePoint};

use crate::graph::Series;

/// How far back the lines go.
pub(crate) const RECENT: TimeDelta = TimeDelta::minutes(10);

/// Seconds between two looks of the daemon.
const RESOLUTION: u32 = 5;

/// What every app used recently.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    apps: StoredValue<HashMap<AppId, Series>>,
    /// The last look: every line follows it.
    last: RwSignal<Option<(DateTime<Utc>, Vec<AppUsage>)>>,
}

impl Usage {
    /// Nothing is known yet.
    pub(crate) fn none() -> Self {
        Self { apps: StoredValue::new(HashMap::new()), last: RwSignal::new(None) }
    }

    /// Forgets everything.
    pub(crate) fn clear(self) {
        self.apps.update_value(HashMap::clear);
        self.last.set(None);
    }

    /// What was before the first look.
    pub(crate) fn begin(self, lines: Vec<Sparkline>) {
        self.apps.update_value(|apps| {
            apps.clear();
            apps.extend(lines.into_iter().map(|line| (line.app, Series::new(line.points, RESOLUTION))));
        });
        self.last.update(|_| {});
    }

    /// A further look.
    pub(crate) fn look(self, at: DateTime<Utc>, looks: Vec<AppUsage>) {
        self.apps.update_value(|apps| {
            for look in &looks {
                let series = apps.entry(look.app).or_insert_with(|| Series::new(Vec::new(), RESOLUTION));
                series.look(at, look.cpu, look.memory, RECENT);
            }
        });
        self.last.set(Some((at, looks)));
    }

    /// The last look at an app, followed; nothing when it was not alive then.
    pub(crate) fn now(self, app: AppId) -> Option<(DateTime<Utc>, AppUsage)> {
        let last = self.last.read();
        let (at, looks) = last.as_ref()?;
        looks.iter().find(|look| look.app == app).map(|look| (*at, *look))
    }

    /// The points of the last ten minutes and the longest gap in them, followed.
    pub(crate) fn recent(self, app: AppId) -> (Vec<UsagePoint>, i64) {
        self.last.track();
        self.apps.with_value(|apps| {
            apps.get(&app).map(|series| (series.points().to_vec(), series.gap())).unwrap_or_default()
        })
    }
}
