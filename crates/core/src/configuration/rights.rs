//! What of a configuration is for administrators alone.
//!
//! A token for apps may give an app whatever every app has. More than that, such as another user or a place before
//! everybody else's processes, is for who may change Mantyx itself. And what an app runs, runs with what the app was
//! given: so once an administrator gave it more, what decides about its code is for administrators too. Otherwise
//! whoever may not become root would only have to change the command of an app that is root.
//!
//! To switch such an app on and off, to run it and to install it stays with who operates apps: none of these says
//! what is run.

use super::Configuration;
use crate::health::Probe;

/// What of a change only the scope `admin` may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedsAdmin {
    /// The field gives an app more than a token for apps may give.
    Gives(&'static str),
    /// The field decides about the code of an app that was given more.
    Runs {
        /// What decides.
        field: &'static str,
        /// What the app was given.
        given: &'static str,
    },
}

impl NeedsAdmin {
    /// The field that only the scope `admin` sets here.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Gives(field) | Self::Runs { field, .. } => field,
        }
    }
}

impl Configuration {
    /// The first field by which this configuration goes further, against the one before it, than a token for apps may.
    /// `before` is none for what is new, or comes back.
    #[must_use]
    pub fn needs_admin(&self, before: Option<&Self>) -> Option<NeedsAdmin> {
        let Some(before) = before else { return self.given().map(NeedsAdmin::Gives) };
        let more = self.gives_more_than(before).map(NeedsAdmin::Gives);
        more.or_else(|| {
            let (field, given) = (self.runs_other_than(before)?, self.given()?);
            Some(NeedsAdmin::Runs { field, given })
        })
    }

    /// The first field by which an app has more than a token for apps may give. Other code for an app that has
    /// something here, by whatever way it comes, is for the scope `admin`.
    #[must_use]
    pub fn given(&self) -> Option<&'static str> {
        let below_zero = |value: Option<i16>| value.is_some_and(|value| value < 0);
        first([
            ("user", self.user.is_some()),
            ("groups", !self.groups.is_empty()),
            ("limits.nice", below_zero(self.limits.nice.map(i16::from))),
            ("limits.oom_score", below_zero(self.limits.oom_score)),
        ])
    }

    /// Whose files an app can reach is nobody else's to change, in either direction.
    fn gives_more_than(&self, before: &Self) -> Option<&'static str> {
        let lowered =
            |value: Option<i16>, old: Option<i16>| value != old && value.is_some_and(|value| value < 0);
        let (now, then) = (self.limits, before.limits);
        first([
            ("user", self.user != before.user),
            ("groups", self.groups != before.groups),
            ("limits.nice", lowered(now.nice.map(i16::from), then.nice.map(i16::from))),
            ("limits.oom_score", lowered(now.oom_score, then.oom_score)),
        ])
    }

    /// Each of these can make a process run what somebody wrote into it: a variable such as `PYTHONSTARTUP`, an
    /// argument such as `-c`, and the folder, which is where modules are looked for first. The command line of a health
    /// check runs as the app does.
    fn runs_other_than(&self, before: &Self) -> Option<&'static str> {
        let is_command = matches!(self.health.probe, Probe::Exec { .. });
        first([
            ("entrypoint", self.entrypoint != before.entrypoint),
            ("arguments", self.arguments != before.arguments),
            ("working_directory", self.working_directory != before.working_directory),
            ("env", self.env != before.env),
            ("python", self.python != before.python),
            ("health.probe", is_command && self.health.probe != before.health.probe),
        ])
    }
}

fn first<const N: usize>(fields: [(&'static str, bool); N]) -> Option<&'static str> {
    fields.into_iter().find_map(|(field, holds)| holds.then_some(field))
}

#[cfg(test)]
mod tests;
