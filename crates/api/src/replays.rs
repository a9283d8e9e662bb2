//! What is known of requests with an `Idempotency-Key`: those that are under way, and the answers of those that were
//! carried out. This is the part that is kept in memory, with the secrets that some answers tell; beside it the database
//! keeps what the next daemon must know.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Bytes;
use mantyx_core::{Code, Error, Result, TokenId};
use mantyx_operations::{Answer, KeyedRequest};

/// How long an answer is kept.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// How many answers are kept, and how many bytes of them; the oldest go first.
const MOST: usize = 1_000;
const MOST_BYTES: usize = 4 << 20;

/// Where no answer tells a secret, of which the database has only digests. An address that is not named here is taken
/// for one that does.
const TELL_NO_SECRETS: [&str; 7] = [
    "/api/apps/",
    "/api/exports",
    "/api/imports",
    "/api/operations/",
    "/api/reconcile",
    "/api/schedules",
    "/api/trash/",
];

/// What tells one all the same: the webhook of an app.
const HOOK: &str = "/tracking/hook";

/// A key, which belongs to the token that it came with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) token: TokenId,
    pub(crate) text: String,
}

impl Key {
    /// The request with this key, for the database.
    pub(crate) fn request(&self, says: &Fingerprint) -> KeyedRequest {
        let (path, body) = (says.path.clone(), says.body.map(hex::encode));
        KeyedRequest { token: self.token, key: self.text.clone(), path, body }
    }
}

/// What a request says, to tell a retry from another request under the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) path: String,
    /// A digest of the body; none of a form, which is too long to read twice and has a new boundary each time.
    pub(crate) body: Option<[u8; 32]>,
}

/// An answer as it was given.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// None when it was too long to keep.
    pub(crate) body: Option<Bytes>,
}

impl Kept {
    /// The same for the database. A body that may tell a secret stays out of it.
    pub(crate) fn stored(&self, path: &str) -> Answer {
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = self.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let is_open = TELL_NO_SECRETS.iter().any(|open| path.starts_with(open)) && !path.ends_with(HOOK);
        let body = self.body.as_ref().filter(|_| is_open);
        let body = body.and_then(|body| String::from_utf8(body.to_vec()).ok());
        Answer { status: self.status.as_u16(), headers, body }
    }

    /// What the database has kept.
    pub(crate) fn of(stored: Answer) -> Self {
        let header = |(name, value): &(String, String)| Some((name.parse().ok()?, value.parse().ok()?));
        let headers = stored.headers.iter().filter_map(header).collect();
        let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK);
        Self { status, headers, body: stored.body.map(Bytes::from) }
    }
}

/// What a request finds under its key.
pub(crate) enum Begun {
    /// Nothing: it is to be carried out.
    First(Underway),
    /// The answer to the very same request.
    Again(Arc<Kept>),
}

/// All keys of this daemon.
#[derive(Default)]
pub(crate) struct Replays(Mutex<State>);

#[derive(Default)]
struct State {
    underway: HashMap<Key, Fingerprint>,
    kept: HashMap<Key, (Fingerprint, Arc<Kept>)>,
    /// The keys of what is kept, the oldest first.
    order: VecDeque<(Instant, Key)>,
    bytes: usize,
}

