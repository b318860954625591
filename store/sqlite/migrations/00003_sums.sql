-- +goose Up

-- A checksum of each row's values, computed by a function of Aurea's. It is written with the row and compared whenever the row is read.

-- How many transactions were committed to this database. Processes write the number down elsewhere too, so that lost ones are noticed.
CREATE TABLE tally (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    name    TEXT    NOT NULL,
    commits INTEGER NOT NULL,
    crc     INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO tally (id, name, commits) VALUES (1, lower(hex(randomblob(16))), 0);

UPDATE tally SET crc = aurea_sum('tally', name, commits);

ALTER TABLE counter ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
UPDATE counter SET crc = aurea_sum('counter', account, window_start, limit_dollars, limit_pico, closed, committed_dollars, committed_pico, spent_dollars, spent_pico, doubt_dollars, doubt_pico, wanted_until);

ALTER TABLE owner ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
UPDATE owner SET crc = aurea_sum('owner', id, epoch, state, pid, host, boot_id, joined, died);

ALTER TABLE lease ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
UPDATE lease SET crc = aurea_sum('lease', owner, counter, seq, granted, spent);

ALTER TABLE call ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
UPDATE call SET crc = aurea_sum('call', call, attempt, job, path, item, provider, model, upstream, api, status, outcome, error, input_tokens, cache_read, cache_write, output_tokens, reasoning, cost, doubt, bound, bound_kind, price_hash, price_from, request_id, started, ended);

ALTER TABLE doubt ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
UPDATE doubt SET crc = aurea_sum('doubt', owner, counter, call, attempt, amount, since, job, provider, model);

ALTER TABLE job ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
UPDATE job SET crc = aurea_sum('job', id, parent, state, reason, batch, simulated, source, fingerprint, runner, created, updated, pending, running, done, failed);

ALTER TABLE item ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
UPDATE item SET crc = aurea_sum('item', id, job, custom_id, lane, state, owner, attempt, tries, not_before);

ALTER TABLE item_body ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
UPDATE item_body SET crc = aurea_sum('item_body', id, url, body);

ALTER TABLE result ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
UPDATE result SET crc = aurea_sum('result', id, status, request_id, error_code, error_text, truncated, call, finished, body);

ALTER TABLE day_use ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
UPDATE day_use SET crc = aurea_sum('day_use', model, day, requests, tokens);
