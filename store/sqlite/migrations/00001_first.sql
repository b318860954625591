-- +goose Up

-- Money totals are pairs of whole dollars and pico-dollars; single amounts are pico-dollars. Times are nanoseconds since
-- 1970 in UTC, 0 for none.

CREATE TABLE counter (
    id                INTEGER PRIMARY KEY,
    account           TEXT    NOT NULL,
    window_start      INTEGER NOT NULL,
    limit_dollars     INTEGER NOT NULL,
    limit_pico        INTEGER NOT NULL,
    closed            INTEGER NOT NULL DEFAULT 0,
    committed_dollars INTEGER NOT NULL DEFAULT 0,
    committed_pico    INTEGER NOT NULL DEFAULT 0,
    spent_dollars     INTEGER NOT NULL DEFAULT 0,
    spent_pico        INTEGER NOT NULL DEFAULT 0,
    doubt_dollars     INTEGER NOT NULL DEFAULT 0,
    doubt_pico        INTEGER NOT NULL DEFAULT 0,
    wanted_until      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, window_start)
) STRICT;

-- num is what items refer to; it is shorter than the id.
CREATE TABLE owner (
    num     INTEGER PRIMARY KEY AUTOINCREMENT,
    id      TEXT    NOT NULL UNIQUE,
    epoch   INTEGER NOT NULL,
    state   TEXT    NOT NULL,
    pid     INTEGER NOT NULL,
    host    TEXT    NOT NULL,
    boot_id TEXT    NOT NULL,
    joined  INTEGER NOT NULL,
    died    INTEGER NOT NULL
) STRICT;

CREATE TABLE lease (
    counter INTEGER NOT NULL REFERENCES counter (id),
    owner   TEXT    NOT NULL REFERENCES owner (id),
    seq     INTEGER NOT NULL,
    granted INTEGER NOT NULL CHECK (granted >= 0),
    spent   INTEGER NOT NULL CHECK (spent >= 0 AND spent <= granted),
    PRIMARY KEY (counter, owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX lease_owner ON lease (owner);

CREATE TABLE call (
    id            INTEGER PRIMARY KEY,
    call          TEXT    NOT NULL,
    attempt       INTEGER NOT NULL,
    job           TEXT    NOT NULL,
    path          TEXT    NOT NULL,
    item          INTEGER NOT NULL,
    provider      TEXT    NOT NULL,
    model         TEXT    NOT NULL,
    upstream      TEXT    NOT NULL,
    api           TEXT    NOT NULL,
    status        INTEGER NOT NULL,
    outcome       TEXT    NOT NULL,
    error         TEXT    NOT NULL,
    input_tokens  INTEGER NOT NULL,
    cache_read    INTEGER NOT NULL,
    cache_write   INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning     INTEGER NOT NULL,
    cost          INTEGER NOT NULL CHECK (cost >= 0),
    doubt         INTEGER NOT NULL CHECK (doubt >= 0),
    bound         INTEGER NOT NULL,
    bound_kind    TEXT    NOT NULL,
    price_hash    TEXT    NOT NULL,
    price_from    TEXT    NOT NULL,
    request_id    TEXT    NOT NULL,
    started       INTEGER NOT NULL,
    ended         INTEGER NOT NULL,
    UNIQUE (call, attempt)
) STRICT;
CREATE INDEX call_job ON call (job);

CREATE TABLE doubt (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    owner    TEXT    NOT NULL REFERENCES owner (id),
    counter  INTEGER NOT NULL REFERENCES counter (id),
    call     TEXT    NOT NULL,
    attempt  INTEGER NOT NULL,
    amount   INTEGER NOT NULL CHECK (amount > 0),
    since    INTEGER NOT NULL,
    job      TEXT    NOT NULL,
    provider TEXT    NOT NULL,
    model    TEXT    NOT NULL
) STRICT;
CREATE INDEX doubt_owner ON doubt (owner);
CREATE INDEX doubt_counter ON doubt (counter);

CREATE TABLE model_use (
    model TEXT    NOT NULL,
    owner TEXT    NOT NULL,
    at    INTEGER NOT NULL,
    PRIMARY KEY (model, owner)
) STRICT, WITHOUT ROWID;

-- The four counts are kept by every statement that moves items, so that progress costs nothing to read.
CREATE TABLE job (
    num         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT    NOT NULL UNIQUE,
    parent      TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    batch       INTEGER NOT NULL,
    simulated   INTEGER NOT NULL,
    source      TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    runner      TEXT    NOT NULL,
    created     INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    pending     INTEGER NOT NULL DEFAULT 0,
    running     INTEGER NOT NULL DEFAULT 0,
    done        INTEGER NOT NULL DEFAULT 0,
    failed      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX job_parent ON job (parent) WHERE parent <> '';

CREATE TABLE lane (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    job  INTEGER NOT NULL,
    name TEXT    NOT NULL,
    UNIQUE (job, name)
) STRICT;

-- id is the job's num shifted left by 32 bits plus the item's number, so the table itself is in input order. state is 0
-- pending, 1 running, 2 done, 3 failed; the partial indexes hold only what is open and shrink as work is done.
CREATE TABLE item (
    id         INTEGER PRIMARY KEY,
    job        INTEGER NOT NULL,
    custom_id  TEXT    NOT NULL,
    lane       INTEGER NOT NULL,
    state      INTEGER NOT NULL,
    owner      INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    UNIQUE (job, custom_id)
) STRICT;
CREATE INDEX item_ready ON item (lane) WHERE state = 0 AND not_before = 0;
CREATE INDEX item_later ON item (lane, not_before) WHERE state = 0 AND not_before > 0;
CREATE INDEX item_running ON item (lane, owner) WHERE state = 1;

CREATE TABLE item_body (
    id   INTEGER PRIMARY KEY,
    url  TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE result (
    id         INTEGER PRIMARY KEY,
    status     INTEGER NOT NULL,
    request_id TEXT    NOT NULL,
    error_code TEXT    NOT NULL,
    error_text TEXT    NOT NULL,
    truncated  INTEGER NOT NULL,
    call       TEXT    NOT NULL,
    finished   INTEGER NOT NULL,
    body       BLOB    NOT NULL
) STRICT;
CREATE INDEX result_truncated ON result (id) WHERE truncated = 1;

-- Jobs that were removed and whose rows are still to be deleted, little by little.
CREATE TABLE trash (
    num       INTEGER PRIMARY KEY,
    job       TEXT    NOT NULL,
    last_call INTEGER NOT NULL
) STRICT;
