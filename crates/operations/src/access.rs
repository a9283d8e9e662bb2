//! Who may ask: the owner's token, log-ins, sessions, tokens, tickets.
//!
//! Secrets are 32 random bytes; only their SHA-256 is kept, except for the owner's, which stands in a file that only
//! the owner can read. The password is the one secret that a person thinks up, so it alone gets a slow hash.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use chrono::{TimeDelta, Utc};
use mantyx_api_types::{
    LiveTicket, NewPassword, NewToken, Page, TokenAnswer, TokenCreated, TokenForm, TokenView,
};
use mantyx_core::{Actor, Code, Error, EventKind, Result, Scope, Subject, TokenId};
use mantyx_platform::atomic;
use mantyx_registry::tables::principals::{self, Principal, PrincipalKind};
use mantyx_registry::tables::settings;
use mantyx_registry::{Memo, Registry, Word};
use mantyx_settings::{Layout, variables};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::mantyx::Mantyx;
use crate::throttle::Throttle;

/// The one user.
const USER: &str = "admin";
const SESSION: Duration = Duration::from_secs(30 * 24 * 3600);
const CODE_LIFE: Duration = Duration::from_secs(15 * 60);
const TICKET_LIFE: Duration = Duration::from_secs(30);
const SHORTEST_PASSWORD: usize = 12;

/// How many of those who come again and again are known without asking the database.
const KNOWN: usize = 1_000;

/// What lives only in memory: who came lately, codes and tickets that are good once, and failures.
#[derive(Default)]
pub(crate) struct Access {
    /// By the digest of the secret, until anything is written: whoever is revoked is unknown with the next request.
    known: Memo<[u8; 32], TokenView, KNOWN>,
    codes: Mutex<HashMap<String, Instant>>,
    tickets: Mutex<HashMap<String, (TokenView, Instant)>>,
    throttle: Mutex<Throttle>,
    /// One password is checked at a time: Argon2 takes much memory, and a failure must count before the next guess.
    one_by_one: tokio::sync::Mutex<()>,
}

impl Access {
    /// Makes the owner's token agree with its file, and the password with the environment.
    pub(crate) async fn open(registry: &Registry, layout: &Layout) -> Result<Self> {
        let secret = owner_secret(layout)?;
        let owner = principal(PrincipalKind::Owner, "owner", Scope::Admin, &secret, None);
        let password = std::env::var(variables::OWNER_PASSWORD).ok().filter(|p| !p.is_empty());
        let hash = match password {
            Some(password) => Some(hash_password(password).await?),
            None => None,
        };
        let work = move |change: &mut mantyx_registry::Change<'_, '_>| {
            principals::delete_expired(change, Utc::now())?;
            // The same secret is the same token: requests with a key are known by its id.
            let before = principals::find_by_hash(change, &owner.secret_hash)?;
            if before.is_none_or(|before| before.kind.0 != PrincipalKind::Owner) {
                principals::delete_kind(change, PrincipalKind::Owner)?;
                principals::insert(change, &owner)?;
            }
            hash.map_or(Ok(()), |hash| settings::set(change, settings::PASSWORD, &hash))
        };
        registry.change(&Actor::Mantyx, work).await?;
        Ok(Self::default())
    }
}

impl Mantyx {
    /// The principal behind a bearer token.
    pub async fn authenticate(&self, bearer: &str) -> Result<TokenView> {
        let token = self.known(Sha256::digest(bearer.as_bytes()).into()).await?;
        if token.expires_at.is_none_or(|end| end > Utc::now()) {
            return Ok(token);
        }
        Err(Error::new(Code::Unauthenticated, "The token has ended").hint("Log in again"))
    }

    /// The principal with a secret of this digest, whether it has ended or not.
    async fn known(&self, digest: [u8; 32]) -> Result<TokenView> {
        let (known, version) = (&self.inner().access.known, self.registry().version());
        if let Some(token) = known.get(version, &digest, |_| true) {
            return Ok(token);
        }
        let look_up = async {
            let hash = hex::encode(digest);
            let found = self.registry().read(move |db| principals::find_by_hash(db, &hash)).await?;
            let unknown = || Error::new(Code::Unauthenticated, "The token is not known").hint("Log in again");
            found.map(view).ok_or_else(unknown)
        };
        known.work_out(version, digest, |_| true, look_up).await
    }

