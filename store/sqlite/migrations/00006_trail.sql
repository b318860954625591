-- +goose Up

-- What was changed by hand, by whom. Values are JSON text.
CREATE TABLE trail (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    at           INTEGER NOT NULL,
    actor        TEXT    NOT NULL,
    remote       TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    before_value TEXT    NOT NULL,
    after_value  TEXT    NOT NULL,
    outcome      TEXT    NOT NULL,
    crc          INTEGER NOT NULL
) STRICT;

-- Calls are looked for by when they began.
CREATE INDEX call_started ON call (started);
