package setup_test

import (
	"testing"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/setup"
)

// A guess about models is none about what costs nothing; what the operator wrote holds for it.
func TestLimitsOfWhatCostsNothing(t *testing.T) {
	t.Parallel()
	for file, rpm := range map[string]int64{
		"":                                  0,
		"limits: {default_rpm: 20}":         20,
		"models: {\"(free)\": {rpm: 30}}":   30,
		"models: {\"(free)\": {rpm: none}}": 0,
	} {
		settings, err := setup.Config(load(t, map[string]string{"OPENAI_API_KEY": "k"}, file))
		if err != nil {
			t.Fatal(err)
		}
		free, _ := settings.Limits("openai", aurea.FreeModel, aurea.FreeModel)
		if free.RPM != rpm || free.TPM != 0 || free.GuessRPM || free.GuessTPM {
			t.Errorf("%q: %+v", file, free)
		}
		if other, _ := settings.Limits("openai", "gpt-4o", ""); other.TPM == 0 || other.RPM == 0 {
			t.Errorf("%q: a model has %+v", file, other)
		}
	}
}