    /// Logs a person in by the password.
    pub async fn log_in(&self, form: &TokenForm, address: &str) -> Result<TokenAnswer> {
        let _turn = self.inner().access.one_by_one.lock().await;
        self.not_too_often(address)?;
        let stored = self.registry().read(|db| settings::get(db, settings::PASSWORD)).await?;
        let Some(stored) = stored else {
            return Err(Error::new(Code::Invalid, "No password is set")
                .hint("Log in by the link of `mantyx login-link`, then set one; or start with `MANTYX_OWNER_PASSWORD`"));
        };
        let right = verify_password(form.password.clone(), stored).await? && form.username == USER;
        self.log_in_if(right, address, "The user name or the password is wrong").await
    }

    /// Logs a browser in by the one-time code of a link.
    pub async fn redeem_code(&self, code: &str, address: &str) -> Result<TokenAnswer> {
        self.not_too_often(address)?;
        let until = held(&self.inner().access.codes).remove(&digest(code));
        let right = until.is_some_and(|until| until > Instant::now());
        self.log_in_if(right, address, "The code is wrong, used up or older than 15 minutes").await
    }

    /// A code that logs one browser in, within a quarter of an hour.
    pub fn login_code(&self) -> Result<String> {
        let code = secret("code")?;
        let mut codes = held(&self.inner().access.codes);
        codes.retain(|_, until| *until > Instant::now());
        codes.insert(digest(&code), Instant::now() + CODE_LIFE);
        Ok(code)
    }

    /// Sets the password of `admin`, and ends every browser's session.
    pub async fn set_password(&self, actor: &Actor, new: &NewPassword) -> Result<()> {
        if new.password.chars().count() < SHORTEST_PASSWORD {
            let detail = format!("A password has at least {SHORTEST_PASSWORD} characters");
            return Err(Error::field("password", detail));
        }
        let hash = hash_password(new.password.clone()).await?;
        let work = move |change: &mut mantyx_registry::Change<'_, '_>| {
            settings::set(change, settings::PASSWORD, &hash)?;
            principals::delete_kind(change, PrincipalKind::Session)?;
            change.record(EventKind::PasswordSet, &subject("password", USER, USER), json!({}))
        };
        self.registry().change(actor, work).await
    }

    /// The tokens that people made.
    pub async fn tokens(&self) -> Result<Page<TokenView>> {
        let rows = self.registry().read(principals::tokens).await?;
        Ok(Page { items: rows.into_iter().map(view).collect(), next_cursor: None })
    }

    /// Makes a token; its secret is shown this once.
    pub async fn create_token(&self, actor: &Actor, new: NewToken) -> Result<TokenCreated> {
        if new.name.trim().is_empty() {
            return Err(Error::field("name", "A token needs a name, so that it can be told from others"));
        }
        let secret = secret("token")?;
        let expires = new.expires_in.map(Duration::from_secs);
        let row = principal(PrincipalKind::Token, new.name.trim(), new.scope, &secret, expires);
        let token = view(row.clone());
        let work = move |change: &mut mantyx_registry::Change<'_, '_>| {
            principals::insert(change, &row)?;
            let subject = subject("token", &row.id.0.to_string(), &row.name);
            change.record(EventKind::TokenCreated, &subject, json!({ "scope": row.scope.0 }))
        };
        self.registry().change(actor, work).await?;
        Ok(TokenCreated { token, secret })
    }

    /// Ends a token at once.
    pub async fn revoke_token(&self, actor: &Actor, id: TokenId) -> Result<()> {
        let work = move |change: &mut mantyx_registry::Change<'_, '_>| {
            let gone = principals::delete(change, id)?.ok_or_else(|| Error::not_found("token", id))?;
            change.record(EventKind::TokenRevoked, &subject("token", &id.to_string(), &gone.name), json!({}))
        };
        self.registry().change(actor, work).await
    }

    /// A ticket for one WebSocket, which cannot send a bearer token.
    pub fn issue_ticket(&self, token: &TokenView) -> Result<LiveTicket> {
        let ticket = secret("ticket")?;
        let mut tickets = held(&self.inner().access.tickets);
        tickets.retain(|_, (_, until)| *until > Instant::now());
        tickets.insert(digest(&ticket), (token.clone(), Instant::now() + TICKET_LIFE));
        Ok(LiveTicket { ticket })
    }

    /// Whose ticket it is; it is used up by this.
    pub fn redeem_ticket(&self, ticket: &str) -> Result<TokenView> {
        let found = held(&self.inner().access.tickets).remove(&digest(ticket));
        found.filter(|(_, until)| *until > Instant::now()).map(|(token, _)| token).ok_or_else(|| {
            Error::new(Code::Unauthenticated, "The ticket is wrong, used up or older than half a minute")
                .hint("Ask for a new one with `POST /api/live/ticket`")
        })
    }

