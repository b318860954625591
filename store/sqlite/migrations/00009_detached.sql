-- +goose Up

-- Jobs that whoever is there works on.
ALTER TABLE job ADD COLUMN detached INTEGER NOT NULL DEFAULT 0 CHECK (detached IN (0, 1));
CREATE INDEX job_detached ON job (num) WHERE detached = 1 AND state IN ('pending', 'running');

-- A damaged row stays damaged.
UPDATE job SET crc = iif(
    crc = aurea_sum('job', id, parent, state, reason, batch, simulated, source, fingerprint, runner, created, updated, pii, pending, running, done, failed),
    aurea_sum('job', id, parent, state, reason, batch, simulated, source, fingerprint, runner, created, updated, pii, detached, pending, running, done, failed),
    -1);
