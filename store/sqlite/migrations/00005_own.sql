-- +goose Up

-- What a call costs by the price table, where the provider reports what he charged and that is what was booked; 0 where they are the same thing.
ALTER TABLE call ADD COLUMN own INTEGER NOT NULL DEFAULT 0 CHECK (own >= 0);

-- A damaged row stays damaged.
UPDATE call SET crc = iif(
    crc = aurea_sum('call', call, attempt, job, path, item, provider, model, upstream, api, status, outcome, error, input_tokens, cache_read, cache_write, output_tokens, reasoning, cost, doubt, bound, bound_kind, price_hash, price_from, request_id, started, ended),
    aurea_sum('call', call, attempt, job, path, item, provider, model, upstream, api, status, outcome, error, input_tokens, cache_read, cache_write, output_tokens, reasoning, cost, doubt, bound, bound_kind, price_hash, price_from, request_id, started, ended, own),
    -1);
