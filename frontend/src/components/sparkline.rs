//! The last ten minutes of an app as a small line with the figure of now beside it.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use mantyx_api_types::UsagePoint;
use mantyx_api_types::core::AppId;

use super::dynamic::dynamic;
use crate::graph::{self, Axis, Curve, Frame};
use crate::state::{RECENT, State};
use crate::text::number;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Processors.
    Cpu,
    /// Bytes of memory.
    Memory,
}

impl Measure {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Cpu, Self::Memory];

    /// What it is called.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Memory => "Memory",
        }
    }

    /// The name of its CSS class, and the end of its test ids.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    /// A value in words.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of memory")]
    pub(crate) fn words(self, value: f64) -> String {
        match self {
            Self::Cpu => number::processors(value),
            Self::Memory => number::bytes(value as u64),
        }
    }

    /// The mean of a point.
    #[allow(clippy::cast_precision_loss, reason = "the height of a line")]
    pub(crate) fn mean(self, point: &UsagePoint) -> f64 {
        match self {
            Self::Cpu => point.cpu,
            Self::Memory => point.memory as f64,
        }
    }

    /// The most of a point.
    #[allow(clippy::cast_precision_loss, reason = "the height of a line")]
    pub(crate) fn most(self, point: &UsagePoint) -> f64 {
        match self {
            Self::Cpu => point.cpu_max,
            Self::Memory => point.memory_max as f64,
        }
    }

    /// An axis for values up to this one.
    pub(crate) fn axis(self, most: f64) -> Axis {
        match self {
            Self::Cpu => graph::cpu_axis(most),
            Self::Memory => graph::memory_axis(most),
        }
    }
}

/// The line of an app; nothing while it is not alive.
pub(crate) fn sparkline(state: State, app: AppId, alive: Signal<bool>, measure: Measure) -> AnyView {
    let usage = state.store.usage();
    dynamic(move || {
        let (points, gap) = if alive.get() { usage.recent(app) } else { Default::default() };
        let last = points.last()?;
        Some(drawn(measure, last.at, &points, gap, measure.words(measure.mean(last))))
    })
}

fn drawn(
    measure: Measure,
    now: DateTime<Utc>,
    points: &[UsagePoint],
    gap: i64,
    value: String,
) -> impl IntoView + use<> {
    let most = points.iter().map(|point| measure.mean(point)).fold(0.0, f64::max);
    let frame = Frame {
        from: (now - RECENT).timestamp_millis(),
        to: now.timestamp_millis(),
        top: measure.axis(most).top,
    };
    let points = points.iter().map(|point| (point.at.timestamp_millis(), measure.mean(point))).collect();
    let curve = Curve { points, gap };
    let most = measure.words(most);
    view! {
        <span class=format!("spark {}", measure.class()) data-testid=format!("spark-{}", measure.class())>
            <svg viewBox="0 0 2000 400" preserveAspectRatio="none" aria-hidden="true" focusable="false">
                <path class="spark-area" d=graph::area(&curve, &frame)></path>
                <path class="spark-line" d=graph::line(&curve, &frame)></path>
            </svg>
            <span class="hidden">{measure.title()} " "</span>
            <span class="spark-value">{value}</span>
            <span class="hidden">{format!(", at most {most} in ten minutes")}</span>
        </span>
    }
}
