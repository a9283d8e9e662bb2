-- Requests with an `Idempotency-Key`, for a day: what was answered, or nothing while they are carried out. A daemon that
-- finds one of an earlier daemon without an answer cannot know how far it went. Answers that tell a secret are not kept.
CREATE TABLE replays (
    token_id TEXT NOT NULL,
    key      TEXT NOT NULL,
    path     TEXT NOT NULL,
    body     TEXT,
    begun_at TIMESTAMP NOT NULL,
    answer   TEXT,
    PRIMARY KEY (token_id, key)
) WITHOUT ROWID;

CREATE INDEX replays_age ON replays (begun_at);
