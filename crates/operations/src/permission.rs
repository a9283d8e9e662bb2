//! How far a caller reaches: what the address asks for, and what stands in a configuration.

use mantyx_core::{Code, Configuration, Error, Result, Scope};

use crate::mantyx::Caller;

impl Caller {
    /// Refuses a token that does not reach as far as `needed`.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn require(&self, needed: Scope) -> Result<()> {
        self.require_to(needed, "this needs")
    }

    /// Refuses what this token may not give an app. `before` is what the app has, unless it is new or comes back.
    ///
    /// Who sets as whom an app runs can become that user, root as well: that is for who may change Mantyx itself.
    ///
    /// # Errors
    /// `forbidden`, at the field.
    pub(crate) fn require_for(&self, wanted: &Configuration, before: Option<&Configuration>) -> Result<()> {
        let Some(field) = wanted.needs_admin(before) else { return Ok(()) };
        let needed = Scope::Admin;
        self.require_to(needed, &format!("to set `{field}` needs"))
            .map_err(|error| error.with_field(field, format!("Only the scope `{}` sets it", needed.as_str())))
    }

    fn require_to(&self, needed: Scope, what: &str) -> Result<()> {
        if self.token.scope.covers(needed) {
            return Ok(());
        }
        let (name, scope) = (&self.token.name, self.token.scope.as_str());
        let detail = format!("The token `{name}` is for `{scope}`, and {what} `{}`", needed.as_str());
        Err(Error::new(Code::Forbidden, detail).hint("Use a token that reaches further"))
    }
}
