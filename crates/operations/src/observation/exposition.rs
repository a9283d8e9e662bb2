//! What apps use, in the text format of Prometheus. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use mantyx_api_types::{AppUsage, AppView};
use mantyx_core::Health;

/// One app in numbers.
pub(crate) struct Figures {
    pub(crate) app: AppView,
    /// Processor time that was seen since the daemon came up.
    pub(crate) used: Duration,
    /// What it uses now, when it is alive.
    pub(crate) now: Option<AppUsage>,
}

/// A family of samples: its name, its kind, what it is, and the sample of an app, when it has one.
type Family = (&'static str, &'static str, &'static str, fn(&Figures) -> Option<f64>);

const FAMILIES: [Family; 6] = [
    (
        "mantyx_app_cpu_seconds_total",
        "counter",
        "Processor seconds of all processes of the app since the daemon came up.",
        |figures| Some(figures.used.as_secs_f64()),
    ),
    (
        "mantyx_app_memory_bytes",
        "gauge",
        "Resident memory of all processes of the app; shared pages count for each.",
        |figures| Some(number(figures.now?.memory)),
    ),
    ("mantyx_app_processes", "gauge", "Processes of the app.", |figures| Some(figures.now?.processes.into())),
    (
        "mantyx_app_restarts_total",
        "counter",
        "Restarts by itself since a person last started the app.",
        |figures| Some(figures.app.restarts.into()),
    ),
    ("mantyx_app_up", "gauge", "Whether a process of the app is alive.", |figures| {
        Some(figures.app.pid.is_some().into())
    }),
    (
        "mantyx_app_healthy",
        "gauge",
        "Whether the app does what is expected; left out when nothing looks at it.",
        |figures| match figures.app.health {
            Health::Unknown => None,
            health => Some((health == Health::Healthy).into()),
        },
    ),
];

/// All families of all apps.
pub(crate) fn render(apps: &[Figures]) -> String {
    let mut text = String::new();
    for (name, kind, help, sample) in FAMILIES {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for figures in apps {
            if let Some(value) = sample(figures) {
                let _ = writeln!(text, "{name}{{app=\"{}\"}} {value}", escaped(figures.app.name.as_str()));
            }
        }
    }
    text
}

/// As the format wants the value of a label.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[expect(clippy::cast_precision_loss, reason = "a double counts every byte of 8 PiB")]
fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn app(name: &str, health: &str, pid: Option<u32>) -> AppView {
        let id = "01990000-0000-7000-8000-000000000000";
        serde_json::from_value(json!({
            "id": id, "name": name, "display_name": "", "description": "", "tags": [], "type": "perpetual",
            "state": "running", "reason": null, "health": health, "health_detail": null, "status_text": null,
            "warnings": [], "legal_events": [], "operation": null, "pid": pid, "execution": null,
            "started_at": null, "restarts_at": null, "restarts": 3, "release": 1,
            "origin": {"kind": "script", "file": "x.py"}, "last_execution": null, "next_run": null,
            "web_port": null, "web_url": null,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"
        }))
        .unwrap()
    }

    #[test]
    fn every_family_says_what_it_is_before_its_samples() {
        let alive = app("wiki", "healthy", Some(7));
        let now = Some(AppUsage { app: alive.id, cpu: 0.5, memory: 4096, processes: 2 });
        let used = Duration::from_millis(12_500);
        let dead = Figures { app: app("feed", "unknown", None), used: Duration::ZERO, now: None };
        let text = render(&[Figures { app: alive, used, now }, dead]);
        for line in [
            "# TYPE mantyx_app_cpu_seconds_total counter\nmantyx_app_cpu_seconds_total{app=\"wiki\"} 12.5\n",
            "# TYPE mantyx_app_memory_bytes gauge\nmantyx_app_memory_bytes{app=\"wiki\"} 4096\n#",
            "mantyx_app_processes{app=\"wiki\"} 2\n",
            "mantyx_app_restarts_total{app=\"feed\"} 3\n",
            "mantyx_app_up{app=\"wiki\"} 1\nmantyx_app_up{app=\"feed\"} 0\n",
            "mantyx_app_healthy{app=\"wiki\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("mantyx_app_healthy{app=\"feed\"}"), "{text}");
        assert_eq!(text.matches("# HELP ").count(), FAMILIES.len());
    }

    #[test]
    fn a_label_cannot_end_early() {
        assert_eq!(escaped("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
    }
}
