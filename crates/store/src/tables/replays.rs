//! `replays`: requests with a key that were begun, and what was answered to them.

use diesel::prelude::*;
use mantyx_core::{Result, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

use crate::fault::Doing;
use crate::schema::replays;
use crate::{Json, Read, Word, Write};

/// A row.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = replays)]
pub struct Replay {
    /// Whose key it is.
    pub token_id: Word<TokenId>,
    /// The key.
    pub key: String,
    /// The path of the request.
    pub path: String,
    /// A digest of its body; none where that is not looked at.
    pub body: Option<String>,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// What was answered.
    pub answer: Option<Json<Answer>>,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers that belong to it, by name.
    pub headers: Vec<(String, String)>,
    /// The text; none of one that is not kept.
    pub body: Option<String>,
}

/// The request with this key.
pub fn find(db: &mut Read<'_>, token: TokenId, key: &str) -> Result<Option<Replay>> {
    let query = replays::table.find((Word(token), key)).select(Replay::as_select());
    query.first(db.connection()).optional().doing("look up a request by its key")
}

/// Adds a request that is begun.
pub fn insert(tx: &mut Write<'_>, replay: &Replay) -> Result<()> {
    let row = diesel::insert_into(replays::table).values(replay);
    row.execute(tx.connection()).map(drop).doing("note a request with a key")
}

/// Keeps what was answered.
pub fn answer(tx: &mut Write<'_>, token: TokenId, key: &str, answer: Answer) -> Result<()> {
    let row = diesel::update(replays::table.find((Word(token), key))).set(replays::answer.eq(Json(answer)));
    row.execute(tx.connection()).map(drop).doing("keep the answer to a request")
}

/// Forgets a request.
pub fn delete(tx: &mut Write<'_>, token: TokenId, key: &str) -> Result<()> {
    let row = diesel::delete(replays::table.find((Word(token), key)));
    row.execute(tx.connection()).map(drop).doing("forget a request with a key")
}

/// Forgets what was begun before an instant, and of the rest all answered ones but the newest, this many. What has no
/// answer may be under way.
pub fn prune(tx: &mut Write<'_>, before: Timestamp, most: i64) -> Result<()> {
    let old = diesel::delete(replays::table.filter(replays::begun_at.lt(before)));
    old.execute(tx.connection()).doing("forget old requests")?;
    let answered = replays::table.filter(replays::answer.is_not_null());
    let query = answered.order(replays::begun_at.desc()).offset(most).limit(1).select(replays::begun_at);
    let newest: Option<Timestamp> = query.first(tx.connection()).optional().doing("count the requests")?;
    match newest {
        Some(newest) => {
            let rest = diesel::delete(answered.filter(replays::begun_at.le(newest)));
            rest.execute(tx.connection()).map(drop).doing("forget too many requests")
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use chrono::{DateTime, TimeDelta};

    #[test]
    fn an_answer_is_found_until_it_is_old_or_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("mantyx.db")).unwrap();
        let (token, begun) = (TokenId::generate(), DateTime::UNIX_EPOCH);
        let answered = Answer { status: 201, headers: vec![("location".into(), "/x".into())], body: None };
        let work = |tx: &mut Write<'_>| {
            for number in 0..6 {
                let (key, begun_at) = (number.to_string(), begun + TimeDelta::seconds(number));
                let (path, body) = ("/api/tokens".into(), Some("d1".into()));
                insert(tx, &Replay { token_id: Word(token), key, path, body, begun_at, answer: None })?;
            }
            for key in ["2", "3", "4", "5"] {
                answer(tx, token, key, answered.clone())?;
            }
            prune(tx, begun + TimeDelta::seconds(1), 2)?;
            let keys = ["0", "1", "2", "3", "4", "5"].map(|key| find(tx, token, key).unwrap());
            assert_eq!(keys.each_ref().map(Option::is_some), [false, true, false, false, true, true]);
            assert_eq!(keys[5].clone().unwrap().answer, Some(Json(answered.clone())));
            assert_eq!(find(tx, TokenId::generate(), "5")?, None);
            delete(tx, token, "5")?;
            assert_eq!(find(tx, token, "5")?, None);
            Ok(())
        };
        store.write(work).unwrap();
    }
}
