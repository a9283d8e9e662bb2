//! What the property tests draw. A check that draws by chance says another thing of the same commit now and then, so
//! they all begin at one seed; `--explore` looks where no run has looked before.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

/// Where proptest reads its seed from.
pub(super) const SEED_VARIABLE: &str = "PROPTEST_RNG_SEED";

/// Where every run begins. Of no meaning, but that it stays.
const SEED: u64 = 8420;

/// How many cases each test tries when it explores: the costliest ones take a minute or two.
const CASES: u32 = 4096;

/// The cases of the property tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Draws {
    /// The same in every run, as many as each test says.
    Same,
    /// Others, and more.
    Other(u64),
}

impl Draws {
    /// From a seed that nobody has chosen.
    pub(super) fn by_chance() -> Self {
        Self::Other(RandomState::new().hash_one(()))
    }

    /// What proptest reads. It goes before what a test says of itself. A seed that a person gives goes before ours.
    pub(super) fn variables(self, given: Option<&str>) -> Vec<(&'static str, String)> {
        let seed = |seed: u64| (SEED_VARIABLE, given.map_or_else(|| seed.to_string(), str::to_owned));
        match self {
            Self::Same => vec![seed(SEED)],
            Self::Other(chance) => vec![seed(chance), ("PROPTEST_CASES", CASES.to_string())],
        }
    }
}

/// As a shell takes it, to draw the same again.
impl fmt::Display for Draws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> =
            self.variables(None).iter().map(|(name, value)| format!("{name}={value}")).collect();
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_for_checks_and_others_for_exploration() {
        assert_eq!(Draws::Same.to_string(), "PROPTEST_RNG_SEED=8420");
        assert_eq!(Draws::Other(7).to_string(), "PROPTEST_RNG_SEED=7 PROPTEST_CASES=4096");
        assert_ne!(Draws::by_chance(), Draws::by_chance());
        assert_eq!(Draws::Same.variables(Some("7")), [(SEED_VARIABLE, "7".to_owned())], "drawn once more");
    }
}
