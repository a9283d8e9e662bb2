//! `events`: the append-only record, sealed by a chain of hashes.

use diesel::prelude::*;
use mantyx_core::{Actor, EventKind, Result, Subject, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::fault::Doing;
use crate::schema::events;
use crate::{Json, Read, Word, Write};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = events)]
pub struct Event {
    /// Counted from 1 without gaps.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Json<Actor>,
    /// The kind of the subject.
    pub subject_kind: String,
    /// The id of the subject.
    pub subject_id: String,
    /// What people call the subject.
    pub subject_name: String,
    /// What happened.
    pub kind: Word<EventKind>,
    /// The particulars.
    pub payload: Json<Value>,
    /// The hash of the record before this one; empty for the first.
    pub previous_hash: String,
    /// SHA-256 over the previous hash and the canonical JSON of this record.
    pub hash: String,
}

/// Appends a record.
pub fn append(
    tx: &mut Write<'_>,
    at: Timestamp,
    actor: &Actor,
    subject: &Subject,
    kind: EventKind,
    payload: Value,
) -> Result<Event> {
    let previous = newest(tx)?;
    // The column keeps microseconds: what is hashed must be what is read back.
    let at = chrono::SubsecRound::trunc_subsecs(at, 6);
    let mut event = Event {
        sequence: previous.as_ref().map_or(1, |e| e.sequence + 1),
        at,
        actor: Json(actor.clone()),
        subject_kind: subject.kind.clone(),
        subject_id: subject.id.clone(),
        subject_name: subject.name.clone(),
        kind: Word(kind),
        payload: Json(payload),
        previous_hash: previous.map(|e| e.hash).unwrap_or_default(),
        hash: String::new(),
    };
    event.hash = hash(&event);
    insert(tx, &event)?;
    Ok(event)
}

fn insert(tx: &mut Write<'_>, event: &Event) -> Result<()> {
    let row = (
        events::sequence.eq(event.sequence),
        events::at.eq(event.at),
        events::actor.eq(&event.actor),
        events::subject_kind.eq(&event.subject_kind),
        events::subject_id.eq(&event.subject_id),
        events::subject_name.eq(&event.subject_name),
        events::kind.eq(event.kind),
        events::payload.eq(&event.payload),
        events::previous_hash.eq(&event.previous_hash),
        events::hash.eq(&event.hash),
    );
    diesel::insert_into(events::table).values(row).execute(tx.connection()).map(drop).doing("record an event")
}

/// The newest record.
pub fn newest(db: &mut Read<'_>) -> Result<Option<Event>> {
    let query = events::table.order(events::sequence.desc()).select(Event::as_select());
    query.first(db.connection()).optional().doing("read the newest event")
}

/// Records after a sequence, the oldest first.
pub fn after(db: &mut Read<'_>, sequence: i64, limit: i64) -> Result<Vec<Event>> {
    let query = events::table
        .filter(events::sequence.gt(sequence))
        .order(events::sequence)
        .limit(limit)
        .select(Event::as_select());
    query.load(db.connection()).doing("list the events")
}

/// Records before a sequence, or all of them, the newest first.
pub fn before(db: &mut Read<'_>, sequence: Option<i64>, limit: i64) -> Result<Vec<Event>> {
    let query = events::table
        .filter(events::sequence.lt(sequence.unwrap_or(i64::MAX)))
        .order(events::sequence.desc())
        .limit(limit)
        .select(Event::as_select());
    query.load(db.connection()).doing("list the newest events")
}

/// The sequence of the first record whose hash does not follow from the one before it.
pub fn first_break(db: &mut Read<'_>) -> Result<Option<i64>> {
    const BATCH: i64 = 1000;
    let (mut sequence, mut previous) = (0, String::new());
    loop {
        let batch = after(db, sequence, BATCH)?;
        let Some(last) = batch.last() else { return Ok(None) };
        sequence = last.sequence;
        for event in &batch {
            if event.previous_hash != previous || event.hash != hash(event) {
                return Ok(Some(event.sequence));
            }
            previous.clone_from(&event.hash);
        }
    }
}

/// `serde_json` writes the keys of an object in order, which makes its text canonical.
fn hash(event: &Event) -> String {
    let record = json!({
        "sequence": event.sequence,
        "at": event.at.timestamp_micros(),
        "actor": event.actor.0,
        "subject": [event.subject_kind, event.subject_id, event.subject_name],
        "kind": event.kind.0,
        "payload": event.payload.0,
    });
    let mut hasher = Sha256::new();
    hasher.update(event.previous_hash.as_bytes());
    hasher.update(record.to_string().as_bytes());
    hex::encode(hasher.finalize())
}
