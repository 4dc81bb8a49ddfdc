package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/config"
)

// deviceURL returns how devices reach the server, once it was seen that they are
// answered there.
func (c capgoImportCmd) deviceURL(ctx context.Context, std *IO) (string, error) {
	base, err := reachedBy(c.URL)
	if err != nil {
		return "", err
	}
	if base == "" {
		server, err := c.API.base(std)
		if err != nil {
			return "", err
		}
		base = server.String()
		if config.IsLoopback(server.Hostname()) {
			std.Warn("devices do not reach %s: name how they do with --url", base)
		}
	}
	if err := answersCapgo(ctx, base); err != nil {
		std.Warn("devices with Capgo's plugin are not answered at %s: %v\nhave the server answer there: sealift server --capgo-url %s", base, err, base)
	}
	return base, nil
}

// answersCapgo asks what a device asks, with nothing in it, and wants the answer that
// the plugin understands.
func answersCapgo(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeout(ctx, sealift.ConnectTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, capacitorConfig(base, "").Plugins.CapacitorUpdater.UpdateURL, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	client := newHTTPClient((&net.Dialer{}).DialContext)
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) {
			err = outer.Err // without the URL, which is named
		}
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Error string `json:"error"`
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, sealift.MaxCapacitorConfig)).Decode(&answer); err != nil || answer.Error == "" {
		return errors.New("the answer is none for the plugin")
	}
	return nil
}

// keptSuffix is what a configuration that was changed keeps its former self under.
const keptSuffix = ".before-sealift"

// replaceKept puts text in the place of what a file had when it was read, and keeps
// that beside it, under the name that it returns.
func replaceKept(file string, had, text []byte) (kept string, err error) {
	const op = "changing the app's configuration"
	wrong := func(err error) error {
		return sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithHint("let yourself write to its folder, or leave --write out and paste what is printed")
	}
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return "", wrong(err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", wrong(err)
	}
	if now, err := os.ReadFile(real); err != nil || !bytes.Equal(now, had) {
		return "", sealift.Errorf(sealift.KindConflict, op, "%s changed meanwhile", file).WithHint("run the same command again")
	}
	if kept, err = keep(real, had, info.Mode().Perm()); err != nil {
		return "", wrong(err)
	}
	f, err := os.CreateTemp(filepath.Dir(real), ".new-")
	if err != nil {
		return "", wrong(err)
	}
	defer os.Remove(f.Name()) // no-op once renamed
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), real)
	}
	if err != nil {
		return "", wrong(err)
	}
	return kept, nil
}

// keep writes what a file had beside it, over nothing that was kept before.
func keep(file string, had []byte, mode fs.FileMode) (string, error) {
	for n := 1; ; n++ {
		name := file + keptSuffix
		if n > 1 {
			name = fmt.Sprintf("%s.%d", name, n)
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if errors.Is(err, fs.ErrExist) && n < 100 {
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = f.Write(had)
		return name, errors.Join(err, f.Sync(), f.Close())
	}
}

// report says it to a person.
func (i *importer) report(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s, of %s\n", i.result.App, i.p.file)
	words := map[string]string{stepFound: "is there", stepMade: "made", stepToDo: "to be made"}
	for _, s := range i.result.Steps {
		fmt.Fprintf(&out, "  %-8s %s: %s", s.What, s.Name, words[s.State])
		if s.What == "key" && i.key != nil {
			fmt.Fprintf(&out, "; devices know it as %s", capgo.KeyID(i.key))
		}
		out.WriteString("\n")
	}
	cfg := i.result.Config
	switch {
	case len(cfg.Changes) == 0:
		fmt.Fprintf(&out, "%s says all of it already\n", cfg.File)
	case cfg.Written:
		fmt.Fprintf(&out, "%s is changed, and as it was in %s:\n", cfg.File, cfg.Backup)
	default:
		out.WriteString("put this into the app's configuration, beside what is there:\n")
	}
	if len(cfg.Changes) > 0 {
		if err := writeBlock(&out, cfg.Changes); err != nil {
			return err
		}
	}
	dir := i.p.WebDir
	if dir == "" {
		dir = "DIR"
	}
	fmt.Fprintf(&out, "then: npx cap sync, and a new store build; installations of it update from here\nand:  sealift publish %s --app %s --channel %s --platform android --version V --capgo\n      and the same for --platform ios\n", dir, i.result.App, i.channel())
	if i.opts.DryRun {
		out.WriteString("nothing was changed\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// channel is the first one that the import saw to.
func (i *importer) channel() string {
	n := slices.IndexFunc(i.result.Steps, func(s importStep) bool { return s.What == "channel" })
	return i.result.Steps[n].Name
}

// writeBlock writes settings as they stand in capacitor.config.json.
func writeBlock(w io.Writer, settings []capgo.Setting) error {
	var block capacitor
	u := &block.Plugins.CapacitorUpdater
	for _, s := range settings {
		*map[string]*string{"updateUrl": &u.UpdateURL, "statsUrl": &u.StatsURL, "channelUrl": &u.ChannelURL, "publicKey": &u.PublicKey}[s.Name] = s.To
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(block)
}
