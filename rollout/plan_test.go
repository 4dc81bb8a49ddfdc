package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/rollout"
)

func TestParsePlan(t *testing.T) {
	got, err := rollout.ParsePlan([]byte(`{
		"stages": [
			{"percent": 0.5, "duration": "2h", "confirmed": 20},
			{"percent": 10, "duration": "24h", "gate": "approval"},
			{"percent": 100, "duration": "0s"}
		],
		"halt": {"limits": {"rolled-back": 0.01}, "silence": "6h", "then": "rollback"}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	rule := rollout.DefaultRule()
	rule.Limits[rollout.RolledBack] = 0.01
	rule.Silence = rollout.Duration(6 * time.Hour)
	rule.Then = rollout.GoBack
	want := rollout.Plan{Stages: []rollout.Stage{
		{Share: 50, Duration: rollout.Duration(2 * time.Hour), Confirmed: 20},
		{Share: 1000, Duration: rollout.Duration(24 * time.Hour), Gate: rollout.Approval},
		{Share: sealift.Everybody},
	}, Halt: rule}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// The plans that the package offers are plans, and survive being written.
func TestPlansOfThePackage(t *testing.T) {
	for name, p := range map[string]rollout.Plan{"default": rollout.DefaultPlan(), "at once": rollout.AtOnce()} {
		data, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := rollout.ParsePlan(data)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, data)
		}
		if d := cmp.Diff(p, got); d != "" {
			t.Error(name, d)
		}
	}
}

func TestPlansRefused(t *testing.T) {
	many := strings.Repeat(`{"percent":1,"duration":"1h"},`, sealift.MaxStages)
	halt := func(rule string) string {
		return `{"stages":[{"percent":100,"duration":"1h"}],"halt":` + rule + `}`
	}
	for name, c := range map[string]struct{ plan, says string }{
		"nothing":             {``, "plan"},
		"no object":           {`[]`, "plan"},
		"no stages":           {`{"stages":[]}`, "0 stages"},
		"too many":            {`{"stages":[` + many + `{"percent":100,"duration":"1h"}]}`, "33 stages"},
		"goes down":           {`{"stages":[{"percent":10,"duration":"1h"},{"percent":5,"duration":"1h"},{"percent":100,"duration":"1h"}]}`, "stage 2 goes down, from 10 to 5 percent"},
		"overlaps":            {`{"stages":[{"percent":10,"duration":"1h"},{"percent":10,"duration":"1h"},{"percent":100,"duration":"1h"}]}`, "stages 1 and 2 overlap"},
		"over 100":            {`{"stages":[{"percent":50,"duration":"1h"},{"percent":101,"duration":"1h"}]}`, `stage 2: parsing percent: "101" is not allowed: use 0 to 100 with at most two places`},
		"zero":                {`{"stages":[{"percent":0,"duration":"1h"},{"percent":100,"duration":"1h"}]}`, "0 percent"},
		"negative":            {`{"stages":[{"percent":-1,"duration":"1h"},{"percent":100,"duration":"1h"}]}`, `stage 1: parsing percent: "-1"`},
		"too fine":            {`{"stages":[{"percent":0.001,"duration":"1h"},{"percent":100,"duration":"1h"}]}`, "0.001"},
		"text":                {`{"stages":[{"percent":"10","duration":"1h"},{"percent":100,"duration":"1h"}]}`, `stage 1: parsing percent: "\"10\"" is not allowed: use 0 to 100`},
		"ends as it begins":   {`{"stages":[{"percent":50,"duration":"1h"},{"percent":60,"duration":"0s"},{"percent":100,"duration":"1h"}]}`, "stage 2 ends as it begins"},
		"no time":             {`{"stages":[{"percent":50},{"percent":100,"duration":"1h"}]}`, "stage 1 ends as it begins"},
		"decades":             {`{"stages":[{"percent":50,"duration":"175200h"},{"percent":100,"duration":"1h"}]}`, "stage 1 lasts 175200h0m0s, 0s to 2160h0m0s are allowed"},
		"a number of time":    {`{"stages":[{"percent":100,"duration":3600}]}`, "stage 1: $.duration is a number, and should be text"},
		"half a device":       {`{"stages":[{"percent":100,"duration":"1h","confirmed":1.5}]}`, "stage 1: $.confirmed is number 1.5, and should be a whole number"},
		"too many confirmed":  {`{"stages":[{"percent":100,"duration":"1h","confirmed":1000000001}]}`, "stage 1 wants 1000000001 confirmed devices"},
		"a number of a gate":  {`{"stages":[{"percent":100,"duration":"1h","gate":1}]}`, "stage 1: $.gate is a number, and should be text"},
		"no stage":            {`{"stages":[null,{"percent":100,"duration":"1h"}]}`, "stage 1: null"},
		"an object of stages": {`{"stages":{"percent":100}}`, "$.stages is an object, and should be a list"},
		"percent twice":       {`{"stages":[{"percent":1,"percent":2,"duration":"1h"},{"percent":100,"duration":"1h"}]}`, `key "percent" twice in $.stages[0]`},
		"a limit twice":       {halt(`{"limits":{"silent":0.1,"silent":0.2}}`), `key "silent" twice in $.halt.limits`},
		"a limit of text":     {halt(`{"limits":{"silent":"5%"}}`), "$.halt.limits is text, and should be a number"},
		"stops short":         {`{"stages":[{"percent":10,"duration":"1h"}]}`, "ends at 10 percent"},
		"negative time":       {`{"stages":[{"percent":100,"duration":"-1h"}]}`, "lasts -1h"},
		"a year":              {`{"stages":[{"percent":100,"duration":"8760h"}]}`, "lasts 8760h"},
		"days":                {`{"stages":[{"percent":100,"duration":"3d"}]}`, "3d"},
		"negative confirmed":  {`{"stages":[{"percent":100,"duration":"1h","confirmed":-1}]}`, "stage 1 wants -1 confirmed"},
		"another gate":        {`{"stages":[{"percent":100,"duration":"1h","gate":"boss"}]}`, `gate "boss"`},
		"a misspelt key":      {`{"stages":[{"percent":100,"duration":"1h","confirms":3}]}`, `"confirms"`},
		"a misspelt rule":     {halt(`{"limit":{}}`), `"limit"`},
		"an unknown key":      {`{"stages":[{"percent":100,"duration":"1h"}],"halts":{}}`, `"halts"`},
		"twice":               {`{"stages":[{"percent":100,"duration":"1h"}],"stages":[]}`, "stages"},
		"unknown failure":     {halt(`{"limits":{"melted":0.1}}`), `"melted"`},
		"no limit":            {halt(`{"limits":{"silent":0}}`), "limit of silent is 0"},
		"a limit of half":     {halt(`{"limits":{"silent":0.5}}`), "limit of silent is 0.5"},
		"ceiling under limit": {halt(`{"limits":{"silent":0.3}}`), "ceiling is 0.2"},
		"ceiling of one":      {halt(`{"ceiling":1}`), "ceiling is 1"},
		"silence of seconds":  {halt(`{"silence":"5s"}`), "after 5s"},
		"error of half":       {halt(`{"error":0.5}`), "error is 0.5"},
		"negative error":      {halt(`{"error":-0.01}`), "error is -0.01"},
		"another end":         {halt(`{"then":"explode"}`), `"explode"`},
		"too long":            {`{"stages":[{"percent":100,"duration":"1h"}]` + strings.Repeat(" ", sealift.MaxPlan) + `}`, "bytes"},
	} {
		_, err := rollout.ParsePlan([]byte(c.plan))
		switch {
		case err == nil:
			t.Errorf("%s: accepted", name)
		case sealift.KindOf(err) != sealift.KindInvalid || sealift.HintOf(err) == "":
			t.Errorf("%s: kind %s, hint %q", name, sealift.KindOf(err), sealift.HintOf(err))
		case !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: %v, want %q in it", name, err, c.says)
		}
	}
}

// What people approve says all that they decide on.
func TestPlanInWords(t *testing.T) {
	p, err := rollout.ParsePlan([]byte(`{"stages":[{"percent":0.5,"duration":"2h","confirmed":20},{"percent":10,"duration":"24h","gate":"approval"},{"percent":100,"duration":"0s"}],"halt":{"then":"rollback"}}`))
	if err != nil {
		t.Fatal(err)
	}
	const want = "0.5 % for 2h0m0s and until 20 devices have confirmed it, then 10 % for 24h0m0s, then somebody lets it go on, then 100 % for 0s; a halt prepares the roll-back"
	if got := p.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	once := rollout.AtOnce()
	if got := once.String(); got != "100 % for 24h0m0s; a halt pauses it" {
		t.Errorf("%q", got)
	}
}
