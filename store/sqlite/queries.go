package sqlite

// Every statement on data. Conditions such as "state = 1" are written out because SQLite uses a partial index only where it can
// see that its condition holds.
const (
	counterColumns = `c.id, c.account, c.window_start, c.limit_dollars, c.limit_pico, c.closed, c.committed_dollars,
	c.committed_pico, c.spent_dollars, c.spent_pico, c.doubt_dollars, c.doubt_pico, c.wanted_until`

	qCounterInsert = `INSERT INTO counter (account, window_start, limit_dollars, limit_pico) VALUES (?, ?, ?, ?)
	ON CONFLICT DO NOTHING`
	qCounter       = `SELECT ` + counterColumns + ` FROM counter c WHERE c.id = ?`
	qCounterByName = `SELECT ` + counterColumns + ` FROM counter c WHERE c.account = ? AND c.window_start = ?`
	qCounterAll    = `SELECT ` + counterColumns + ` FROM counter c ORDER BY c.id`
	qCounterPut    = `UPDATE counter SET committed_dollars = ?, committed_pico = ?, spent_dollars = ?, spent_pico = ?,
	doubt_dollars = ?, doubt_pico = ?, wanted_until = ? WHERE id = ?`
	qCounterLimit        = `UPDATE counter SET limit_dollars = ?, limit_pico = ? WHERE id = ?`
	qCounterClosed       = `UPDATE counter SET closed = ? WHERE id = ?`
	qCounterCloseAccount = `UPDATE counter SET closed = 1 WHERE account = ?`

	// One row per lease, or one with a NULL lease: a snapshot of counters with what their leases have spent.
	qCountersShown = `SELECT ` + counterColumns + `, l.spent FROM counter c LEFT JOIN lease l ON l.counter = c.id
	WHERE c.id IN (SELECT value FROM json_each(?)) ORDER BY c.id`
	qCounterShownByName = `SELECT ` + counterColumns + `, l.spent FROM counter c LEFT JOIN lease l ON l.counter = c.id
	WHERE c.account = ? AND c.window_start = ?`

	ownerColumns = `id, epoch, state, pid, host, boot_id, joined, died`
	qOwnerInsert = `INSERT INTO owner (` + ownerColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	qOwner       = `SELECT ` + ownerColumns + ` FROM owner WHERE id = ?`
	qOwnerNum    = `SELECT num FROM owner WHERE id = ?`
	qOwnerPut    = `UPDATE owner SET epoch = ?, state = ?, died = ? WHERE id = ?`
	qOwnersIn    = `SELECT ` + ownerColumns + ` FROM owner WHERE state = ? ORDER BY joined, id`
	qOwners      = `SELECT ` + ownerColumns + ` FROM owner ORDER BY joined, id`

	qLease       = `SELECT counter, seq, granted, spent FROM lease WHERE owner = ? AND counter = ?`
	qLeasesOf    = `SELECT counter, seq, granted, spent FROM lease WHERE owner = ? ORDER BY counter`
	qLeaseSpent  = `SELECT spent FROM lease WHERE counter = ? AND spent > 0`
	qLeaseDelete = `DELETE FROM lease WHERE owner = ? AND counter = ?`
	qLeasePut    = `INSERT INTO lease (owner, counter, seq, granted, spent) VALUES (?, ?, ?, ?, ?)
	ON CONFLICT (counter, owner) DO UPDATE SET seq = excluded.seq, granted = excluded.granted, spent = excluded.spent`
	qLeases = `SELECT owner, counter, seq, granted, spent FROM lease ORDER BY counter, owner`

	callColumns = `call, attempt, job, path, item, provider, model, upstream, api, status, outcome, error, input_tokens,
	cache_read, cache_write, output_tokens, reasoning, cost, doubt, bound, bound_kind, price_hash, price_from, request_id, started, ended`
	callValues  = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	qCallInsert = `INSERT INTO call (` + callColumns + `) VALUES ` + callValues + ` ON CONFLICT DO NOTHING`
	qCallHas    = `SELECT 1 FROM call WHERE call = ? AND attempt = ?`
	qCalls      = `SELECT id, ` + callColumns + ` FROM call WHERE id > ? ORDER BY id LIMIT ?`
	qCallsOfJob = `SELECT id, ` + callColumns + ` FROM call WHERE job = ? AND id > ? ORDER BY id LIMIT ?`
	// A model's calls are counted over distinct ids; costs are summed in two halves, because the sum of many costs may
	// pass an int64 of pico-dollars.
	qModelSums = `SELECT model, count(DISTINCT call), sum(attempt >= 0), sum(input_tokens + cache_read + cache_write),
	sum(output_tokens), sum(cost / 1000000000000), sum(cost % 1000000000000) FROM call WHERE job = ? GROUP BY model`

	doubtColumns = `id, owner, counter, call, attempt, amount, since, job, provider, model`
	qDoubtInsert = `INSERT INTO doubt (owner, counter, call, attempt, amount, since, job, provider, model)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	qDoubtAmount = `UPDATE doubt SET amount = ? WHERE id = ?`
	qDoubtDelete = `DELETE FROM doubt WHERE id = ?`
	qDoubtsOn    = `SELECT ` + doubtColumns + ` FROM doubt WHERE counter = ? ORDER BY id`
	qDoubtsOf    = `SELECT ` + doubtColumns + ` FROM doubt WHERE owner = ? ORDER BY id`
	qDoubts      = `SELECT ` + doubtColumns + ` FROM doubt ORDER BY id`

	qUseModel = `INSERT INTO model_use (model, owner, at) VALUES (?, ?, ?)
	ON CONFLICT (model, owner) DO UPDATE SET at = excluded.at`
	qModelLeft   = `SELECT coalesce(max(at), 0) FROM model_use WHERE model = ? AND owner NOT IN (SELECT id FROM owner WHERE state = 'live')`
	qModelForget = `DELETE FROM model_use WHERE model = ? AND owner NOT IN (SELECT id FROM owner WHERE state = 'live')`
	qModelUsers  = `SELECT count(*) FROM model_use m JOIN owner o ON o.id = m.owner
	WHERE m.model = ? AND m.at >= ? AND o.state = 'live'`

	qDayForget = `DELETE FROM day_use WHERE model = ? AND day < ?`
	qDayUse    = `SELECT coalesce(sum(requests), 0), coalesce(sum(tokens), 0) FROM day_use WHERE model = ? AND day = ?`
	qDayPut    = `INSERT INTO day_use (model, day, requests, tokens) VALUES (?, ?, ?, ?)
	ON CONFLICT (model, day) DO UPDATE SET requests = excluded.requests, tokens = excluded.tokens`

	jobColumns = `id, parent, state, reason, batch, simulated, source, fingerprint, runner, created, updated`
	qJobInsert = `INSERT INTO job (` + jobColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	qJob       = `SELECT num, ` + jobColumns + `, pending, running, done, failed FROM job WHERE id = ?`
	qJobs      = `SELECT num, ` + jobColumns + `, pending, running, done, failed FROM job
	WHERE ?1 = '' OR state = ?1 ORDER BY created DESC, num DESC`
	qJobPut    = `UPDATE job SET state = ?, reason = ?, fingerprint = ?, runner = ?, updated = ? WHERE num = ?`
	qJobCounts = `UPDATE job SET pending = pending + ?, running = running + ?, done = done + ?, failed = failed + ? WHERE num = ?`
	qJobDelete = `DELETE FROM job WHERE num = ?`
	qJobChild  = `SELECT id FROM job WHERE parent = ? AND parent <> '' LIMIT 1`

	qLaneInsert = `INSERT INTO lane (job, name) VALUES (?, ?) ON CONFLICT DO NOTHING`
	qLane       = `SELECT id FROM lane WHERE job = ? AND name = ?`
	qLanesOpen  = `SELECT name FROM lane l WHERE job = ? AND (
		EXISTS (SELECT 1 FROM item i WHERE i.lane = l.id AND i.state = 0 AND i.not_before = 0) OR
		EXISTS (SELECT 1 FROM item i WHERE i.lane = l.id AND i.state = 0 AND i.not_before > 0) OR
		EXISTS (SELECT 1 FROM item i WHERE i.lane = l.id AND i.state = 1)) ORDER BY name`

	qItemInsert = `INSERT INTO item (id, job, custom_id, lane, state, owner, attempt, tries, not_before)
	VALUES (?, ?, ?, ?, 0, 0, 0, 0, ?) ON CONFLICT (job, custom_id) DO NOTHING`
	qItemLast  = `SELECT COALESCE(MAX(id), 0) FROM item WHERE id > ? AND id < ?`
	qItemKnown = `SELECT i.id, b.url, b.body FROM item i JOIN item_body b ON b.id = i.id
	WHERE i.job = ? AND i.custom_id = ?`
	qBodyInsert = `INSERT INTO item_body (id, url, body) VALUES (?, ?, ?)`

	qItemsDue   = `UPDATE item SET not_before = 0 WHERE lane = ? AND state = 0 AND not_before > 0 AND not_before <= ?`
	qItemsReady = `SELECT i.id, i.custom_id, i.attempt + 1, i.tries, b.url, b.body FROM item i JOIN item_body b ON b.id = i.id
	WHERE i.lane = ? AND i.state = 0 AND i.not_before = 0 ORDER BY i.id LIMIT ?`
	qItemsClaim = `UPDATE item SET state = 1, owner = ?, attempt = attempt + 1 WHERE id IN (
		SELECT id FROM item WHERE lane = ? AND state = 0 AND not_before = 0 ORDER BY id LIMIT ?)`
	qItemEnd = `UPDATE item SET state = ?, owner = 0, tries = tries + ?, not_before = ?
	WHERE id = ? AND state = 1 AND owner = ? AND attempt = ?`
	qItemUnclaim = `UPDATE item SET state = 0, owner = 0, not_before = ? WHERE id = ? AND state = 1 AND owner = ?`
	// The first three are few: at most what is running.
	qItemsOfOwner    = `SELECT job, count(*) FROM item WHERE state = 1 AND owner = ? GROUP BY job`
	qItemsBack       = `UPDATE item SET state = 0, owner = 0 WHERE state = 1 AND owner = ?`
	qItemsBackInJob  = `UPDATE item SET state = 0, owner = 0 WHERE state = 1 AND owner = ? AND lane IN (SELECT id FROM lane WHERE job = ?)`
	qItemsBackOfDead = `UPDATE item SET state = 0, owner = 0 WHERE state = 1 AND lane IN (SELECT id FROM lane WHERE job = ?)
	AND owner NOT IN (SELECT num FROM owner WHERE state = 'live')`
	qNextReady = `SELECT 1 FROM item WHERE lane = ? AND state = 0 AND not_before = 0 LIMIT 1`
	qNextLater = `SELECT min(not_before) FROM item WHERE lane = ? AND state = 0 AND not_before > 0`

	qResetFailedResults = `DELETE FROM result WHERE id IN (SELECT id FROM item WHERE id > ? AND id < ? AND state = 3)`
	qResetFailed        = `UPDATE item SET state = 0, tries = 0, not_before = 0 WHERE id > ? AND id < ? AND state = 3`
	qResetTruncated     = `UPDATE item SET state = 0, tries = 0, not_before = 0 WHERE state = 2 AND id IN (
		SELECT id FROM result WHERE truncated = 1 AND id > ? AND id < ?)`
	qResetOrphans = `DELETE FROM result WHERE truncated = 1 AND id > ? AND id < ?
	AND id IN (SELECT id FROM item WHERE state = 0 AND id > ? AND id < ?)`

	qResultInsert = `INSERT INTO result (id, status, request_id, error_code, error_text, truncated, call, finished, body)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	qResults = `SELECT i.id, i.custom_id, r.status, r.request_id, r.error_code, r.error_text, r.truncated, r.call, r.finished, r.body
	FROM item i JOIN result r ON r.id = i.id WHERE i.id > ? AND i.id < ? AND i.state = ? ORDER BY i.id LIMIT ?`

	qTrashInsert  = `INSERT INTO trash (num, job, last_call) VALUES (?, ?, (SELECT coalesce(max(id), 0) FROM call))`
	qTrash        = `SELECT num, job, last_call FROM trash ORDER BY num LIMIT 1`
	qTrashDelete  = `DELETE FROM trash WHERE num = ?`
	qTrashItems   = `DELETE FROM item WHERE id IN (SELECT id FROM item WHERE id > ? AND id < ? ORDER BY id LIMIT ?)`
	qTrashBodies  = `DELETE FROM item_body WHERE id IN (SELECT id FROM item_body WHERE id > ? AND id < ? ORDER BY id LIMIT ?)`
	qTrashResults = `DELETE FROM result WHERE id IN (SELECT id FROM result WHERE id > ? AND id < ? ORDER BY id LIMIT ?)`
	qTrashLanes   = `DELETE FROM lane WHERE job = ?`
	qTrashCalls   = `UPDATE call SET item = 0 WHERE id IN (SELECT id FROM call WHERE job = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?)
	RETURNING id`
)
