package pricing

import (
	"fmt"
	"strconv"
)

// UnknownPriceError says that a model has no price, and how to give it one. Compare with errors.As.
type UnknownPriceError struct {
	Provider, Model string
	// Zero names the row that prices the model at nothing, if that is the reason: only the operator may say that a model is free.
	Zero string
	// Refused says why a row with prices does not count, if that is the reason; Zero names the row then.
	Refused string
}

// Error says what is missing, in one line.
func (e *UnknownPriceError) Error() string {
	name := strconv.Quote(e.Model)
	if e.Provider != "" {
		name += " at provider " + strconv.Quote(e.Provider)
	}
	if e.Refused != "" {
		return fmt.Sprintf("the price of model %s is unknown: the row %q has a price that no answer can be held against: %s", name, e.Zero, e.Refused)
	}
	if e.Zero != "" {
		return fmt.Sprintf("the price of model %s is unknown: the catalogue's row %q has a price of zero or none at all", name, e.Zero)
	}
	return "the price of model " + name + " is unknown"
}

// Hint returns the lines of configuration that would price the model.
func (e *UnknownPriceError) Hint() string {
	return fmt.Sprintf(`set its price in aurea.yaml, in US dollars per million tokens:
prices:
  overrides:
    %s: {input: "0.00", output: "0.00"}   # or {free: true} if it costs nothing`, strconv.Quote(e.Model))
}
