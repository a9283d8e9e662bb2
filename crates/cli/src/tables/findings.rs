//! What is not as it should be, as a table.

use mantyx_api_types::{Finding, Outcome};

use crate::output::table;

pub(crate) fn findings(findings: &[Finding]) -> String {
    let rows = findings.iter().map(|finding| {
        let app = finding.app.as_ref().map(ToString::to_string).unwrap_or_default();
        [app, finding.detail.clone(), outcome(finding.outcome).to_owned()]
    });
    table(["APP", "FOUND", "OUTCOME"], rows.collect(), "All is as it should be")
}

const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Repaired => "repaired",
        Outcome::Reported => "for you to decide",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::AppName;

    #[test]
    fn a_finding_is_a_row() {
        let missing = Finding {
            app: AppName::parse("weather").ok(),
            detail: "A link did not point to what is active".into(),
            outcome: Outcome::Repaired,
        };
        let stranger = Finding {
            app: None,
            detail: "The folder `/r/apps/x` belongs to no app".into(),
            outcome: Outcome::Reported,
        };
        let expected = "\
APP      FOUND                                     OUTCOME
weather  A link did not point to what is active    repaired
         The folder `/r/apps/x` belongs to no app  for you to decide";
        assert_eq!(findings(&[missing, stranger]), expected);
        assert_eq!(findings(&[]), "All is as it should be");
    }
}
