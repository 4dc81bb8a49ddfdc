package cli

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
)

// tufCmd is the client-under-test of the TUF project's conformance suite
// (CLIENT-CLI.md there): any TUF repository, by the metadata code of the device
// library. Its flags stand before its commands' names, and it exits with 0 or
// 1. It is no command for people, and hidden from the overview.
type tufCmd struct {
	MetadataDir   string   `name:"metadata-dir" required:"" placeholder:"DIR" help:"Folder of trusted metadata."`
	MetadataURL   string   `name:"metadata-url" placeholder:"URL" help:"Address of the repository's metadata."`
	TargetName    []string `name:"target-name" sep:"none" placeholder:"PATH" help:"Target to download; may be repeated."`
	TargetBaseURL string   `name:"target-base-url" placeholder:"URL" help:"Address of the repository's targets."`
	TargetDir     string   `name:"target-dir" placeholder:"DIR" help:"Folder of downloaded targets."`

	Init     tufInitCmd     `cmd:"" help:"Trust a root.json. No request is made."`
	Refresh  tufRefreshCmd  `cmd:"" help:"Bring the trusted metadata up to date."`
	Download tufDownloadCmd `cmd:"" help:"Refresh, then download targets into --target-dir."`
}

type tufInitCmd struct {
	Root string `arg:"" placeholder:"ROOT" help:"The root.json to trust."`
}

type (
	tufRefreshCmd  struct{}
	tufDownloadCmd struct{}
)

// envTUFClock set to "date" takes the time from the program date, which the
// suite's faketime reaches; it does not reach a Go program.
const envTUFClock = "SEALIFT_TUF_CLOCK"

// Run implements the command.
func (c *tufInitCmd) Run(_ context.Context, std *IO, opts *tufCmd) error {
	return runTUFInit(std, *opts, c.Root)
}

// Run implements the command.
func (*tufRefreshCmd) Run(ctx context.Context, std *IO, opts *tufCmd) error {
	m, err := tufRefresh(ctx, std, *opts)
	if err != nil {
		return err
	}
	return m.Close()
}

// Run implements the command.
func (*tufDownloadCmd) Run(ctx context.Context, std *IO, opts *tufCmd) error {
	return runTUFDownload(ctx, std, *opts)
}

// tufName is how the suite calls tufCmd.
const tufName = "tuf"

// oneOrZero makes an exit code one that the suite knows.
func oneOrZero(code int) int { return min(code, 1) }

func runTUFInit(std *IO, opts tufCmd, path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Size() > sealift.MaxRoot {
		return usage("%s is larger than %d bytes", path, sealift.MaxRoot)
	}
	root, err := os.ReadFile(path)
	if err != nil {
		return sealift.Errorf(sealift.KindInvalid, "reading the root", "%w", err)
	}
	host, err := tufHost(std)
	if err != nil {
		return err
	}
	return client.InitMetadata(host, opts.MetadataDir, root)
}

func tufRefresh(ctx context.Context, std *IO, opts tufCmd) (*client.Metadata, error) {
	if opts.MetadataURL == "" {
		return nil, usage("--metadata-url is missing")
	}
	host, err := tufHost(std)
	if err != nil {
		return nil, err
	}
	m, err := client.OpenMetadata(client.MetadataConfig{
		URL: opts.MetadataURL, TargetsURL: opts.TargetBaseURL, Dir: opts.MetadataDir,
		Foreign: true, Host: host,
	})
	if err != nil {
		return nil, err
	}
	if err := m.Refresh(ctx); err != nil {
		_ = m.Close()
		return nil, err
	}
	std.Note("metadata in %s is up to date", opts.MetadataDir)
	return m, nil
}

func runTUFDownload(ctx context.Context, std *IO, opts tufCmd) error {
	if len(opts.TargetName) == 0 || opts.TargetBaseURL == "" || opts.TargetDir == "" {
		return usage("--target-name, --target-base-url and --target-dir are needed to download")
	}
	m, err := tufRefresh(ctx, std, opts)
	if err != nil {
		return err
	}
	defer m.Close()
	host, err := tufHost(std)
	if err != nil {
		return err
	}
	files, err := host.Files(opts.TargetDir)
	if err != nil {
		return err
	}
	defer files.Close()
	for _, name := range opts.TargetName {
		if err := tufTarget(ctx, std, m, files, name); err != nil {
			return err
		}
	}
	return nil
}

func tufTarget(ctx context.Context, std *IO, m *client.Metadata, files client.Files, name string) error {
	target, err := m.Lookup(ctx, name)
	if err != nil {
		return err
	}
	file := tufFileName(name)
	if have, err := files.ReadFile(file, sealift.MaxTarget); err == nil && target.Check(have) == nil {
		std.Note("%s is there already", name)
		return nil
	}
	data, err := m.Fetch(ctx, target)
	if err != nil {
		return err
	}
	if err := files.WriteFile(file, data, 0o644); err != nil {
		return sealift.Errorf(sealift.KindInternal, "storing "+name, "%w", err)
	}
	std.Note("downloaded %s", name)
	return nil
}

// tufFileName makes one file name of a target's path, which is whatever the
// repository says: no separator is left in it, and it is neither "." nor "..".
func tufFileName(target string) string {
	name := url.PathEscape(target)
	if strings.Trim(name, ".") == "" {
		name = strings.ReplaceAll(name, ".", "%2E")
	}
	if len(name) > sealift.MaxPathElement/2 {
		name = sealift.DigestOf([]byte(target)).String()
	}
	return name
}

// tufClock is a machine whose clock is read once, elsewhere.
type tufClock struct {
	*client.System
	now time.Time
}

// Now implements client.Host.
func (c tufClock) Now() time.Time { return c.now }

func tufHost(std *IO) (client.Host, error) {
	now := std.Now()
	if clock, _ := std.Env(envTUFClock); clock == "date" {
		out, err := exec.Command("date", "+%s").Output()
		if err != nil {
			return nil, sealift.Errorf(sealift.KindInternal, "asking date for the time", "%w", err)
		}
		seconds, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
		if err != nil {
			return nil, sealift.Errorf(sealift.KindInternal, "asking date for the time", "it says %.40q", out)
		}
		now = time.Unix(seconds, 0)
	}
	return tufClock{client.NewSystem(), now}, nil
}
