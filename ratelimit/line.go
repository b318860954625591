package ratelimit

import "container/list"

// waiter waits for its turn. It holds nothing.
type waiter struct {
	permit *Permit
	done   chan struct{} // closed when it may go
	since  int64
	weight weights // as known when it came
	place  *list.Element
}

// line is who waits, by class. Its methods cost the same however many wait.
type line struct {
	queues [classes]list.List // of *waiter
	sums   [classes]weights
	served [classes]float64 // virtual time of the classes: what went, times classCost
}

func (q *line) len() int { return q.queues[Interactive].Len() + q.queues[Batch].Len() }

func (q *line) join(w *waiter) {
	c := w.permit.demand.Class
	w.place = q.queues[c].PushBack(w)
	for i, n := range w.weight {
		q.sums[c][i] += n
	}
}

func (q *line) leave(w *waiter) {
	c := w.permit.demand.Class
	q.queues[c].Remove(w.place)
	for i, n := range w.weight {
		q.sums[c][i] -= n
	}
}

// first returns whose turn it is, nil if nobody waits.
func (q *line) first() *waiter {
	a, b := q.queues[Interactive].Front(), q.queues[Batch].Front()
	switch {
	case a == nil && b == nil:
		q.served = [classes]float64{}
		return nil
	case b == nil:
		q.served[Batch] = max(q.served[Batch], q.served[Interactive]) // idle time is not saved up
		return a.Value.(*waiter)
	case a == nil:
		q.served[Interactive] = max(q.served[Interactive], q.served[Batch])
		return b.Value.(*waiter)
	case q.served[Interactive] <= q.served[Batch]:
		return a.Value.(*waiter)
	default:
		return b.Value.(*waiter)
	}
}

// ahead returns what goes before somebody who joins now, at least: its own class, and the others' share of the meantime.
func (q *line) ahead(class Class) weights {
	sum := q.sums[class]
	for c := range q.sums {
		if Class(c) == class {
			continue
		}
		for i, n := range q.sums[c] {
			sum[i] += min(n, int64(float64(q.sums[class][i])*classCost[class]/classCost[c]))
		}
	}
	return sum
}
