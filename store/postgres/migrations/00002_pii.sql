-- +goose Up

-- What becomes of personal data in a job's requests: nothing if empty, else mask or block.
ALTER TABLE job ADD COLUMN pii text COLLATE "C" NOT NULL DEFAULT '';
