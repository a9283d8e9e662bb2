//! Time zones by their IANA names.

use chrono_tz::{TZ_VARIANTS, Tz};
use mantyx_core::{Code, Error, Result};

/// The least likeness (Jaro-Winkler, 0 to 1) at which another name may have been meant.
const LIKENESS: f64 = 0.8;

/// A zone by its name.
pub(crate) fn parse(name: &str) -> Result<Tz> {
    name.parse().map_err(|_| {
        let error = Error::new(Code::InvalidSchedule, format!("There is no time zone `{name}`"));
        match nearest(name) {
            Some(zone) => error.hint(format!("Did you mean `{}`?", zone.name())),
            None => error.hint("Give an IANA name such as `Europe/Berlin` or `UTC`"),
        }
    })
}

/// The IANA name of the machine's time zone; `UTC` when the machine does not say.
#[must_use]
pub fn local_timezone() -> String {
    let name = iana_time_zone::get_timezone().unwrap_or_default();
    parse(&name).map_or_else(|_| "UTC".to_owned(), |zone| zone.name().to_owned())
}

fn nearest(name: &str) -> Option<Tz> {
    let name = name.to_lowercase();
    // People know the city: `berlin` is as good as `europe/berlin`.
    let likeness = |zone: &Tz| {
        let known = zone.name().to_lowercase();
        let city = known.rsplit('/').next().unwrap_or(&known);
        strsim::jaro_winkler(&name, &known).max(strsim::jaro_winkler(&name, city))
    };
    let best = TZ_VARIANTS.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    best.filter(|zone| likeness(zone) >= LIKENESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_iana_names_and_guesses_near_ones() {
        assert_eq!(parse("America/New_York").unwrap(), Tz::America__New_York);
        let hint = |name: &str| parse(name).unwrap_err().hint_text().unwrap().to_owned();
        assert_eq!(hint("europe/berlin"), "Did you mean `Europe/Berlin`?");
        assert_eq!(hint("Berlin"), "Did you mean `Europe/Berlin`?");
        assert!(hint("").contains("IANA"));
    }

    #[test]
    fn the_zone_of_the_machine_is_one() {
        assert!(parse(&local_timezone()).is_ok());
    }
}
