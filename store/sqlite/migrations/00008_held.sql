-- +goose Up

-- Until when the provider has told those who use a model to send nothing, 0 if it has not; each row has the latest that its owner knew.
ALTER TABLE model_use ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
