package cli

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/trust"
)

// trustChange are the flags that say what is to be different. APP is an app's id,
// or "default" for all that trust.json does not name.
type trustChange struct {
	FloorVersion    map[string]string `placeholder:"APP=V" help:"Raise the floor of an app's version: devices run nothing under it. APP may be default, for all apps that are not named."`
	FloorCounter    map[string]uint64 `placeholder:"APP=N" help:"Raise the floor of an app's counter."`
	Revoke          []string          `placeholder:"ISSUER:SERIAL" help:"Revoke a release's certificate for good: its issuer and its serial, as sealift release show has them."`
	Cosigner        []string          `sep:"none" placeholder:"APP=FILE" help:"Let the holder of this public key co-sign the app's releases. May be repeated."`
	DropCosigner    []string          `placeholder:"APP=ID" help:"Let nobody co-sign with the key whose id begins so."`
	CosignersNeeded map[string]int    `placeholder:"APP=N" help:"How many of an app's co-signers must sign each release; 0 for none."`
	AddCA           []string          `name:"add-ca" sep:"none" placeholder:"FILE" help:"Let devices take what this release CA certifies, beside the vault's own: its certificate, in PEM or DER."`
	DropCA          []string          `name:"drop-ca" placeholder:"SHA256" help:"Let devices take nothing that this release CA certified."`
	ConfirmDenials  bool              `help:"Make permanent what deny.json refuses."`
	Renew           bool              `help:"Sign it anew, though nothing else changes: it is good for a year."`
}

func (c trustChange) parse() (out ceremony.Change, err error) {
	out = ceremony.Change{
		Floors: map[sealift.AppID]trust.Floor{}, Needed: map[sealift.AppID]int{},
		AddCosigners: map[sealift.AppID][]trust.Cosigner{}, DropCosigners: map[sealift.AppID][]string{},
	}
	for _, step := range []func(*ceremony.Change) error{c.floors, c.revocations, c.cas, c.cosigners} {
		if err := step(&out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// parseTrustApp reads the APP of a flag.
func parseTrustApp(text string) (sealift.AppID, error) {
	if text == "default" {
		return ceremony.Defaults, nil
	}
	return sealift.ParseAppID(text)
}

func (c trustChange) floors(out *ceremony.Change) error {
	for text, version := range c.FloorVersion {
		app, err := parseTrustApp(text)
		if err != nil {
			return err
		}
		floor := out.Floors[app]
		if floor.Version, err = sealift.ParseVersion(version); err != nil {
			return err
		}
		out.Floors[app] = floor
	}
	for text, counter := range c.FloorCounter {
		app, err := parseTrustApp(text)
		if err != nil {
			return err
		}
		floor := out.Floors[app]
		floor.Counter = sealift.Counter(counter)
		out.Floors[app] = floor
	}
	for text, needed := range c.CosignersNeeded {
		app, err := parseTrustApp(text)
		if err != nil {
			return err
		}
		out.Needed[app] = needed
	}
	return nil
}

func (c trustChange) revocations(out *ceremony.Change) error {
	for _, text := range c.Revoke {
		issuer, serial, _ := strings.Cut(text, ":")
		digest, err := sealift.ParseDigest(issuer)
		if err != nil || serial == "" || strings.Trim(serial, "0123456789abcdef") != "" || len(serial) > 40 || serial[0] == '0' {
			return usage("--revoke %.120s is not ISSUER:SERIAL", strconv.Quote(text)).WithHint("see both with: sealift release show")
		}
		out.Revoke = append(out.Revoke, trust.Revocation{Issuer: digest, Serial: serial})
	}
	return nil
}

func (c trustChange) cas(out *ceremony.Change) error {
	for _, path := range c.AddCA {
		der, err := readCertificate(path)
		if err != nil {
			return err
		}
		out.AddCA = append(out.AddCA, der)
	}
	for _, text := range c.DropCA {
		digest, err := sealift.ParseDigest(strings.TrimPrefix(text, "sha256:"))
		if err != nil {
			return err
		}
		out.DropCA = append(out.DropCA, digest)
	}
	return nil
}

func (c trustChange) cosigners(out *ceremony.Change) error {
	for _, text := range c.Cosigner {
		app, path, err := appAnd(text, "--cosigner", "FILE")
		if err != nil {
			return err
		}
		pub, err := ceremony.ReadPublicKey(path)
		if err != nil {
			return err
		}
		k, err := trust.CheckCosigner(pub)
		if err != nil {
			return err
		}
		out.AddCosigners[app] = append(out.AddCosigners[app], k)
	}
	for _, text := range c.DropCosigner {
		app, id, err := appAnd(text, "--drop-cosigner", "ID")
		if err != nil {
			return err
		}
		if slices.Contains(out.DropCosigners[app], id) {
			return usage("%s is dropped twice", id)
		}
		out.DropCosigners[app] = append(out.DropCosigners[app], id)
	}
	return nil
}

// appAnd splits APP=… of a flag.
func appAnd(text, flag, what string) (app sealift.AppID, rest string, err error) {
	name, rest, ok := strings.Cut(text, "=")
	if !ok || rest == "" {
		return "", "", usage("%s %.120s is not APP=%s", flag, strconv.Quote(text), what).WithHint("write it as %s com.acme.shop=%s", flag, what)
	}
	app, err = parseTrustApp(name)
	return app, rest, err
}

// readInput reads a file that somebody names, to a bound.
func readInput(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > most {
		return nil, sealift.Errorf(sealift.KindInvalid, "reading "+path, "it has more than %d bytes", most)
	}
	if err != nil {
		return nil, sealift.Errorf(sealift.KindNotFound, "reading "+path, "%w", err).WithHint("check its name")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindDenied, "reading "+path, "%w", err).WithHint("make it readable for you")
	}
	return data, nil
}
