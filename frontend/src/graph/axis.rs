//! Where the lines of a grid stand: at round numbers of what is measured, and at round times of the clock.

/// An axis that begins at 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    /// Where it ends.
    pub(crate) top: f64,
    /// Its lines, without 0.
    pub(crate) ticks: Vec<f64>,
}

/// The most lines that an axis has.
const LINES: f64 = 4.0;

/// The least that an axis of processors shows, so that the noise of an idle app does not look like work.
const LEAST_CPU: f64 = 0.08;

/// The same of memory, in bytes.
const LEAST_MEMORY: f64 = 4_194_304.0;

/// An axis of processors, up to at least `most`: steps of 2, 5 and 10 percent of one, and ten times those.
pub(crate) fn cpu_axis(most: f64) -> Axis {
    let (mut unit, mut step) = (0.01, 0.02);
    let most = most.max(LEAST_CPU);
    while most > LINES * step {
        step = match step / unit {
            factor if factor < 3.0 => 5.0 * unit,
            factor if factor < 7.0 => 10.0 * unit,
            _ => 20.0 * unit,
        };
        if step / unit > 15.0 {
            unit *= 10.0;
        }
    }
    axis(most, step)
}

/// An axis of bytes, up to at least `most`: steps are powers of two.
pub(crate) fn memory_axis(most: f64) -> Axis {
    let most = most.max(LEAST_MEMORY);
    let mut step = 1_048_576.0;
    while most > LINES * step {
        step *= 2.0;
    }
    axis(most, step)
}

fn axis(most: f64, step: f64) -> Axis {
    let mut ticks = Vec::new();
    let mut at = 0.0;
    // What is a hair above a line ends there: sums of binary fractions are never exact.
    while at + step * 1e-6 < most {
        at += step;
        ticks.push(at);
    }
    Axis { top: at, ticks }
}

/// The instants between two others, in milliseconds, at which a clock shows a multiple of `step`: `offset` is how
/// many milliseconds that clock is ahead of UTC.
pub(crate) fn time_ticks(from: i64, to: i64, step: i64, offset: i64) -> Vec<i64> {
    let first = (from + offset).div_euclid(step) * step - offset;
    (0..).map(|count| first + count * step).skip_while(|at| *at < from).take_while(|at| *at <= to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::number;

    #[test]
    fn processors_have_round_steps() {
        let tops = [0.0, 0.09, 0.3, 1.0, 1.3, 7.0, 64.0].map(|most| {
            let axis = cpu_axis(most);
            assert!(axis.top >= most && axis.ticks.len() <= 4, "{most}: {axis:?}");
            number::processors(axis.top)
        });
        assert_eq!(tops, ["8.0 %", "10 %", "30 %", "100 %", "150 %", "800 %", "8000 %"]);
    }

    #[test]
    fn memory_has_steps_of_powers_of_two() {
        const MIB: f64 = 1_048_576.0;
        let tops =
            [0.0, 4.1, 100.0, 1024.0, 1025.0].map(|most| number::tenths(memory_axis(most * MIB).top / MIB));
        assert_eq!(tops, ["4.0", "6.0", "128.0", "1024.0", "1536.0"]);
    }

    #[test]
    fn times_are_round_on_the_clock_of_the_reader() {
        const HOUR: i64 = 3_600_000;
        // Half an hour ahead of UTC, as in parts of India.
        assert_eq!(time_ticks(0, 3 * HOUR, HOUR, HOUR / 2), [HOUR / 2, 3 * HOUR / 2, 5 * HOUR / 2]);
        assert_eq!(time_ticks(HOUR, 2 * HOUR, HOUR, 0), [HOUR, 2 * HOUR]);
        assert_eq!(time_ticks(1, 2, HOUR, 0), Vec::<i64>::new());
    }
}
