//! What many changes of one kind have come to, and what the same stops and starts came to by hand.

use super::by_hand::Restart;
use super::downtime::Changed;
use super::install::span;
use super::steps::Steps;
use crate::bench::figures::{Bar, FLOOR, Metric, OURS, Row};
use crate::bench::statistics::{milliseconds, percentile};

/// How much longer than its own stop and start an app may be down, in milliseconds.
const BEYOND: f64 = 20.0;

/// The changes of one kind.
pub(super) struct Tally {
    key: &'static str,
    title: &'static str,
    down: Vec<f64>,
    took: Vec<f64>,
    rate: Vec<f64>,
    refused: usize,
    steps: Steps,
}

/// The restarts by hand beside them.
#[derive(Default)]
pub(super) struct Floor {
    down: Vec<f64>,
    stop: Vec<f64>,
    start: Vec<f64>,
}

impl Tally {
    /// Nothing yet.
    pub(super) fn new(key: &'static str, title: &'static str) -> Self {
        let (down, took, rate) = (Vec::new(), Vec::new(), Vec::new());
        Self { key, title, down, took, rate, refused: 0, steps: Steps::default() }
    }

    /// One more change.
    pub(super) fn add(&mut self, changed: &Changed) {
        self.down.push(milliseconds(changed.gap.down));
        self.took.push(milliseconds(changed.took));
        self.rate.extend(changed.rate);
        self.refused += changed.gap.outside;
        self.steps.add(&changed.operation);
    }

    /// How long the app was down, and how long the whole took.
    pub(super) fn rows(&self, floor: &Floor) -> [Row; 2] {
        let Self { key, title, .. } = self;
        let down = Metric::new(*key, format!("down by {title}, p50"), "ms", Bar::FloorPlus(BEYOND));
        let took = Metric::new(format!("{key}_took"), format!("{title}, all of it, p50"), "ms", Bar::None);
        let figures = [(OURS, &self.down), (FLOOR, &floor.down)];
        let figures = figures.map(|(name, times)| (name.to_owned(), percentile(times, 0.5)));
        let whole = vec![(OURS.to_owned(), percentile(&self.took, 0.5))];
        [Row { metric: down, figures: figures.into() }, Row { metric: took, figures: whole }]
    }

    /// What the rows do not say.
    pub(super) fn notes(&self, floor: &Floor) -> Vec<String> {
        let Self { title, refused, steps, .. } = self;
        let middle = |times: &[f64]| percentile(times, 0.5).unwrap_or_default();
        let beyond = middle(&self.down) - middle(&floor.down);
        let (down, by_hand) = (span(&self.down), span(&floor.down));
        let (stop, start, rate) = (middle(&floor.stop), middle(&floor.start), middle(&self.rate));
        vec![
            format!(
                "{title}: {beyond:.1} ms beyond; down for {down}, by hand for {by_hand} (stop {stop:.1}, start \
                 {start:.1}); {refused} requests refused while it was up, {rate:.0} asked a second"
            ),
            format!("{title} by its steps, ms: {steps}"),
        ]
    }
}

impl Floor {
    /// One more restart.
    pub(super) fn add(&mut self, restart: &Restart) {
        self.down.push(milliseconds(restart.gap.down));
        self.stop.push(milliseconds(restart.stop));
        self.start.push(milliseconds(restart.start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Verdict;

    #[test]
    fn an_app_is_down_for_its_own_stop_and_start_and_a_little_more() {
        let floor = Floor { down: vec![90.0, 100.0, 110.0], stop: vec![1.0], start: vec![99.0] };
        let with =
            |down: f64| Tally { down: vec![down], took: vec![1200.0], ..Tally::new("update", "an update") };
        let [down, took] = with(119.0).rows(&floor);
        assert_eq!((down.limit(), down.verdict()), (Some(120.0), Verdict::Met));
        assert_eq!((took.of(OURS), took.verdict()), (Some(1200.0), Verdict::NoBar));
        assert_eq!(with(121.0).rows(&floor)[0].verdict(), Verdict::NotMet);
        assert!(with(119.0).notes(&floor)[0].starts_with("an update: 19.0 ms beyond; "));
    }
}
