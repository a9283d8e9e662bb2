//! Requests with an `Idempotency-Key`, so that one that is sent again is not carried out twice, not even by the next
//! daemon.
//!
//! A request is noted before it is carried out. Nothing waits for the disk on that account: what the request itself
//! changes is written behind the note, so that no loss of power leaves the change without it.

use chrono::TimeDelta;
use mantyx_core::{Result, TokenId};
use mantyx_registry::tables::replays::{self, Replay};
use mantyx_registry::{Change, Word};

pub use mantyx_registry::tables::replays::Answer;

use crate::mantyx::Mantyx;

/// How long an answer is kept.
const LIFE: TimeDelta = TimeDelta::days(1);

/// How many answers are kept; the oldest go first.
const MOST: i64 = 1_000;

/// A request with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedRequest {
    /// Whose key it is.
    pub token: TokenId,
    /// The key.
    pub key: String,
    /// The path.
    pub path: String,
    /// A digest of the body; none where that is not looked at.
    pub body: Option<String>,
}

/// What was sent with a key before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// The request.
    pub request: KeyedRequest,
    /// What was answered; nothing when its daemon ended before that.
    pub answer: Option<Answer>,
}

impl Mantyx {
    /// Notes a request, unless there is one with its key: that is answered then.
    pub async fn begin_request(&self, request: &KeyedRequest) -> Result<Option<Recalled>> {
        let request = request.clone();
        let begin = move |change: &mut Change<'_, '_>| {
            let now = change.now();
            replays::prune(change, now - LIFE, MOST)?;
            if let Some(before) = replays::find(change, request.token, &request.key)? {
                return Ok(Some(recalled(before)));
            }
            let KeyedRequest { token, key, path, body } = request;
            let row = Replay { token_id: Word(token), key, path, body, begun_at: now, answer: None };
            replays::insert(change, &row).map(|()| None)
        };
        self.registry().note(begin).await
    }

    /// Keeps what was answered to a request.
    pub async fn keep_answer(&self, request: &KeyedRequest, answer: Answer) -> Result<()> {
        let (token, key) = (request.token, request.key.clone());
        self.registry().note(move |change| replays::answer(change, token, &key, answer)).await
    }

    /// Forgets a request that may be sent again as if it had never been.
    pub async fn forget_request(&self, request: &KeyedRequest) -> Result<()> {
        let (token, key) = (request.token, request.key.clone());
        self.registry().note(move |change| replays::delete(change, token, &key)).await
    }
}

fn recalled(row: Replay) -> Recalled {
    let Replay { token_id, key, path, body, answer, .. } = row;
    let request = KeyedRequest { token: token_id.0, key, path, body };
    Recalled { request, answer: answer.map(|answer| answer.0) }
}
