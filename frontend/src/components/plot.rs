//! A graph over time: a grid, the mean as a line, the most as a shade, the limit as a dashed line, and a cursor that
//! follows the hand or the arrow keys and says what was there.

use chrono::{DateTime, Utc};
use leptos::ev;
use leptos::prelude::*;
use mantyx_api_types::{UsagePoint, UsageSpan};
use wasm_bindgen::JsCast;

use super::dynamic::{IntoViews, dynamic};
use super::sparkline::Measure;
use crate::graph::{self, Curve, Frame};
use crate::state::clock;
use crate::text::number;

/// What graphs of one panel have in common.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picture {
    /// Which time.
    pub(crate) span: UsageSpan,
    /// The right edge.
    pub(crate) now: DateTime<Utc>,
    /// The points, the oldest first.
    pub(crate) points: Vec<UsagePoint>,
    /// The longest distance in milliseconds that is drawn across.
    pub(crate) gap: i64,
}

impl Picture {
    /// Its time, up to this value.
    pub(crate) fn frame(&self, top: f64) -> Frame {
        let from = self.now - graph::length(self.span);
        Frame { from: from.timestamp_millis(), to: self.now.timestamp_millis(), top }
    }

    fn curve(&self, value: impl Fn(&UsagePoint) -> f64) -> Curve {
        let points = self.points.iter().map(|point| (point.at.timestamp_millis(), value(point))).collect();
        Curve { points, gap: self.gap }
    }

    /// The point that stands nearest to a share of the width.
    fn nearest(&self, share: f64) -> Option<usize> {
        let frame = self.frame(1.0);
        let far = |point: &UsagePoint| (frame.share(point.at.timestamp_millis()) - share).abs();
        let near = self.points.iter().enumerate().min_by(|a, b| far(a.1).total_cmp(&far(b.1)));
        near.map(|(place, _)| place)
    }
}

/// One graph.
#[derive(Clone, Copy)]
pub(crate) struct Plot {
    /// What is measured.
    pub(crate) measure: Measure,
    /// Its points.
    pub(crate) picture: Memo<Picture>,
    /// What it may be at most.
    pub(crate) limit: Signal<Option<f64>>,
    /// The point that is looked at, which all graphs of a panel share.
    pub(crate) cursor: RwSignal<Option<usize>>,
}

/// The graph with its title and what it says at the cursor.
pub(crate) fn plot(plot: Plot) -> AnyView {
    let Plot { measure, picture, cursor, .. } = plot;
    let count = move || picture.with(|picture| picture.points.len());
    let place = move || cursor.get().unwrap_or_else(|| count().saturating_sub(1));
    view! {
        <div class=format!("plot {}", measure.class()) data-testid=format!("graph-{}", measure.class())>
            <p class="plot-head">
                <b>{measure.title()}</b>
                <span class="muted">{dynamic(move || said(plot))}</span>
            </p>
            <div
                class="plot-box"
                role="slider"
                tabindex="0"
                aria-label=format!("{} over time", measure.title())
                aria-valuemin="0"
                aria-valuemax=move || count().saturating_sub(1)
                aria-valuenow=place
                aria-valuetext=move || said(plot)
                on:pointermove=move |event| point_at(plot, &event)
                on:pointerleave=move |_| cursor.set(None)
                on:blur=move |_| cursor.set(None)
                on:keydown=move |event| step(plot, &event)
            >
                {dynamic(move || picture.with(|picture| drawn(measure, picture, plot.limit.get())))}
                {dynamic(move || cursor_line(plot))}
            </div>
        </div>
    }
    .into_any()
}

/// The figures at the cursor, or those of now and the most of all.
fn said(plot: Plot) -> String {
    let Plot { measure, picture, cursor, .. } = plot;
    picture.with(|picture| {
        let most = picture.points.iter().map(|point| measure.most(point)).fold(0.0, f64::max);
        match cursor.get().and_then(|place| picture.points.get(place)) {
            Some(point) => {
                let at = match picture.span {
                    UsageSpan::Hour => {
                        clock::precise(point.at).split('.').next().unwrap_or_default().to_owned()
                    }
                    UsageSpan::Day => clock::time_of_day(point.at),
                    UsageSpan::Month => clock::appointment(point.at),
                };
                let (mean, most) = (measure.words(measure.mean(point)), measure.words(measure.most(point)));
                if mean == most { format!("{at}: {mean}") } else { format!("{at}: {mean}, at most {most}") }
            }
            None if picture.points.is_empty() => "nothing ran in this time".to_owned(),
            None => format!("at most {}{}", measure.words(most), limit_words(plot)),
        }
    })
}

