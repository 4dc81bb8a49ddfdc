package cli

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/sealifttest"
)

// demoUpdate is one update of the device.
type demoUpdate struct {
	Version sealift.Version `json:"version"`
	OK      bool            `json:"ok"`
	Steps   []demoStep      `json:"steps"`
}

// demoStep is one of the four steps, with what it went by.
type demoStep struct {
	Step   string `json:"step"`
	Detail string `json:"detail"`
}

// update lets the device update and holds what it installed to the published
// files, byte for byte.
func (s *demoStage) update(ctx context.Context, version sealift.Version, bundle fs.FS) (demoUpdate, error) {
	u := demoUpdate{Version: version}
	result, err := s.device.Update(ctx)
	if err != nil {
		return u, fmt.Errorf("updating the device to %s: %w", version, err)
	}
	if result.Installed == nil || result.Installed.Version != version {
		return u, sealift.Errorf(sealift.KindInternal, "updating the device", "it did not take %s: %s", version, describe(result))
	}
	if u.Steps, err = s.steps(result); err != nil {
		return u, err
	}
	u.OK, err = sameFiles(bundle, os.DirFS(filepath.Join(s.dir, "device", "current")))
	s.std.Note("the device took %s:", version)
	for i, step := range u.Steps {
		s.std.Note("  %d %-10s %s", i+1, step.Step, step.Detail)
	}
	return u, err
}

// steps says what each step of the installed release went by.
func (s *demoStage) steps(r client.Result) ([]demoStep, error) {
	data, err := os.ReadFile(filepath.Join(s.dir, "device", "releases", r.Installed.Release.String()+".json"))
	if err != nil {
		return nil, err
	}
	var file struct {
		Chain [][]byte `json:"chain"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(file.Chain[0])
	if err != nil {
		return nil, err
	}
	return []demoStep{
		{"chain", fmt.Sprintf("leaf %.12s… of %s, for this release only", leaf.SerialNumber.Text(16), leaf.Issuer.CommonName)},
		{"signature", fmt.Sprintf("by the leaf over the exact payload; in the log, release.json %.12s…", r.Installed.Release)},
		{"version", fmt.Sprintf("%s, counter %d, above all before", r.Installed.Version, r.Installed.Counter)},
		{"integrity", fmt.Sprintf("archive %.12s…, %s", r.Installed.Archive.Digest, term.Bytes(r.Installed.Archive.Length)) + fetched(r.Delivery)},
	}, nil
}

// fetched says what a bundle cost.
func fetched(d *client.Delivery) string {
	switch {
	case d == nil:
		return ""
	case d.Base != nil:
		return fmt.Sprintf(", from a patch of %s", term.Bytes(d.Fetched))
	}
	return fmt.Sprintf(", from %s", term.Bytes(d.Fetched))
}

// sameFiles compares two folders by names, content and executable bits.
func sameFiles(want, got fs.FS) (bool, error) {
	wanted, err := listFiles(want)
	if err != nil {
		return false, err
	}
	have, err := listFiles(got)
	if err != nil || len(wanted) != len(have) {
		return false, err
	}
	for name, executable := range wanted {
		if x, ok := have[name]; !ok || x != executable {
			return false, nil
		}
		a, err := fs.ReadFile(want, name)
		if err != nil {
			return false, err
		}
		b, err := fs.ReadFile(got, name)
		if err != nil || !bytes.Equal(a, b) {
			return false, err
		}
	}
	return true, nil
}

func listFiles(f fs.FS) (map[string]bool, error) {
	out := map[string]bool{}
	err := fs.WalkDir(f, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			out[name] = info.Mode()&0o111 != 0
		}
		return err
	})
	return out, err
}

// demoAttack is one attack and what it met.
type demoAttack struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Refused bool   `json:"refused"` // as it must be: with the device as it was, or for a patch, with the release in place
	Met     string `json:"met"`     // the kind of the refusal
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message"`
}

// attack mounts one attack, lets the device try to update, and compares the
// device before and after.
func (s *demoStage) attack(ctx context.Context, a sealifttest.Attack) (demoAttack, error) {
	out := demoAttack{Name: a.Name, Title: a.Title}
	before, err := s.installed()
	if err != nil {
		return out, err
	}
	if err := s.hostile.Mount(a); err != nil {
		return out, err
	}
	s.clock.ahead = a.Later
	_, err = s.device.Update(ctx)
	s.clock.ahead = 0
	bites := s.hostile.Bites()
	s.hostile.Unmount()
	wrong := a.Refused(err)
	after, stateErr := s.installed()
	if stateErr != nil {
		return out, stateErr
	}
	out.Refused = wrong == nil && bites > 0 && before == after
	out.Met, out.Message = "installed nothing newer", "no error"
	if err != nil {
		out.Met, out.Reason, out.Message = string(sealift.KindOf(err)), sealift.ReasonOf(err), err.Error()
	}
	s.tell(out)
	return out, nil
}

// attackPatch mounts an attack on the patch of a release, and lets the device get
// around it.
func (s *demoStage) attackPatch(ctx context.Context, a sealifttest.Attack, version sealift.Version, bundle fs.FS) (demoAttack, error) {
	out := demoAttack{Name: a.Name, Title: a.Title, Met: "no patch dropped", Message: "no patch was dropped"}
	if err := s.hostile.Mount(a); err != nil {
		return out, err
	}
	result, err := s.device.Update(ctx)
	bites := s.hostile.Bites()
	s.hostile.Unmount()
	if err != nil {
		return out, err
	}
	same, err := sameFiles(bundle, os.DirFS(filepath.Join(s.dir, "device", "current")))
	if err != nil {
		return out, err
	}
	if result.Delivery != nil && result.Delivery.Dropped != nil {
		d := result.Delivery.Dropped
		out.Met, out.Reason, out.Message = "patch dropped, "+string(d.Kind), d.Reason, d.Message
		out.Refused = a.Dropped(d.Kind, d.Reason) == nil && bites > 0 && same && result.Installed != nil && result.Installed.Version == version
	}
	s.tell(out)
	return out, nil
}

func (s *demoStage) tell(a demoAttack) {
	mark := "refused"
	if !a.Refused {
		mark = "NOT REFUSED"
	}
	s.std.Note("  %-7s  %s\n           %s", mark, a.Title, a.Message)
}

// installed is what must not change: the link, and what it leads to.
func (s *demoStage) installed() (string, error) {
	device := filepath.Join(s.dir, "device")
	link, err := os.Readlink(filepath.Join(device, "current"))
	if err != nil {
		return "", err
	}
	status, err := s.device.Status()
	if err != nil {
		return "", err
	}
	index, err := os.ReadFile(filepath.Join(device, "current", "index.html"))
	return fmt.Sprintf("%s %+v %v %s", link, *status.Installed, status.Pending, sealift.DigestOf(index)), err
}

// replayRequest sends the device's own signed request to the vault once more.
func (s *demoStage) replayRequest(ctx context.Context) (demoAttack, error) {
	out := demoAttack{Name: "request-replayed", Title: "a device's signed request is sent to the vault a second time"}
	status, answer, err := s.hostile.ReplayRequest(ctx)
	if err != nil {
		return out, err
	}
	var problem struct{ Kind, Reason, Detail string }
	if err := json.Unmarshal(answer, &problem); err != nil {
		return out, fmt.Errorf("the vault's answer: %w", err)
	}
	out.Met, out.Reason, out.Message = problem.Kind, problem.Reason, problem.Detail
	out.Refused = status >= 400 && problem.Reason == "nonce"
	s.tell(out)
	return out, nil
}
