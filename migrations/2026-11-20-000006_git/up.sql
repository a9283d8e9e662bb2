-- What opens private repositories. What is sealed can be read with the key in `config/key` only, and only under this name.
CREATE TABLE secrets (
    name   TEXT PRIMARY KEY NOT NULL,
    kind   TEXT NOT NULL CHECK (kind IN ('token', 'ssh_key', 'text')),
    host   TEXT,
    sealed BLOB NOT NULL,
    set_at TIMESTAMP NOT NULL,
    set_by TEXT NOT NULL
);

-- How the git origin of an app is followed. Updates are made with the scope of whoever set it, as long as the app comes
-- from where it came from then, and the token that set it is good: none is named where the owner did.
CREATE TABLE trackings (
    app_id       TEXT PRIMARY KEY NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    mode         TEXT NOT NULL CHECK (mode IN ('off', 'notify', 'apply')),
    cron         TEXT,
    reference    TEXT,
    scope        TEXT NOT NULL,
    token_id     TEXT,
    of_url       TEXT NOT NULL,
    of_reference TEXT,
    set_at       TIMESTAMP NOT NULL,
    set_by       TEXT NOT NULL,
    hook_hash    TEXT,
    hook_made_at TIMESTAMP,
    checked_at   TIMESTAMP,
    found        TEXT,
    problem      TEXT,
    told         TEXT,
    tried        TEXT,
    waiting      BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE UNIQUE INDEX trackings_hook ON trackings (hook_hash) WHERE hook_hash IS NOT NULL;
