//! Stretches on one line of time: long ones are bars of their own, and very short ones that stand together are one
//! bar, so that a crash loop can still be read, and the keyboard still gets to its end.

use super::Frame;

/// What has a beginning and an end, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch<K> {
    /// When it began.
    pub(crate) start: i64,
    /// When it ended.
    pub(crate) end: i64,
    /// What it looks like: only those of one kind stand together.
    pub(crate) kind: K,
}

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    /// Where it begins, as a share of the whole.
    pub(crate) left: f64,
    /// How long it is.
    pub(crate) width: f64,
    /// The places of its first and its last stretch in the list.
    pub(crate) stretches: std::ops::RangeInclusive<usize>,
}

/// The least that a bar is long, so that it can be seen and hit.
const LEAST: f64 = 0.008;

/// The bars of stretches that are sorted by their beginning, as far as they are in the frame.
pub(crate) fn marks<K: PartialEq>(stretches: &[Stretch<K>], frame: &Frame) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    for (place, stretch) in stretches.iter().enumerate() {
        let (left, right) = (frame.share(stretch.start).max(0.0), frame.share(stretch.end).min(1.0));
        if right < 0.0 || left > 1.0 {
            continue;
        }
        let width = (right - left).max(0.0);
        match marks.last_mut() {
            Some(last) if joins(last, left, width) && *kind_of(stretches, last) == stretch.kind => {
                last.stretches = *last.stretches.start()..=place;
                last.width = last.width.max(right - last.left);
            }
            _ => {
                let left = left.min(1.0 - LEAST);
                marks.push(Mark { left, width: width.max(LEAST), stretches: place..=place });
            }
        }
    }
    marks
}

fn kind_of<'a, K>(stretches: &'a [Stretch<K>], mark: &Mark) -> &'a K {
    &stretches[*mark.stretches.end()].kind
}

/// A short stretch that begins where a short bar still is, or almost.
fn joins(mark: &Mark, left: f64, width: f64) -> bool {
    let short = |width: f64| width <= 2.0 * LEAST;
    let alone = mark.stretches.start() == mark.stretches.end();
    (!alone || short(mark.width)) && short(width) && left <= mark.left + mark.width + LEAST
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { from: 0, to: 1000, top: 1.0 };

    fn of(list: &[(i64, i64, bool)]) -> Vec<(usize, usize)> {
        let stretches: Vec<_> =
            list.iter().map(|(start, end, kind)| Stretch { start: *start, end: *end, kind: *kind }).collect();
        let marks = marks(&stretches, &FRAME);
        assert!(
            marks.iter().all(|mark| mark.left >= 0.0 && mark.left + mark.width <= 1.0 + 1e-9),
            "{marks:?}"
        );
        marks.into_iter().map(|mark| (*mark.stretches.start(), *mark.stretches.end())).collect()
    }

    #[test]
    fn long_ones_stand_alone() {
        assert_eq!(of(&[(0, 300, true), (301, 600, true), (601, 1000, true)]), [(0, 0), (1, 1), (2, 2)]);
    }

    #[test]
    fn a_crash_loop_is_one_bar() {
        let lives: Vec<_> = (0..40).map(|n| (n * 5, n * 5 + 1, false)).collect();
        assert_eq!(of(&lives), [(0, 39)]);
    }

    #[test]
    fn what_went_well_hides_no_failure() {
        assert_eq!(of(&[(0, 1, true), (5, 6, false), (9, 10, false)]), [(0, 0), (1, 2)]);
    }

    #[test]
    fn what_is_outside_is_left_out_and_what_reaches_in_is_cut() {
        assert_eq!(of(&[(-500, -100, true), (-50, 500, true), (1000, 5000, true)]), [(1, 1), (2, 2)]);
    }
}
