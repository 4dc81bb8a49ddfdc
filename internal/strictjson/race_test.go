//go:build race

package strictjson

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// raced has a field of each kind that encoding/json treats in its own way.
type raced struct {
	Text   string   `json:"text"`
	Number int      `json:"number"`
	Yes    bool     `json:"yes"`
	Binary []byte   `json:"binary"`
	List   []string `json:"list"`
	Ptr    *int     `json:"ptr"`
	Any    any      `json:"any"`
}

var races = []struct {
	name, json string
	write      func(*raced)
}{
	{"text", `{"text":"a"}`, func(r *raced) { r.Text = "b" }},
	{"number", `{"number":1}`, func(r *raced) { r.Number = 2 }},
	{"yes", `{"yes":true}`, func(r *raced) { r.Yes = true }},
	{"binary", `{"binary":"AAAA"}`, func(r *raced) { r.Binary = []byte("b") }},
	{"element", `{"list":["a"]}`, func(r *raced) { r.List[0] = "b" }},
	{"pointer", `{"ptr":1}`, func(r *raced) { *r.Ptr = 2 }},
	{"any", `{"any":1}`, func(r *raced) { r.Any = 2 }},
}

const racing = "SEALIFT_TEST_RACES"

// scripts/unit.sh takes the race detector out of encoding/json. What goroutines
// share of our values is reported all the same: a second process races, on purpose.
func TestRacesAreReported(t *testing.T) {
	if os.Getenv(racing) != "" {
		race(t)
		return
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run=^TestRacesAreReported$", "-test.v")
	cmd.Env = append(os.Environ(), racing+"=1")
	out, _ := cmd.CombinedOutput() // it fails, as it should
	for _, r := range races {
		for _, what := range []string{"decoded", "encoded"} {
			if want := "--- FAIL: TestRacesAreReported/" + r.name + "_" + what; !strings.Contains(string(out), want) {
				t.Errorf("the race on %q while it is %s was not reported", r.name, what)
			}
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

func race(t *testing.T) {
	for _, r := range races {
		full := func() *raced {
			return &raced{Text: "x", Number: 9, Yes: true, Binary: []byte("abc"), List: []string{"x"}, Ptr: new(int), Any: "x"}
		}
		t.Run(r.name+"_decoded", func(*testing.T) {
			v := full()
			both(func() { _ = json.Unmarshal([]byte(r.json), v) }, func() { r.write(v) })
		})
		t.Run(r.name+"_encoded", func(*testing.T) {
			v := full()
			both(func() { _, _ = json.Marshal(v) }, func() { r.write(v) })
		})
	}
}

func both(f, g func()) {
	var wait sync.WaitGroup
	wait.Go(f)
	wait.Go(g)
	wait.Wait()
}
