//! What a niceness weighs.
//!
//! Niceness compares processes within one group only; between groups their weights decide. So what is said as a
//! niceness is given to the group of an app as the weight that the kernel gives to a single process of it.

/// The kernel's own table (`sched_prio_to_weight` in kernel/sched/core.c), from -20 to 19. Each step is about a
/// quarter more or less.
const WEIGHTS: [u64; 40] = [
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, //
    9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277, //
    1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, //
    110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
];

/// The weight on the scale of version 1 (`cpu.shares`), on which 1024 is usual.
pub(crate) fn shares(nice: i8) -> u64 {
    WEIGHTS[usize::from(nice.clamp(-20, 19).saturating_add(20).unsigned_abs())]
}

/// The weight on the scale of version 2 and of systemd (`cpu.weight`), on which 100 is usual.
pub(crate) fn weight(nice: i8) -> u64 {
    (shares(nice) * 100 / 1024).clamp(1, 10000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_is_usual_and_nicer_is_less() {
        assert_eq!((shares(0), weight(0)), (1024, 100));
        assert_eq!((shares(19), weight(19)), (15, 1));
        assert_eq!((shares(-20), weight(-20)), (88761, 8668));
        assert!((-20..19).all(|nice| shares(nice) > shares(nice + 1)));
    }
}
