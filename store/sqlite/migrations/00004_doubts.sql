-- +goose Up

-- What a doubt's call was sent to, and when: a call that was on the wire when its process died has no row, and only with both can a provider's books be asked.
ALTER TABLE doubt ADD COLUMN upstream TEXT NOT NULL DEFAULT '';
ALTER TABLE doubt ADD COLUMN started INTEGER NOT NULL DEFAULT 0;

-- A damaged row stays damaged.
UPDATE doubt SET crc = -1
WHERE crc <> aurea_sum('doubt', owner, counter, call, attempt, amount, since, job, provider, model);
UPDATE doubt SET
    upstream = coalesce((SELECT c.upstream FROM call c WHERE c.call = doubt.call AND c.attempt = doubt.attempt), ''),
    started = coalesce((SELECT c.started FROM call c WHERE c.call = doubt.call AND c.attempt = doubt.attempt), 0)
WHERE call <> '';
UPDATE doubt SET crc = aurea_sum('doubt', owner, counter, call, attempt, amount, since, job, provider, model, upstream, started)
WHERE crc <> -1;
