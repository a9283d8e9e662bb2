//! Secrets: set by an administrator, sealed at rest, opened only to be sent to a host that they are for, and never told
//! to anybody.

use mantyx_api_types::{Page, SecretRequest, SecretView};
use mantyx_core::{Actor, AppName, Code, Error, EventKind, Origin, Result, SecretKind, SecretName, Subject};
use mantyx_ingest::{Credential, Secret as Hidden, Staged, host_of};
use mantyx_registry::tables::secrets::{self, Secret};
use mantyx_registry::{Change, Read, Word};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::alone::refuse_during_import;
use crate::mantyx::Mantyx;
use crate::work::{blocking, whole};

mod seal;

use seal::{Purpose, Seal};

/// No key and no token comes near it, in bytes.
const LONGEST: usize = 64 << 10;

/// What is sealed.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Content {
    Token { username: Option<String>, token: String },
    SshKey { private_key: String, passphrase: Option<String> },
    Text { text: String },
}

impl Mantyx {
    /// All secrets by name, without what they hold.
    pub async fn secrets(&self) -> Result<Page<SecretView>> {
        let items = self
            .registry()
            .read(|db| {
                let uses = secrets::uses(db)?;
                Ok(secrets::list(db)?.into_iter().map(|row| view(row, &uses)).collect())
            })
            .await?;
        Ok(Page { items, next_cursor: None })
    }

    /// Makes a secret, or replaces all of the one of this name.
    pub async fn set_secret(
        &self,
        actor: &Actor,
        name: &SecretName,
        request: SecretRequest,
    ) -> Result<SecretView> {
        let host = request.host.as_deref().map(tidy_host).transpose()?;
        refuse_for_any_host(request.kind, host.as_deref())?;
        let kind = request.kind;
        let content = content(request)?;
        let (mantyx, actor, name) = (self.clone(), actor.clone(), name.clone());
        whole(async move {
            let sealed = mantyx.sealed(&name, host.as_deref(), &content).await?;
            let set = move |change: &mut Change<'_, '_>| {
                refuse_during_import(change)?;
                let (set_at, set_by) = (change.now(), change.actor().to_string());
                let row = Secret { name: Word(name), kind: Word(kind), host, sealed, set_at, set_by };
                secrets::set(change, &row)?;
                record(change, EventKind::SecretSet, &row)?;
                Ok(view(row, &secrets::uses(change)?))
            };
            mantyx.registry().change(&actor, set).await
        })
        .await
    }

    /// Removes a secret that no app needs.
    pub async fn remove_secret(&self, actor: &Actor, name: &SecretName) -> Result<()> {
        let name = name.clone();
        let remove = move |change: &mut Change<'_, '_>| {
            let row = secrets::find(change, &name)?.ok_or_else(|| Error::not_found("secret", &name))?;
            refuse_in_use(&name, &users_of(&name, &secrets::uses(change)?))?;
            secrets::delete(change, &name)?;
            record(change, EventKind::SecretRemoved, &row)
        };
        self.registry().change(actor, remove).await
    }

    /// What opens a repository, where a secret is named for it.
    ///
    /// # Errors
    /// `invalid` where there is no such secret, or it is for another host or for something else.
    pub(crate) async fn credential(
        &self,
        url: &str,
        name: Option<&SecretName>,
    ) -> Result<Option<Credential>> {
        let Some(name) = name.cloned() else { return Ok(None) };
        let url = url.to_owned();
        let seal = Seal::at(self.layout().key());
        let find = {
            let name = name.clone();
            move |db: &mut Read<'_>| secrets::find(db, &name)
        };
        let open = move |row: Option<Secret>| {
            let row = row.ok_or_else(|| {
                Error::field("credential", format!("There is no secret `{name}`"))
                    .hint("An administrator sets it with `PUT /api/secrets/{name}`")
            })?;
            refuse_elsewhere(&row, &url)?;
            opened(&seal, &row).map(Some)
        };
        self.registry().read_then(find, open).await
    }

    async fn sealed(&self, name: &SecretName, host: Option<&str>, content: &Content) -> Result<Vec<u8>> {
        let text = serde_json::to_vec(content).map_err(|error| Error::internal("seal a secret", error))?;
        let (name, host) = (name.clone(), host.map(str::to_owned));
        let seal = Seal::at(self.layout().key());
        // Two first secrets at the same time must not make two keys.
        let _turn = self.inner().sealing.lock().await;
        blocking(move || seal.close(Purpose { name: &name, host: host.as_deref() }, &text)).await
    }
}

/// A source that was fetched, with the name of the secret that it took: nobody but us knows it.
pub(crate) fn fetched_with(mut staged: Staged, name: Option<SecretName>) -> Staged {
    if let Origin::Git { credential, .. } = &mut staged.origin {
        *credential = name;
    }
    staged
}

