-- +goose Up

-- What processes have taken of limits per day: counted before it is used, so that a process that is killed can only have taken too much.
CREATE TABLE day_use (
    model    TEXT    NOT NULL,
    day      INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    tokens   INTEGER NOT NULL,
    PRIMARY KEY (model, day)
) STRICT, WITHOUT ROWID;
