package cli

import (
	"fmt"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/money"
)

// planView is what `plan --json` writes: one object. Its names are a contract.
type planView struct {
	Source string `json:"source"`
	// Complete is false if some requests are not in the figures: their cost is unknown, or reading was interrupted.
	Complete    bool           `json:"complete"`
	BadLines    int64          `json:"bad_lines"`
	Bytes       int64          `json:"bytes"`
	Total       planSumView    `json:"total"`
	Models      []planModel    `json:"models"`
	Unknown     []planUnknown  `json:"unknown_prices"`
	WallSeconds float64        `json:"wall_seconds"`
	Binding     *planLimit     `json:"binding_limit"`
	Limits      []planLimit    `json:"limits"`
	MaxCost     *money.Sum     `json:"max_cost_usd"`
	Assumptions []assumption   `json:"assumptions"`
	IDs         planIDsChecked `json:"ids"`
	Error       *failure       `json:"error,omitempty"`
}

type planSumView struct {
	Requests    int64     `json:"requests"`
	InExpected  int64     `json:"input_tokens_expected"`
	InMost      int64     `json:"input_tokens_max"`
	OutExpected int64     `json:"output_tokens_expected"`
	OutMost     int64     `json:"output_tokens_max"`
	Least       money.Sum `json:"min_usd"`
	Expected    money.Sum `json:"expected_usd"`
	Most        money.Sum `json:"max_usd"`
	BatchSaves  money.Sum `json:"batch_saves_usd"`
	FlexSaves   money.Sum `json:"flex_saves_usd"`
	OverLimit   int64     `json:"over_limit_requests"`
}

type planModel struct {
	Model   string   `json:"model"`
	Targets []string `json:"targets"`
	planSumView
}

type planUnknown struct {
	Model    string `json:"model"`
	Requests int64  `json:"requests"`
	Message  string `json:"message"`
	Hint     string `json:"hint"`
}

type planLimit struct {
	Limit   string  `json:"limit"`
	Target  *string `json:"target"`
	Value   int64   `json:"value"`
	Keys    int64   `json:"keys"`
	Default bool    `json:"default"`
	Key     *string `json:"config_key"`
	Seconds float64 `json:"seconds"`
}

type planIDsChecked struct {
	Unchecked int64 `json:"unchecked"`
}

// assumption is what a figure rests on.
type assumption struct {
	Figure string `json:"figure"`
	Text   string `json:"text"`
}

func (v *planned) assumptions() []assumption {
	return []assumption{
		{"minimum", "every request is answered; a token of input a message, cached; no output."},
		{"expected", "4 bytes of a request a token of input, none cached; output half of a cap that a line has, an eighth of one that Aurea puts in."},
		{"maximum", "what aurea run would hold, request by request, if each is billed once; an attempt whose answer is lost may be billed besides."},
		{"batch, flex", "the expected cost at the provider's own prices for these."},
		{"time", fmt.Sprintf("a call takes %v and writes %d tokens a second; no failures, and the limits to itself.", aurea.PlanLatency, aurea.PlanSpeed)},
	}
}

func (v *planned) view() *planView {
	view := &planView{
		Source: v.source, Complete: len(v.Unknown) == 0 && !v.partial, BadLines: v.Bad, Bytes: v.Bytes, Total: viewSum(&v.Total),
		Models: []planModel{}, Unknown: []planUnknown{}, Limits: []planLimit{}, WallSeconds: v.Wall.Seconds(), MaxCost: v.limit, Assumptions: v.assumptions(),
		IDs: planIDsChecked{v.Unchecked},
	}
	for i := range v.Models {
		m := &v.Models[i]
		view.Models = append(view.Models, planModel{Model: m.Model, Targets: m.Targets, planSumView: viewSum(&m.PlanSum)})
	}
	for _, u := range v.Unknown {
		view.Unknown = append(view.Unknown, planUnknown{u.Model, u.Requests, u.Message, u.Hint})
	}
	for _, l := range v.Limits {
		view.Limits = append(view.Limits, planLimit{l.Name, orNull(l.Place), l.Value, l.Keys, l.Guess, orNull(raiseKey(l)), l.Takes.Seconds()})
	}
	if v.Binding != nil { // the slowest
		view.Binding = &view.Limits[0]
	}
	return view
}

func viewSum(s *aurea.PlanSum) planSumView {
	return planSumView{
		Requests: s.Requests, InExpected: s.ExpectedIn, InMost: s.MostIn, OutExpected: s.ExpectedOut, OutMost: s.MostOut,
		Least: s.Least, Expected: s.Expected, Most: s.Most, BatchSaves: s.Expected.Minus(s.Batch), FlexSaves: s.Expected.Minus(s.Flex), OverLimit: s.OverLimit,
	}
}
