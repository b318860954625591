-- +goose Up

-- What becomes of personal data in a job's requests: nothing if empty, else mask or block.
ALTER TABLE job ADD COLUMN pii TEXT NOT NULL DEFAULT '';

-- A damaged row stays damaged.
UPDATE job SET crc = iif(
    crc = aurea_sum('job', id, parent, state, reason, batch, simulated, source, fingerprint, runner, created, updated, pending, running, done, failed),
    aurea_sum('job', id, parent, state, reason, batch, simulated, source, fingerprint, runner, created, updated, pii, pending, running, done, failed),
    -1);
