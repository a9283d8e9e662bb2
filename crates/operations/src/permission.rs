//! How far a caller reaches: what the address asks for, and what stands in a configuration.

use mantyx_core::{Code, Configuration, Error, NeedsAdmin, Result, Scope};
use mantyx_ingest::Reach;

use crate::mantyx::Caller;

impl Caller {
    /// Refuses a token that does not reach as far as `needed`.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn require(&self, needed: Scope) -> Result<()> {
        self.require_to(needed, "this needs")
    }

    /// Refuses what this token may not give an app, and other code for an app that was given more. `before` is what the
    /// app has, unless it is new or comes back.
    ///
    /// Who sets as whom an app runs, or what it runs as that, can become that user, root as well: that is for who may
    /// change Mantyx itself.
    ///
    /// # Errors
    /// `forbidden`, at the field.
    pub(crate) fn require_for(&self, wanted: &Configuration, before: Option<&Configuration>) -> Result<()> {
        let Some(change) = wanted.needs_admin(before) else { return Ok(()) };
        let (needed, field) = (Scope::Admin, change.field());
        let what = match change {
            NeedsAdmin::Gives(field) => format!("to set `{field}` needs"),
            NeedsAdmin::Runs { field, given } => {
                format!("to set `{field}` of an app that was given `{given}` needs")
            }
        };
        self.require_to(needed, &what)
            .map_err(|error| error.with_field(field, format!("Only the scope `{}` sets it", needed.as_str())))
    }

    /// Refuses to change the own files of an app that was given more than a token for apps may give. What an app reads
    /// can decide about what it runs, so it is as other code.
    ///
    /// # Errors
    /// `forbidden`.
    pub(crate) fn require_for_files(&self, active: &Configuration) -> Result<()> {
        let Some(given) = active.given() else { return Ok(()) };
        let what = format!("to change the files of an app that was given `{given}` needs");
        self.require_to(Scope::Admin, &what)
    }

    /// From where this token may import a repository.
    pub(crate) fn reach(&self) -> Reach {
        if self.token.scope.covers(Scope::Admin) { Reach::ThisMachine } else { Reach::Network }
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

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_api_types::TokenView;
    use mantyx_core::{Launch, Timestamp, TokenId};
    use serde_json::{Value, json};

    fn caller(scope: Scope) -> Caller {
        let token = TokenView {
            id: TokenId::generate(),
            name: "ci".into(),
            scope,
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
        };
        Caller { token, address: "::1".into() }
    }

    fn patched(before: &Configuration, patch: &Value) -> Configuration {
        before.patched(patch.as_object().unwrap()).unwrap()
    }

    #[test]
    fn a_token_for_apps_neither_gives_root_nor_runs_anything_as_root() {
        let plain = Configuration::new(Launch::parse("main.py").unwrap());
        let root = patched(&plain, &json!({"user": "root"}));
        let evil = patched(&root, &json!({"arguments": ["-c", "evil()"]}));
        let (operator, admin) = (caller(Scope::Operate), caller(Scope::Admin));
        for (wanted, before, field) in
            [(&root, Some(&plain), "user"), (&root, None, "user"), (&evil, Some(&root), "arguments")]
        {
            let refused = operator.require_for(wanted, before).unwrap_err();
            assert_eq!((refused.code(), refused.field_errors()[0].field.as_str()), (Code::Forbidden, field));
            assert!(refused.detail().contains("`ci`") && refused.detail().contains("`admin`"), "{refused}");
            admin.require_for(wanted, before).unwrap();
        }
        let why = operator.require_for(&evil, Some(&root)).unwrap_err();
        assert!(why.detail().contains("given `user`"), "{why}");
        operator.require_for(&patched(&root, &json!({"restart_limit": 1})), Some(&root)).unwrap();
    }

    #[test]
    fn only_an_administrator_reaches_repositories_of_this_machine() {
        assert_eq!(
            [Scope::Read, Scope::Operate, Scope::Admin].map(|scope| caller(scope).reach()),
            [Reach::Network, Reach::Network, Reach::ThisMachine]
        );
    }
}
