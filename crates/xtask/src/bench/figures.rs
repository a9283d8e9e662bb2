//! What came out: a figure for each metric and contender, and whether Mantyx meets the bar of the metric.

use std::fmt;

/// What Mantyx is called among the contenders.
pub(super) const OURS: &str = "Mantyx";
/// What the bare floor is called among them: the same work without any supervisor.
pub(super) const FLOOR: &str = "floor";

/// Something that is measured; less is better.
#[derive(Clone, Debug)]
pub(super) struct Metric {
    /// Its name for programs.
    pub(super) key: String,
    /// Its name for people.
    pub(super) title: String,
    /// `ms`, `MB`, `s` or `lines`.
    pub(super) unit: &'static str,
    /// What Mantyx should reach.
    pub(super) bar: Bar,
}

impl Metric {
    /// A metric with its bar.
    pub(super) fn new(
        key: impl Into<String>,
        title: impl Into<String>,
        unit: &'static str,
        bar: Bar,
    ) -> Self {
        Self { key: key.into(), title: title.into(), unit, bar }
    }
}

/// What Mantyx should reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bar {
    /// Nothing in particular.
    None,
    /// No more than this.
    AtMost(f64),
    /// No more than so many times the floor of the same run.
    TimesFloor(f64),
    /// No more than so much beyond the floor of the same run.
    FloorPlus(f64),
    /// No more than so many times this peer in the same run.
    TimesPeer(&'static str, f64),
    /// No more than any of these peers in the same run, with so much allowed on top.
    Peers(&'static [(&'static str, f64)]),
}

/// Whether it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is no bar.
    NoBar,
    /// It was.
    Met,
    /// It was not.
    NotMet,
    /// What it is compared with was not measured.
    Unknown,
}

/// All figures of one metric.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The metric.
    pub(super) metric: Metric,
    /// Each contender's figure, none for one that failed.
    pub(super) figures: Vec<(String, Option<f64>)>,
}

impl Row {
    /// A row without figures.
    pub(super) const fn new(metric: Metric) -> Self {
        Self { metric, figures: Vec::new() }
    }

    /// The figure of a contender.
    pub(super) fn of(&self, contender: &str) -> Option<f64> {
        self.figures.iter().find(|(name, _)| name == contender)?.1
    }

    /// The figure of Mantyx in relation to that of the best peer.
    pub(super) fn to_best_peer(&self) -> Option<f64> {
        let peers = self.figures.iter().filter(|(name, _)| name != OURS && name != FLOOR);
        ratio(self.of(OURS)?, peers.filter_map(|(_, figure)| *figure).min_by(f64::total_cmp)?)
    }

    /// The figure of Mantyx in relation to the floor.
    pub(super) fn to_floor(&self) -> Option<f64> {
        ratio(self.of(OURS)?, self.of(FLOOR)?)
    }

    /// Whether Mantyx meets the bar.
    pub(super) fn verdict(&self) -> Verdict {
        if self.metric.bar == Bar::None {
            return Verdict::NoBar;
        }
        match (self.of(OURS), self.limit()) {
            (Some(ours), Some(limit)) if ours <= limit => Verdict::Met,
            (Some(_), Some(_)) => Verdict::NotMet,
            (None, _) | (_, None) => Verdict::Unknown,
        }
    }

    /// What the bar comes to in this run.
    pub(super) fn limit(&self) -> Option<f64> {
        match self.metric.bar {
            Bar::None => None,
            Bar::AtMost(most) => Some(most),
            Bar::TimesFloor(times) => Some(self.of(FLOOR)? * times),
            Bar::FloorPlus(more) => Some(self.of(FLOOR)? + more),
            Bar::TimesPeer(peer, times) => Some(self.of(peer)? * times),
            Bar::Peers(peers) => {
                let limits = peers.iter().filter_map(|(peer, more)| Some(self.of(peer)? + more));
                limits.min_by(f64::total_cmp)
            }
        }
    }
}

fn ratio(ours: f64, other: f64) -> Option<f64> {
    (other > 0.0).then_some(ours / other)
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::TimesFloor(times) => write!(f, "≤ {times} × floor"),
            Self::FloorPlus(more) => write!(f, "≤ floor + {more}"),
            Self::TimesPeer(peer, times) => write!(f, "≤ {times} × {peer}"),
            Self::Peers(peers) => {
                for (index, (peer, more)) in peers.iter().enumerate() {
                    f.write_str(if index == 0 { "≤ " } else { ", " })?;
                    if *more > 0.0 { write!(f, "{peer} + {more}")? } else { f.write_str(peer)? }
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBar => "",
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::Unknown => "not compared",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEERS: Bar = Bar::Peers(&[("PM2", 0.0), ("runit", 1.0)]);

    fn row(bar: Bar, figures: &[(&str, f64)]) -> Row {
        let figures = figures.iter().map(|(name, figure)| ((*name).to_owned(), Some(*figure))).collect();
        Row { metric: Metric::new("k", "t", "ms", bar), figures }
    }

    #[test]
    fn ratios_are_to_the_best_peer_and_to_the_floor() {
        let row = row(Bar::None, &[(OURS, 4.0), ("runit", 8.0), ("PM2", 2.0), (FLOOR, 1.0)]);
        assert_eq!((row.to_best_peer(), row.to_floor()), (Some(2.0), Some(4.0)));
        assert_eq!(row.verdict(), Verdict::NoBar);
    }

    #[test]
    fn nothing_is_compared_with_nothing() {
        let lonely = row(PEERS, &[(OURS, 4.0), (FLOOR, 0.0)]);
        assert_eq!((lonely.to_best_peer(), lonely.to_floor()), (None, None));
        assert_eq!(lonely.verdict(), Verdict::Unknown);
        assert_eq!(row(Bar::AtMost(1.0), &[]).verdict(), Verdict::Unknown);
    }

    #[test]
    fn each_kind_of_bar_is_met_or_not() {
        let with =
            |bar, ours| row(bar, &[(OURS, ours), ("runit", 3.0), ("PM2", 5.0), (FLOOR, 2.0)]).verdict();
        assert_eq!((with(PEERS, 4.0), with(PEERS, 4.1)), (Verdict::Met, Verdict::NotMet));
        assert_eq!(
            (with(Bar::AtMost(1.0), 1.0), with(Bar::AtMost(1.0), 1.1)),
            (Verdict::Met, Verdict::NotMet)
        );
        let floor = Bar::TimesFloor(1.2);
        assert_eq!((with(floor, 2.4), with(floor, 2.5)), (Verdict::Met, Verdict::NotMet));
        let beyond = Bar::FloorPlus(20.0);
        assert_eq!((with(beyond, 22.0), with(beyond, 22.1)), (Verdict::Met, Verdict::NotMet));
        let peer = Bar::TimesPeer("PM2", 1.3);
        assert_eq!((with(peer, 6.5), with(peer, 6.6)), (Verdict::Met, Verdict::NotMet));
        assert_eq!(with(Bar::TimesPeer("circus", 1.3), 1.0), Verdict::Unknown);
    }

    #[test]
    fn bars_are_told_in_words() {
        assert_eq!(PEERS.to_string(), "≤ PM2, runit + 1");
        assert_eq!(Bar::TimesFloor(1.2).to_string(), "≤ 1.2 × floor");
        assert_eq!(Bar::FloorPlus(20.0).to_string(), "≤ floor + 20");
        assert_eq!(Bar::TimesPeer("uv", 1.3).to_string(), "≤ 1.3 × uv");
        assert_eq!(Bar::AtMost(0.3).to_string(), "≤ 0.3");
    }
}
