//! Lines and areas as paths of SVG. Where points are farther apart than a gap, nothing is drawn between them:
//! nothing ran there.

use std::fmt::Write as _;

use super::{HEIGHT, WIDTH};

/// What a picture shows: from when to when in milliseconds, and from 0 to what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Frame {
    /// The left edge.
    pub(crate) from: i64,
    /// The right edge.
    pub(crate) to: i64,
    /// The upper edge.
    pub(crate) top: f64,
}

/// Points in the order of time: milliseconds and what was measured. Where two are farther apart than `gap`
/// milliseconds, nothing was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    /// The points.
    pub(crate) points: Vec<(i64, f64)>,
    /// The longest distance that is drawn across.
    pub(crate) gap: i64,
}

impl Frame {
    /// Where an instant stands, as a share of the width; outside of 0 to 1 when it is not in the picture.
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of at most some months")]
    pub(crate) fn share(&self, at: i64) -> f64 {
        (at - self.from) as f64 / (self.to - self.from).max(1) as f64
    }

    /// How far from the top a value stands, as a share of the height.
    pub(crate) fn depth(&self, value: f64) -> f64 {
        (1.0 - value / self.top).clamp(0.0, 1.0)
    }

    /// The same two as coordinates.
    #[allow(clippy::cast_possible_truncation, reason = "within a box of some thousands")]
    fn place(&self, (at, value): (i64, f64)) -> (i32, i32) {
        let x = self.share(at).clamp(-1.0, 2.0) * f64::from(WIDTH);
        (x.round() as i32, (self.depth(value) * f64::from(HEIGHT)).round() as i32)
    }
}

/// The line through all points.
pub(crate) fn line(curve: &Curve, frame: &Frame) -> String {
    let mut path = String::new();
    for run in runs(curve) {
        for (at, point) in run.iter().enumerate() {
            let (x, y) = frame.place(*point);
            let _ = write!(path, "{}{x} {y}", if at == 0 { 'M' } else { 'L' });
        }
        if run.len() == 1 {
            // A round end makes a dot of it.
            path.push_str("h0");
        }
    }
    path
}

/// The area below the line.
pub(crate) fn area(curve: &Curve, frame: &Frame) -> String {
    let mut path = String::new();
    for run in runs(curve) {
        let ends =
            run.first().zip(run.last()).map(|(first, last)| (frame.place(*first).0, frame.place(*last).0));
        let Some((left, right)) = ends else { continue };
        let _ = write!(path, "M{left} {HEIGHT}");
        for point in run {
            let (x, y) = frame.place(*point);
            let _ = write!(path, "L{x} {y}");
        }
        let _ = write!(path, "L{right} {HEIGHT}Z");
    }
    path
}

/// The points without a gap between them.
fn runs(curve: &Curve) -> impl Iterator<Item = &[(i64, f64)]> {
    curve.points.chunk_by(|before, after| after.0 - before.0 <= curve.gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { from: 0, to: 1000, top: 2.0 };

    fn curve(points: &[(i64, f64)]) -> Curve {
        Curve { points: points.to_vec(), gap: 250 }
    }

    #[test]
    fn a_line_leaves_gaps() {
        let path = line(&curve(&[(0, 0.0), (250, 1.0), (750, 2.0), (1000, 2.0)]), &FRAME);
        assert_eq!(path, "M0 400L500 200M1500 0L2000 0");
    }

    #[test]
    fn a_single_point_is_a_dot() {
        assert_eq!(line(&curve(&[(500, 1.0)]), &FRAME), "M1000 200h0");
        assert_eq!(line(&curve(&[]), &FRAME), "");
    }

    #[test]
    fn an_area_stands_on_the_ground() {
        assert_eq!(area(&curve(&[(0, 2.0), (250, 0.0)]), &FRAME), "M0 400L0 0L500 400L500 400Z");
    }

    #[test]
    fn what_is_above_the_axis_stays_in_the_box() {
        assert_eq!(line(&curve(&[(0, 9.0)]), &FRAME), "M0 0h0");
    }
}
