-- +goose Up

-- Jobs that whoever is there works on.
ALTER TABLE job ADD COLUMN detached boolean NOT NULL DEFAULT false;
CREATE INDEX job_detached ON job (num) WHERE detached AND state IN ('pending', 'running');
