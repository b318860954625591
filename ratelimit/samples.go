package ratelimit

import "slices"

const (
	keptSamples = 128
	// fewSamples of the ratio are believed already, because the answer corrects what they got wrong; of the output minSamples.
	fewSamples = 3
	minSamples = 5
)

// samples are the last values of something, in their order and sorted.
type samples struct {
	values []float64
	sorted []float64
	next   int
}

func (s *samples) add(v float64) {
	if len(s.values) < keptSamples {
		s.values = append(s.values, v)
	} else {
		old, _ := slices.BinarySearch(s.sorted, s.values[s.next])
		s.sorted = slices.Delete(s.sorted, old, old+1)
		s.values[s.next] = v
		s.next = (s.next + 1) % keptSamples
	}
	at, _ := slices.BinarySearch(s.sorted, v)
	s.sorted = slices.Insert(s.sorted, at, v)
}

func (s *samples) p95() float64 { return s.sorted[len(s.sorted)*95/100] }

func (l *learned) ratio() float64 {
	if len(l.ratios.values) >= fewSamples {
		return l.ratios.p95()
	}
	return firstRatio
}

func (l *learned) output() (p95 int64, known bool) {
	if len(l.outputs.values) >= minSamples {
		return int64(l.outputs.p95()), true
	}
	return firstOutput, false
}

// OutputP95 returns the 95th percentile of the output tokens seen; false before enough were.
func (l *Limiter) OutputP95() (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.learned.output()
}