    fn not_too_often(&self, address: &str) -> Result<()> {
        match held(&self.inner().access.throttle).wait(address, Instant::now()) {
            None => Ok(()),
            Some(wait) => {
                let seconds = wait.as_secs() + 1;
                Err(Error::new(Code::SlowDown, "Too many attempts to log in have failed")
                    .hint(format!("Try again in {seconds} s")))
            }
        }
    }

    async fn log_in_if(&self, right: bool, address: &str, otherwise: &str) -> Result<TokenAnswer> {
        let actor = Actor::Token { name: USER.into(), address: address.into() };
        let login = subject("login", USER, USER);
        if !right {
            held(&self.inner().access.throttle).failed(address, Instant::now());
            let record = move |change: &mut mantyx_registry::Change<'_, '_>| {
                change.record(EventKind::LoginFailed, &login, json!({}))
            };
            self.registry().change(&actor, record).await?;
            return Err(Error::new(Code::WrongCredentials, otherwise));
        }
        held(&self.inner().access.throttle).succeeded(address);
        let secret = secret("session")?;
        let session = principal(PrincipalKind::Session, USER, Scope::Admin, &secret, Some(SESSION));
        let record = move |change: &mut mantyx_registry::Change<'_, '_>| {
            principals::insert(change, &session)?;
            change.record(EventKind::LoginSucceeded, &login, json!({}))
        };
        self.registry().change(&actor, record).await?;
        Ok(TokenAnswer { access_token: secret, token_type: "bearer".into(), expires_in: SESSION.as_secs() })
    }
}

/// The owner's token: from the environment, else from its file, else a new one.
fn owner_secret(layout: &Layout) -> Result<String> {
    let path = layout.owner_token();
    if let Some(given) = std::env::var(variables::OWNER_TOKEN).ok().filter(|token| !token.is_empty()) {
        atomic::write(&path, format!("{given}\n").as_bytes(), 0o600)?;
        return Ok(given);
    }
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Ok(_) => make_owner_secret(&path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_owner_secret(&path),
        Err(error) => Err(Error::io(format!("read the owner's token `{}`", path.display()), error)),
    }
}

fn make_owner_secret(path: &std::path::Path) -> Result<String> {
    let secret = secret("owner")?;
    atomic::write(path, format!("{secret}\n").as_bytes(), 0o600)?;
    Ok(secret)
}

/// 32 random bytes; the prefix says to people and to scanners what it is.
pub(crate) fn secret(kind: &str) -> Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::internal("make a secret", std::io::Error::from(error)))?;
    Ok(format!("mantyx_{kind}_{}", hex::encode(bytes)))
}

pub(crate) fn digest(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

fn principal(
    kind: PrincipalKind,
    name: &str,
    scope: Scope,
    secret: &str,
    life: Option<Duration>,
) -> Principal {
    let now = Utc::now();
    let life = life.map(|life| TimeDelta::from_std(life).unwrap_or(TimeDelta::MAX));
    Principal {
        id: Word(TokenId::generate()),
        kind: Word(kind),
        name: name.to_owned(),
        scope: Word(scope),
        secret_hash: digest(secret),
        created_at: now,
        expires_at: life.and_then(|life| now.checked_add_signed(life)),
    }
}

fn view(row: Principal) -> TokenView {
    TokenView {
        id: row.id.0,
        name: row.name,
        scope: row.scope.0,
        created_at: row.created_at,
        expires_at: row.expires_at,
    }
}

fn subject(kind: &str, id: &str, name: &str) -> Subject {
    Subject { kind: kind.into(), id: id.into(), name: name.into() }
}

async fn hash_password(password: String) -> Result<String> {
    let work = move || {
        let hash = Argon2::default().hash_password(password.as_bytes());
        hash.map(|hash| hash.to_string()).map_err(|e| Error::internal("hash the password", e.to_string()))
    };
    slow(work).await
}

async fn verify_password(password: String, stored: String) -> Result<bool> {
    let work = move || {
        let hash =
            PasswordHash::new(&stored).map_err(|e| Error::internal("read the password", e.to_string()))?;
        Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    };
    slow(work).await
}

/// Argon2 takes a processor for tens of milliseconds: not on the threads that answer requests.
async fn slow<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.unwrap_or_else(|error| Err(Error::internal("check a password", error)))
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
