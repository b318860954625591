package batch

// Ending returns why the run is about to end, "" while it goes on. What Run returns may differ: the last calls on the wire may have finished the job.
func (r *Runner) Ending() Ended {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}
