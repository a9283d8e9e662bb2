//! When an app was alive, and how each time ended, on one line.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use mantyx_api_types::Life;
use mantyx_api_types::core::ExecutionStatus;

use super::dynamic::IntoViews;
use crate::graph::{Frame, Mark, Stretch, marks};
use crate::state::clock;
use crate::text::{number, time, words};

/// How a life looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Alive,
    Good,
    Stopped,
    Bad,
    Lost,
}

impl Look {
    const fn of(status: ExecutionStatus) -> Self {
        match status {
            ExecutionStatus::Pending | ExecutionStatus::Running => Self::Alive,
            ExecutionStatus::Success => Self::Good,
            ExecutionStatus::Cancelled => Self::Stopped,
            ExecutionStatus::Failed | ExecutionStatus::Timeout => Self::Bad,
            ExecutionStatus::Lost => Self::Lost,
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Alive => "life alive",
            Self::Good => "life good",
            Self::Stopped => "life stopped",
            Self::Bad => "life bad",
            Self::Lost => "life lost",
        }
    }
}

/// The line; `log` is the address of the log of a life, and `all` that of all of them.
pub(crate) fn timeline(
    lives: &[Life],
    frame: &Frame,
    now: DateTime<Utc>,
    log: impl Fn(&Life) -> String,
    all: &str,
) -> AnyView {
    let stretch = |life: &Life| Stretch {
        start: life.started_at.timestamp_millis(),
        end: life.finished_at.unwrap_or(now).timestamp_millis(),
        kind: Look::of(life.status),
    };
    let stretches: Vec<_> = lives.iter().map(stretch).collect();
    let bar = |mark: Mark| {
        let (first, last) = (&lives[*mark.stretches.start()], &lives[*mark.stretches.end()]);
        let count = mark.stretches.count();
        let (address, words) = match count {
            1 => (log(last), one(last, now)),
            _ => (all.to_owned(), several(count, first, last)),
        };
        view! {
            <a
                class=Look::of(last.status).class()
                href=address
                title=words.clone()
                aria-label=words
                style:left=number::length(mark.left)
                style:width=number::length(mark.width)
            ></a>
        }
    };
    let bars = marks(&stretches, frame).into_iter().map(bar).into_views();
    view! { <div class="timeline" role="group" aria-label="Runs on a line of time" data-testid="timeline">{bars}</div> }
        .into_any()
}

/// What there is to say about one: what it was, when, for how long, and why it ended.
fn one(life: &Life, now: DateTime<Utc>) -> String {
    let took = time::duration(life.finished_at.unwrap_or(now) - life.started_at);
    let cause = life.cause.as_ref().map(|cause| format!(". {}", cause.replace('`', ""))).unwrap_or_default();
    let (began, status) = (clock::stamp(life.started_at), words::status(life.status));
    format!("{status}: began {began} {}, for {took}{cause}", words::trigger(life.trigger))
}

fn several(count: usize, first: &Life, last: &Life) -> String {
    let (from, to) = (clock::stamp(first.started_at), clock::stamp(last.started_at));
    let cause = last
        .cause
        .as_ref()
        .map(|cause| format!(". The last: {}", cause.replace('`', "")))
        .unwrap_or_default();
    let runs = number::plural(count, "run", "runs");
    format!("{}: {runs} from {from} to {to}{cause}", words::status(last.status))
}
