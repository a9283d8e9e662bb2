//! The moments at which a saga can be cut short, as the daemon lists them.

use std::fmt;

use mantyx_test_support::fault_points;

/// A moment of a step: `update/stop/before`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) kind: String,
    pub(super) step: String,
    moment: String,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.step, self.moment)
    }
}

impl Point {
    fn parse(text: &str) -> Self {
        let parts: Vec<&str> = text.split('/').collect();
        let [kind, step, moment] = parts[..] else { panic!("`{text}` is no point") };
        Self { kind: kind.to_owned(), step: step.to_owned(), moment: moment.to_owned() }
    }

    /// Whether it is a moment of the act rather than of the undo.
    fn is_of_the_act(&self) -> bool {
        match self.moment.as_str() {
            "before" | "acted" => true,
            "undoing" | "undone" => false,
            other => panic!("`{other}` is a moment that nobody tells a story of"),
        }
    }
}

/// Every point that there is.
pub(super) fn all() -> Vec<Point> {
    fault_points().iter().map(|text| Point::parse(text)).collect()
}

/// The points of the acts of a saga, in their order.
pub(super) fn forth(kind: &str) -> Vec<Point> {
    of(kind, Point::is_of_the_act)
}

/// The points of the undos of a saga, in the order of its steps.
pub(super) fn back(kind: &str) -> Vec<Point> {
    of(kind, |point| !point.is_of_the_act())
}

/// The last point at which a saga can fail, among the steps in which it can.
pub(super) fn last_that_fails(kind: &str, can_fail: impl Fn(&str) -> bool) -> Point {
    let points = of(kind, |point| point.moment == "acted" && can_fail(&point.step));
    points.into_iter().next_back().unwrap()
}

fn of(kind: &str, wanted: impl Fn(&Point) -> bool) -> Vec<Point> {
    let points: Vec<Point> = all().into_iter().filter(|point| point.kind == kind && wanted(point)).collect();
    assert!(!points.is_empty(), "there is no saga called `{kind}`");
    points
}
