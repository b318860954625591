package sqlite

import "strings"

// Every statement on data. Conditions such as "state = 1" are written out because SQLite uses a partial index only where it can
// see that its condition holds.
var (
	counterColumns = soundAs("counter", "c") + `, c.id, c.account, c.window_start, c.limit_dollars, c.limit_pico, c.closed,
	c.committed_dollars, c.committed_pico, c.spent_dollars, c.spent_pico, c.doubt_dollars, c.doubt_pico, c.wanted_until`

	qCounterInsert = insertValues("counter", summed["counter"],
		[]string{"?1", "?2", "?3", "?4", "0", "0", "0", "0", "0", "0", "0", "0"}, "ON CONFLICT DO NOTHING")
	qCounter    = `SELECT ` + counterColumns + ` FROM counter c WHERE c.id = ?`
	qCounterAll = `SELECT ` + counterColumns + ` FROM counter c ORDER BY c.id`
	qCounterPut = change("counter", "id = ?8", "committed_dollars", "?1", "committed_pico", "?2", "spent_dollars", "?3", "spent_pico", "?4",
		"doubt_dollars", "?5", "doubt_pico", "?6", "wanted_until", "?7")
	qCounterLimit        = change("counter", "id = ?3", "limit_dollars", "?1", "limit_pico", "?2")
	qCounterClosed       = change("counter", "id = ?2", "closed", "?1")
	qCounterCloseAccount = change("counter", "account = ?1", "closed", "1")

	leaseOrNone = `(l.counter IS NULL OR ` + soundAs("lease", "l") + `)`
	// One row per lease, or one with a NULL lease: a snapshot of counters with what their leases have spent.
	qCountersShown = `SELECT ` + counterColumns + `, l.spent, ` + leaseOrNone + ` FROM counter c LEFT JOIN lease l ON l.counter = c.id
	WHERE c.id IN (SELECT value FROM json_each(?)) ORDER BY c.id`
	qCounterShownByName = `SELECT ` + counterColumns + `, l.spent, ` + leaseOrNone + ` FROM counter c LEFT JOIN lease l ON l.counter = c.id
	WHERE c.account = ? AND c.window_start = ?`

	ownerColumns = sound("owner") + `, id, epoch, state, pid, host, boot_id, joined, died`
	qOwnerInsert = insertRow("owner", "")
	qOwner       = `SELECT ` + ownerColumns + ` FROM owner WHERE id = ?`
	qOwnerNum    = `SELECT num FROM owner WHERE id = ?`
	qOwnerPut    = change("owner", "id = ?4", "epoch", "?1", "state", "?2", "died", "?3")
	qOwnersIn    = `SELECT ` + ownerColumns + ` FROM owner WHERE state = ? ORDER BY joined, id`
	qOwners      = `SELECT ` + ownerColumns + ` FROM owner ORDER BY joined, id`

	leaseColumns = sound("lease") + `, counter, seq, granted, spent`
	qLease       = `SELECT ` + leaseColumns + ` FROM lease WHERE owner = ? AND counter = ?`
	qLeasesOf    = `SELECT ` + leaseColumns + ` FROM lease WHERE owner = ? ORDER BY counter`
	qLeaseSpent  = `SELECT ` + sound("lease") + `, spent FROM lease WHERE counter = ? AND spent > 0`
	qLeaseDelete = `DELETE FROM lease WHERE owner = ? AND counter = ?`
	qLeasePut    = insertRow("lease", `ON CONFLICT (counter, owner) DO UPDATE SET seq = excluded.seq, granted = excluded.granted,
	spent = excluded.spent, crc = excluded.crc`)
	qLeases = `SELECT ` + sound("lease") + `, owner, counter, seq, granted, spent FROM lease ORDER BY counter, owner`

	callColumns = sound("call") + `, id, ` + strings.Join(summed["call"], ", ")
	qCallInsert = insertSummed("call", "ON CONFLICT DO NOTHING")
	qCallHas    = `SELECT 1 FROM call WHERE call = ? AND attempt = ?`
	qCalls      = `SELECT ` + callColumns + ` FROM call WHERE id > ? ORDER BY id LIMIT ?`
	qCallsOfJob = `SELECT ` + callColumns + ` FROM call WHERE job = ? AND id > ? ORDER BY id LIMIT ?`
	// A model's calls are counted over distinct ids; costs are summed in two halves, because the sum of many costs may
	// pass an int64 of pico-dollars.
	qModelSums = `SELECT model, count(DISTINCT call), sum(attempt >= 0), sum(input_tokens + cache_read + cache_write),
	sum(output_tokens), sum(cost / 1000000000000), sum(cost % 1000000000000),
	sum(iif(own > 0, own, cost) / 1000000000000), sum(iif(own > 0, own, cost) % 1000000000000), min` + sound("call") + `
	FROM call WHERE job = ? GROUP BY model`

	// The calls that began in a time, by day and model, in a part of the table: so few rows at a time need no file to be sorted in.
	daySums = `SELECT started / 86400000000000 AS day, provider, iif(upstream = '', model, upstream) AS sent,
	sum(outcome = 'ok'), sum(outcome = 'estimated'), sum(outcome = 'cut'), sum(outcome IN ('error', 'unsent')),
	sum(outcome IN ('reconciled', 'expected')), sum(outcome = 'verified'),
	sum(outcome IN ('ok', 'estimated', 'cut', 'error') AND ended / 86400000000000 > started / 86400000000000),
	sum(input_tokens), sum(cache_read), sum(cache_write), sum(output_tokens), sum(cost / 1000000000000), sum(cost % 1000000000000),
	sum(iif(outcome = 'ok', cost / 1000000000000, 0)), sum(iif(outcome = 'ok', cost % 1000000000000, 0)),
	sum(iif(outcome = 'ok', bound / 1000000000000, 0)), sum(iif(outcome = 'ok', bound % 1000000000000, 0)), min` + sound("call") + `
	FROM call WHERE id > ?1 AND id <= ?2 AND +started >= ?3 AND +started < ?4 AND +started > 0`
	qDaySums        = daySums + ` GROUP BY day, provider, sent`
	qDaySumsWithout = daySums + ` AND NOT EXISTS (SELECT 1 FROM json_each(?5) WHERE instr(',' || call.path || ',', ',' || value || ',') > 0)
	GROUP BY day, provider, sent`
	qCallLast = `SELECT coalesce(max(id), 0) FROM call`

	doubtColumns = sound("doubt") + `, id, owner, counter, call, attempt, amount, since, job, provider, model, upstream, started`
	qDoubtInsert = insertRow("doubt", "")
	qDoubtAmount = change("doubt", "id = ?2", "amount", "?1")
	qDoubtDelete = `DELETE FROM doubt WHERE id = ?`
	qDoubtsOn    = `SELECT ` + doubtColumns + ` FROM doubt WHERE counter = ? ORDER BY id`
	qDoubtsOf    = `SELECT ` + doubtColumns + ` FROM doubt WHERE owner = ? ORDER BY id`
	qDoubts      = `SELECT ` + doubtColumns + ` FROM doubt ORDER BY id`
	// Every schema has these columns.
	qDoubtAmounts = `SELECT counter, amount FROM doubt`

	qUseModel = `INSERT INTO model_use (model, owner, at, held) VALUES (?, ?, ?, ?)
	ON CONFLICT (model, owner) DO UPDATE SET at = excluded.at, held = excluded.held`
	qModelHeld   = `SELECT coalesce(max(held), 0) FROM model_use WHERE model = ?`
	qModelLeft   = `SELECT coalesce(max(at), 0) FROM model_use WHERE model = ? AND owner NOT IN (SELECT id FROM owner WHERE state = 'live')`
	qModelForget = `DELETE FROM model_use WHERE model = ? AND owner NOT IN (SELECT id FROM owner WHERE state = 'live')`
	qModelUsers  = `SELECT count(*), coalesce(min(m.at), 0) FROM model_use m JOIN owner o ON o.id = m.owner
	WHERE m.model = ? AND m.at >= ? AND o.state = 'live'`

	qDayForget = `DELETE FROM day_use WHERE model = ? AND day < ?`
	qDayUse    = `SELECT coalesce(min` + sound("day_use") + `, 1), coalesce(sum(requests), 0), coalesce(sum(tokens), 0) FROM day_use WHERE model = ? AND day = ?`
	qDayPut    = insertRow("day_use", `ON CONFLICT (model, day) DO UPDATE SET requests = excluded.requests, tokens = excluded.tokens,
	crc = excluded.crc`)

	qTally    = `SELECT ` + sound("tally") + `, name, commits FROM tally WHERE id = 1`
	qTallyAdd = change("tally", "id = 1", "commits", "commits + 1") + ` RETURNING ` + sound("tally") + `, name, commits`

	jobColumns = sound("job") + `, num, ` + strings.Join(summed["job"], ", ")
	qJobInsert = insertValues("job", summed["job"],
		[]string{"?1", "?2", "?3", "?4", "?5", "?6", "?7", "?8", "?9", "?10", "?11", "?12", "?13", "0", "0", "0", "0"}, "")
	qJob          = `SELECT ` + jobColumns + ` FROM job WHERE id = ?`
	qJobsDetached = `SELECT ` + jobColumns + ` FROM job WHERE detached = 1 AND state IN ('pending', 'running') ORDER BY num`
	qJobs         = `SELECT ` + jobColumns + ` FROM job
	WHERE ?1 = '' OR state = ?1 ORDER BY created DESC, num DESC`
	qJobPut    = change("job", "num = ?6", "state", "?1", "reason", "?2", "fingerprint", "?3", "runner", "?4", "updated", "?5")
	qJobCounts = change("job", "num = ?5", "pending", "pending + ?1", "running", "running + ?2", "done", "done + ?3", "failed", "failed + ?4")
	qJobDelete = `DELETE FROM job WHERE num = ?`
	qJobWorker = `SELECT o.id FROM lane l JOIN item i ON i.lane = l.id AND i.state = 1 JOIN owner o ON o.num = i.owner
	WHERE l.job = ? AND o.state = 'live' LIMIT 1`
	qJobChild = `SELECT id FROM job WHERE parent = ? AND parent <> '' LIMIT 1`

	qLaneInsert = `INSERT INTO lane (job, name) VALUES (?, ?) ON CONFLICT DO NOTHING`
	qLane       = `SELECT id FROM lane WHERE job = ? AND name = ?`
	qLanesOpen  = `SELECT name FROM lane l WHERE job = ? AND (
		EXISTS (SELECT 1 FROM item i WHERE i.lane = l.id AND i.state = 0 AND i.not_before = 0) OR
		EXISTS (SELECT 1 FROM item i WHERE i.lane = l.id AND i.state = 0 AND i.not_before > 0) OR
		EXISTS (SELECT 1 FROM item i WHERE i.lane = l.id AND i.state = 1)) ORDER BY name`

	qItemInsert = insertValues("item", summed["item"],
		[]string{"?1", "?2", "?3", "?4", "0", "0", "0", "0", "?5"}, "ON CONFLICT (job, custom_id) DO NOTHING")
	qItemLast   = `SELECT COALESCE(MAX(id), 0) FROM item WHERE id > ? AND id < ?`
	itemAndBody = `(` + soundAs("item", "i") + ` AND ` + soundAs("item_body", "b") + `)`
	qItemKnown  = `SELECT ` + itemAndBody + `, i.id, b.url, b.body FROM item i LEFT JOIN item_body b ON b.id = i.id
	WHERE i.job = ? AND i.custom_id = ?`
	qBodyInsert = insertRow("item_body", "")

	qItemsDue   = change("item", "lane = ?1 AND state = 0 AND not_before > 0 AND not_before <= ?2", "not_before", "0")
	qItemsReady = `SELECT ` + itemAndBody + `, i.id, i.custom_id, i.attempt + 1, i.tries, b.url, b.body
	FROM item i LEFT JOIN item_body b ON b.id = i.id
	WHERE i.lane = ? AND i.state = 0 AND i.not_before = 0 ORDER BY i.id LIMIT ?`
	qItemsClaim = change("item", `id IN (
		SELECT id FROM item WHERE lane = ?2 AND state = 0 AND not_before = 0 ORDER BY id LIMIT ?3)`,
		"state", "1", "owner", "?1", "attempt", "attempt + 1")
	qItemEnd = change("item", "id = ?4 AND state = 1 AND owner = ?5 AND attempt = ?6",
		"state", "?1", "owner", "0", "tries", "tries + ?2", "not_before", "?3")
	qItemUnclaim = change("item", "id = ?2 AND state = 1 AND owner = ?3", "state", "0", "owner", "0", "not_before", "?1")
	// The first three are few: at most what is running.
	qItemsOfOwner    = `SELECT job, count(*) FROM item WHERE state = 1 AND owner = ? GROUP BY job`
	qItemsBack       = change("item", "state = 1 AND owner = ?1", "state", "0", "owner", "0")
	qItemsBackInJob  = change("item", "state = 1 AND owner = ?1 AND lane IN (SELECT id FROM lane WHERE job = ?2)", "state", "0", "owner", "0")
	qItemsBackOfDead = change("item", `state = 1 AND lane IN (SELECT id FROM lane WHERE job = ?1)
	AND owner NOT IN (SELECT num FROM owner WHERE state = 'live')`, "state", "0", "owner", "0")
	qNextReady = `SELECT 1 FROM item WHERE lane = ? AND state = 0 AND not_before = 0 LIMIT 1`
	qNextLater = `SELECT min(not_before) FROM item WHERE lane = ? AND state = 0 AND not_before > 0`

	qResetFailedResults = `DELETE FROM result WHERE id IN (SELECT id FROM item WHERE id > ? AND id < ? AND state = 3)`
	qResetFailed        = change("item", "id > ?1 AND id < ?2 AND state = 3", "state", "0", "tries", "0", "not_before", "0")
	qResetTruncated     = change("item", `state = 2 AND id IN (
		SELECT id FROM result WHERE truncated = 1 AND id > ?1 AND id < ?2)`, "state", "0", "tries", "0", "not_before", "0")
	qResetOrphans = `DELETE FROM result WHERE truncated = 1 AND id > ? AND id < ?
	AND id IN (SELECT id FROM item WHERE state = 0 AND id > ? AND id < ?)`

	qResultInsert = insertRow("result", "")
	qResults      = `SELECT (` + soundAs("item", "i") + ` AND ` + soundAs("result", "r") + `), i.id, i.custom_id, r.status, r.request_id,
	r.error_code, r.error_text, r.truncated, r.call, r.finished, r.body
	FROM item i LEFT JOIN result r ON r.id = i.id WHERE i.id > ? AND i.id < ? AND i.state = ? ORDER BY i.id LIMIT ?`

	qTrashInsert  = `INSERT INTO trash (num, job, last_call) VALUES (?, ?, (SELECT coalesce(max(id), 0) FROM call))`
	qTrash        = `SELECT num, job, last_call FROM trash ORDER BY num LIMIT 1`
	qTrashDelete  = `DELETE FROM trash WHERE num = ?`
	qTrashItems   = `DELETE FROM item WHERE id IN (SELECT id FROM item WHERE id > ? AND id < ? ORDER BY id LIMIT ?)`
	qTrashBodies  = `DELETE FROM item_body WHERE id IN (SELECT id FROM item_body WHERE id > ? AND id < ? ORDER BY id LIMIT ?)`
	qTrashResults = `DELETE FROM result WHERE id IN (SELECT id FROM result WHERE id > ? AND id < ? ORDER BY id LIMIT ?)`
	qTrashLanes   = `DELETE FROM lane WHERE job = ?`
	qTrashCalls   = change("call", "id IN (SELECT id FROM call WHERE job = ?1 AND id > ?2 AND id <= ?3 ORDER BY id LIMIT ?4)", "item", "0") +
		` RETURNING id`
)