fn limit_words(plot: Plot) -> String {
    plot.limit.get().map(|limit| format!(" of {}", plot.measure.words(limit))).unwrap_or_default()
}

fn point_at(plot: Plot, event: &ev::PointerEvent) {
    let element = event.current_target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    let Some(element) = element else { return };
    let (rect, x) = (element.get_bounding_client_rect(), f64::from(event.client_x()));
    let share = (x - rect.left()) / rect.width().max(1.0);
    plot.cursor.set(plot.picture.with_untracked(|picture| picture.nearest(share)));
}

/// The arrow keys go from point to point, and a page is a tenth of all.
fn step(plot: Plot, event: &ev::KeyboardEvent) {
    let last = plot.picture.with_untracked(|picture| picture.points.len()).saturating_sub(1);
    let now = plot.cursor.get_untracked().unwrap_or(last);
    let next = match event.key().as_str() {
        "ArrowLeft" | "ArrowDown" => now.saturating_sub(1),
        "ArrowRight" | "ArrowUp" => now + 1,
        "PageDown" => now.saturating_sub(last / 10),
        "PageUp" => now + last / 10,
        "Home" => 0,
        "End" => last,
        "Escape" => return plot.cursor.set(None),
        _ => return,
    };
    event.prevent_default();
    plot.cursor.set(Some(next.min(last)));
}

fn drawn(measure: Measure, picture: &Picture, limit: Option<f64>) -> AnyView {
    let most = picture.points.iter().map(|point| measure.most(point)).fold(0.0, f64::max);
    // A limit is drawn where it is in sight; one far above would press the line to the ground.
    let shown = limit.filter(|limit| *limit <= most * 4.0 || measure.axis(most).top >= *limit);
    let axis = measure.axis(shown.map_or(most, |limit| most.max(limit * 1.02)));
    let frame = picture.frame(axis.top);
    let (means, mosts) =
        (picture.curve(|point| measure.mean(point)), picture.curve(|point| measure.most(point)));
    let rows = axis.ticks.iter().map(|tick| {
        view! { <span class="plot-row" style:top=number::length(frame.depth(*tick))><i>{measure.words(*tick).replace(".0 ", " ")}</i></span> }
    });
    let limit = shown.map(|limit| {
        view! { <span class="plot-limit" style:top=number::length(frame.depth(limit))><i>"limit"</i></span> }
    });
    view! {
        <div class="plot-grid" aria-hidden="true">{rows.into_views()} {columns(picture, &frame).into_views()}</div>
        <svg viewBox="0 0 2000 400" preserveAspectRatio="none" aria-hidden="true" focusable="false">
            <path class="plot-most" d=graph::area(&mosts, &frame)></path>
            <path class="plot-line" d=graph::line(&means, &frame)></path>
        </svg>
        {limit}
    }
    .into_any()
}

/// The times below.
fn columns(picture: &Picture, frame: &Frame) -> Vec<AnyView> {
    const MINUTE: i64 = 60_000;
    let step = match picture.span {
        UsageSpan::Hour => 10 * MINUTE,
        UsageSpan::Day => 240 * MINUTE,
        UsageSpan::Month => 5 * 1440 * MINUTE,
    };
    let column = |at: i64| {
        let time = DateTime::from_timestamp_millis(at).unwrap_or_default();
        let words = match picture.span {
            UsageSpan::Month => clock::day(time),
            UsageSpan::Hour | UsageSpan::Day => clock::time_of_day(time),
        };
        let left = number::length(frame.share(at));
        view! { <span class="plot-column" style:left=left><i>{words}</i></span> }.into_any()
    };
    let times = graph::time_ticks(frame.from, frame.to, step, clock::ahead(picture.now));
    // A word at the very edge would stick out.
    times.into_iter().filter(|at| (0.03..0.97).contains(&frame.share(*at))).map(column).collect()
}

fn cursor_line(plot: Plot) -> Option<AnyView> {
    let place = plot.cursor.get()?;
    plot.picture.with(|picture| {
        let point = picture.points.get(place)?;
        let left = picture.frame(1.0).share(point.at.timestamp_millis()).clamp(0.0, 1.0);
        Some(view! { <span class="plot-cursor" style:left=number::length(left)></span> }.into_any())
    })
}
