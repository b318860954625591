// Package breaker keeps calls away from a provider's model that is failing.
//
// One breaker stands for one provider and model in the whole process, whoever calls it: [Registry.Get]. Calls go in two steps, because a streamed answer ends long after
// it began:
//
//	done, err := b.Allow()
//	if err != nil {
//		return err // *OpenError says when to come back
//	}
//	done(breaker.Success) // or Failure, or Excluded
//
// The state machine with its rolling window and its generations (a success begun before the circuit opened does not close it) is sony/gobreaker's; this package adds what it lacks:
// an open time that doubles, a ramp after recovery, a probe that cannot block for ever, and a registry.
package breaker