fn opened(seal: &Seal, row: &Secret) -> Result<Credential> {
    let purpose = Purpose { name: &row.name.0, host: row.host.as_deref() };
    let text = seal.open(purpose, &row.sealed)?;
    // What is wrong with it might show a part of it.
    let content = serde_json::from_slice(&text)
        .map_err(|_| Error::internal(format!("read the secret `{}`", row.name.0), "it has another form"))?;
    match content {
        Content::Token { username, token } => Ok(Credential::Token { username, token: Hidden::new(token) }),
        Content::SshKey { private_key, passphrase } => Ok(Credential::SshKey {
            private_key: Hidden::new(private_key),
            passphrase: passphrase.map(Hidden::new),
        }),
        Content::Text { .. } => {
            let detail = format!("The secret `{}` is a text: it opens no repository", row.name.0);
            Err(Error::field("credential", detail).hint("Name one of the kind `token` or `ssh_key`"))
        }
    }
}

/// Who asks for a token is told it, so that it names who may. A private key stays here, wherever it is used.
fn refuse_for_any_host(kind: SecretKind, host: Option<&str>) -> Result<()> {
    if kind != SecretKind::Token || host.is_some() {
        return Ok(());
    }
    let detail = "A token is for one host: whoever else asked for it would be told it";
    Err(Error::field("host", detail)
        .hint("Give the host of the repositories that it opens: `github.com`, or `git.example.org:8443`"))
}

/// A secret that is for one host goes to no other.
fn refuse_elsewhere(row: &Secret, url: &str) -> Result<()> {
    refuse_for_any_host(row.kind.0, row.host.as_deref())?;
    let Some(host) = &row.host else { return Ok(()) };
    if host_of(url)?.as_ref() == Some(host) {
        return Ok(());
    }
    let detail = format!("The secret `{}` is for `{host}` alone, and `{url}` is elsewhere", row.name.0);
    Err(Error::field("credential", detail).hint("Name a secret that is for this host"))
}

fn refuse_in_use(name: &SecretName, users: &[AppName]) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    let users: Vec<String> = users.iter().map(|app| format!("`{app}`")).collect();
    let detail = format!("The secret `{name}` is in use: {} comes with it", users.join(", "));
    Err(Error::new(Code::SecretInUse, detail)
        .hint("Update these from somewhere else or with another secret, or delete them, first"))
}

fn users_of(name: &SecretName, uses: &[(AppName, SecretName)]) -> Vec<AppName> {
    uses.iter().filter(|(_, used)| used == name).map(|(app, _)| app.clone()).collect()
}

fn view(row: Secret, uses: &[(AppName, SecretName)]) -> SecretView {
    SecretView {
        used_by: users_of(&row.name.0, uses),
        name: row.name.0,
        kind: row.kind.0,
        host: row.host,
        set_at: row.set_at,
        set_by: row.set_by,
    }
}

fn record(change: &mut Change<'_, '_>, kind: EventKind, row: &Secret) -> Result<()> {
    let name = row.name.0.to_string();
    let subject = Subject { kind: "secret".into(), id: name.clone(), name };
    change.record(kind, &subject, json!({ "kind": row.kind.0, "host": row.host }))
}

/// What is asked for, with each field where it belongs.
fn content(request: SecretRequest) -> Result<Content> {
    let SecretRequest { kind, value, username, passphrase, host: _ } = request;
    if value.trim().is_empty() {
        return Err(Error::field("value", "A secret holds something"));
    }
    if value.len() > LONGEST {
        return Err(Error::field("value", format!("A secret has at most {LONGEST} bytes")));
    }
    if username.is_some() && kind != SecretKind::Token {
        return Err(Error::field("username", "Only a token has a user name beside it"));
    }
    if passphrase.is_some() && kind != SecretKind::SshKey {
        return Err(Error::field("passphrase", "Only a private key is encrypted with one"));
    }
    Ok(match kind {
        SecretKind::Token => Content::Token { username, token: value },
        SecretKind::SshKey if !value.trim_start().starts_with("-----BEGIN ") => {
            let detail = "It does not begin as a private key does";
            return Err(Error::field("value", detail)
                .hint("Give the text of the file without `.pub`, from `-----BEGIN` to `-----END …-----`"));
        }
        SecretKind::SshKey => Content::SshKey { private_key: value, passphrase },
        SecretKind::Text => Content::Text { text: value },
    })
}

/// A host as it is compared.
fn tidy_host(text: &str) -> Result<String> {
    let host = text.trim().to_ascii_lowercase();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if host.is_empty() || !host.chars().all(allowed) {
        return Err(Error::field("host", format!("`{text}` is not a host"))
            .hint("Give the name alone: `github.com`, or `git.example.org:8443`"));
    }
    Ok(host)
}

#[cfg(test)]
mod tests;