impl Replays {
    /// Begins a request, unless it was begun before.
    pub(crate) fn begin(self: &Arc<Self>, key: Key, fingerprint: Fingerprint, now: Instant) -> Result<Begun> {
        let mut state = self.state();
        state.drop_old(now);
        if let Some((before, kept)) = state.kept.get(&key) {
            refuse_other(before, &fingerprint)?;
            return Ok(Begun::Again(kept.clone()));
        }
        if let Some(before) = state.underway.get(&key) {
            refuse_other(before, &fingerprint)?;
            return Err(Error::new(Code::OperationInProgress, "A request with this key is under way")
                .hint("Send it again when that one has been answered"));
        }
        state.underway.insert(key.clone(), fingerprint);
        Ok(Begun::First(Underway { replays: self.clone(), key }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One key stands for one request.
pub(crate) fn refuse_other<T: PartialEq>(before: &T, now: &T) -> Result<()> {
    if before == now {
        return Ok(());
    }
    Err(Error::new(Code::Invalid, "Another request was sent with this `Idempotency-Key`")
        .hint("Make a new key for each request, and send the same one only to repeat it"))
}

impl State {
    fn keep(&mut self, key: &Key, kept: Kept, now: Instant) {
        let Some(fingerprint) = self.underway.remove(key) else { return };
        self.bytes += length(&kept);
        self.order.push_back((now, key.clone()));
        self.kept.insert(key.clone(), (fingerprint, Arc::new(kept)));
        while self.order.len() > MOST || self.bytes > MOST_BYTES {
            self.drop_oldest();
        }
    }

    fn drop_old(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| now.duration_since(*at) >= LIFE) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.order.pop_front().and_then(|(_, key)| self.kept.remove(&key));
        self.bytes -= oldest.map_or(0, |(_, kept)| length(&kept));
    }
}

fn length(kept: &Kept) -> usize {
    kept.body.as_ref().map_or(0, Bytes::len)
}

/// A request that is being carried out. Dropped without an answer to keep, it is as if it had never begun.
pub(crate) struct Underway {
    replays: Arc<Replays>,
    key: Key,
}

impl Underway {
    /// Ends it with this answer.
    pub(crate) fn keep(self, kept: Kept, now: Instant) {
        self.replays.state().keep(&self.key, kept, now);
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.replays.state().underway.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key { token: "01890000-0000-7000-8000-000000000000".parse().unwrap(), text: text.into() }
    }

    fn request(body: u8) -> Fingerprint {
        Fingerprint { path: "/api/tokens".into(), body: Some([body; 32]) }
    }

    fn answer(length: usize) -> Kept {
        Kept { status: StatusCode::CREATED, headers: Vec::new(), body: Some(vec![b'x'; length].into()) }
    }

    fn first(replays: &Arc<Replays>, text: &str, now: Instant) -> Underway {
        match replays.begin(key(text), request(1), now).unwrap() {
            Begun::First(underway) => underway,
            Begun::Again(_) => panic!("{text} was begun before"),
        }
    }

    fn is_kept(replays: &Arc<Replays>, text: &str, now: Instant) -> bool {
        matches!(replays.begin(key(text), request(1), now).unwrap(), Begun::Again(_))
    }

    /// How many answers are kept, and how many bytes of them.
    fn size(replays: &Arc<Replays>) -> (usize, usize) {
        let state = replays.state();
        (state.kept.len(), state.bytes)
    }

    fn refusal(replays: &Arc<Replays>, text: &str, body: u8, now: Instant) -> Code {
        replays.begin(key(text), request(body), now).err().unwrap().code()
    }

    #[test]
    fn a_request_is_begun_once_and_answered_for_a_day() {
        let (replays, now) = (Arc::new(Replays::default()), Instant::now());
        let underway = first(&replays, "a", now);
        assert_eq!(refusal(&replays, "a", 1, now), Code::OperationInProgress);
        assert_eq!(refusal(&replays, "a", 2, now), Code::Invalid);
        underway.keep(answer(3), now);
        assert!(is_kept(&replays, "a", now + LIFE.mul_f64(0.99)));
        assert_eq!(refusal(&replays, "a", 2, now), Code::Invalid);
        assert!(!is_kept(&replays, "a", now + LIFE));
        assert_eq!(replays.state().bytes, 0);
    }

    #[test]
    fn what_broke_off_can_be_begun_again() {
        let (replays, now) = (Arc::new(Replays::default()), Instant::now());
        drop(first(&replays, "a", now));
        drop(first(&replays, "a", now));
        assert!(replays.state().underway.is_empty());
    }

    #[test]
    fn the_database_gets_every_answer_but_for_secrets() {
        let headers = vec![(actix_web::http::header::LOCATION, HeaderValue::from_static("/api/apps/x"))];
        let kept = Kept { status: StatusCode::CREATED, headers, body: Some("{}".into()) };
        let again = Kept::of(kept.stored("/api/apps/upload/git"));
        assert_eq!((again.status, &again.headers, &again.body), (kept.status, &kept.headers, &kept.body));
        let document = serde_json::to_value(crate::document::openapi()).unwrap();
        let posts = document["paths"].as_object().unwrap().iter().filter(|(_, item)| !item["post"].is_null());
        let secrets = ["TokenAnswer", "TokenCreated", "LoginLink", "LiveTicket", "HookCreated"];
        let mut found: Vec<&str> = Vec::new();
        // A delivery of a webhook has no token, and so no key of one.
        let is_keyed = |path: &str| path.starts_with("/api/") && !crate::hooks::is_secret(path);
        for (path, item) in posts.filter(|(path, _)| is_keyed(path)) {
            let answers = item["post"]["responses"].to_string();
            let told = secrets.iter().find(|secret| answers.contains(&format!("/{secret}\"")));
            assert_eq!(kept.stored(path).body.is_none(), told.is_some(), "{path}");
            found.extend(told);
        }
        found.sort_unstable();
        assert_eq!(found, ["HookCreated", "LiveTicket", "LoginLink", "TokenAnswer", "TokenCreated"]);
    }

    #[test]
    fn keys_of_two_tokens_are_two_keys() {
        let (replays, now) = (Arc::new(Replays::default()), Instant::now());
        first(&replays, "a", now).keep(answer(0), now);
        let other = Key { token: TokenId::generate(), text: "a".into() };
        assert!(matches!(replays.begin(other, request(2), now), Ok(Begun::First(_))));
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_too_long_ones() {
        let (replays, now) = (Arc::new(Replays::default()), Instant::now());
        for number in 0..=MOST {
            first(&replays, &number.to_string(), now).keep(answer(1), now);
        }
        assert!(!is_kept(&replays, "0", now) && is_kept(&replays, "1", now));
        assert_eq!(size(&replays), (MOST, MOST));
        first(&replays, "long", now).keep(answer(MOST_BYTES - 1), now);
        assert_eq!(size(&replays), (2, MOST_BYTES));
    }
}
