//! The daemon about itself: system, health, metrics.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mantyx_api_types::{HealthView, LimitsView, PythonView, SystemView};
use mantyx_core::{AppState, Result};
use mantyx_registry::tables::{apps, events, settings};
use mantyx_registry::views;

use crate::mantyx::Mantyx;
use crate::observation::exposition;

/// Below this share of free space the machine is not well.
const LITTLE_SPACE: f64 = 0.05;

impl Mantyx {
    /// The daemon, its machine and what it found there.
    pub async fn system(&self) -> Result<SystemView> {
        let user = self.app_user().await;
        let tools = mantyx_venv::discover(&self.layout().cache(), user.identity.as_ref()).await;
        let python = |python: &mantyx_venv::Python| PythonView {
            version: python.version.clone(),
            path: python.path.display().to_string(),
        };
        let password = self.registry().read(|db| settings::get(db, settings::PASSWORD)).await?;
        Ok(SystemView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.inner().started_at,
            root: self.layout().root().display().to_string(),
            host_name: sysinfo::System::host_name().unwrap_or_default(),
            timezone: self.timezone(),
            host: self.inner().host.now().await,
            pythons: tools.pythons.iter().map(python).collect(),
            uv: tools.uv.map(|uv| uv.version),
            password_set: password.is_some(),
            upload_limit: self.settings().upload_limit,
            limits: self.limits(),
            app_user: user.name,
            warnings: user.trouble.into_iter().collect(),
        })
    }

    /// How apps are held to their limits here.
    fn limits(&self) -> LimitsView {
        let offer = self.inner().supervisor.offer();
        let enforced = offer.enforced();
        LimitsView {
            mechanism: offer.mechanism(),
            memory: enforced.memory,
            cpu: enforced.cpu,
            processes: enforced.processes,
        }
    }

    /// Whether the daemon is well, with reasons.
    pub async fn health(&self) -> HealthView {
        let mut reasons = Vec::new();
        // Any row will do, and this one is found at once: anybody may ask, as often as they like.
        if let Err(error) = self.registry().read(|db| settings::get(db, settings::PASSWORD)).await {
            reasons.push(format!("The database cannot be read: {error}"));
        }
        reasons.extend(self.app_user().await.trouble);
        let disk = self.inner().host.disk().await;
        if disk.total > 0 && ratio(disk.free(), disk.total) < LITTLE_SPACE {
            reasons.push(format!("Only {} MiB are free on the disk of the root", disk.free() >> 20));
        }
        let status = if reasons.is_empty() { "ok" } else { "degraded" };
        HealthView { status: status.to_owned(), reasons }
    }

    /// The same in numbers, in the text format of Prometheus.
    pub async fn metrics(&self) -> Result<String> {
        let mut states: BTreeMap<&'static str, u64> =
            AppState::ALL.into_iter().filter(|s| *s != AppState::Deleted).map(|s| (s.as_str(), 0)).collect();
        let observation = self.inner().observation.clone();
        let read = self.registry().read(move |db| {
            let rows = apps::list(db)?;
            let apps = views::apps(db, &rows)?;
            Ok((observation.figures(db, apps)?, events::newest(db)?))
        });
        let (figures, newest) = read.await?;
        for figures in &figures {
            *states.entry(figures.app.state.as_str()).or_default() += 1;
        }
        let newest = newest.map_or(0, |event| event.sequence);
        let uptime = i64::try_from(self.inner().observation.uptime().as_secs()).unwrap_or(i64::MAX);
        Ok(render(&states, newest, uptime) + &exposition::render(&figures))
    }
}

fn render(states: &BTreeMap<&'static str, u64>, events: i64, uptime: i64) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, i64)]| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let by_state = |(state, count): (&&str, &u64)| {
        (format!("{{state=\"{state}\"}}"), i64::try_from(*count).unwrap_or(i64::MAX))
    };
    let states: Vec<_> = states.iter().map(by_state).collect();
    let version = format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    family("mantyx_build_info", "gauge", "The version of the daemon.", &[(version, 1)]);
    family("mantyx_uptime_seconds", "gauge", "Seconds since the daemon came up.", &[(String::new(), uptime)]);
    family("mantyx_apps", "gauge", "Apps by state, the trash left out.", &states);
    family("mantyx_events_total", "counter", "Recorded events.", &[(String::new(), events)]);
    text
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits than a double has")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_in_the_text_format() {
        let text = render(&BTreeMap::from([("running", 2)]), 7, 60);
        assert!(text.contains("# TYPE mantyx_apps gauge\nmantyx_apps{state=\"running\"} 2\n"));
        assert!(text.contains("mantyx_events_total 7\n"));
    }
}
