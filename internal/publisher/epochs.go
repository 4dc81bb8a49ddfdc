package publisher

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/trust"
)

// Metadata reads epochs from a server's update metadata, verified from the
// vault's first root by the device's own code.
type Metadata struct {
	Base string         // of the server, as "https://updates.example.com"
	Root sealift.Digest // of the vault's first root.json
	// CacheDir keeps verified metadata between runs, a folder a root in it.
	CacheDir string
	Host     client.Host
}

// Epoch implements Epochs.
func (m *Metadata) Epoch(ctx context.Context, app sealift.AppID, channel sealift.Channel) (*trust.Epoch, error) {
	base := strings.TrimSuffix(m.Base, "/") + "/v1/"
	root, err := m.firstRoot(ctx, base+"metadata/1.root.json")
	if err != nil {
		return nil, err
	}
	metadata, err := client.OpenMetadata(client.MetadataConfig{
		URL: base + "metadata/", TargetsURL: base + "targets/", Root: root,
		Dir: filepath.Join(m.CacheDir, m.Root.String()), Host: m.Host,
	})
	if err != nil {
		return nil, err
	}
	defer metadata.Close()
	if err := metadata.Refresh(ctx); err != nil {
		return nil, err
	}
	content, err := metadata.Delegated(ctx, trust.EpochPath(app, channel))
	if sealift.KindOf(err) == sealift.KindNotFound {
		return nil, sealift.Errorf(sealift.KindNotFound, "looking up the channel", "app %s has no channel %s", app, channel).
			WithReason("channel").WithHint("create it with: sealift channel create %s --app %s", channel, app)
	}
	if err != nil {
		return nil, err
	}
	return trust.ParseEpoch(content, app, channel)
}

// firstRoot returns version 1 of root.json, from the cache or the server; the
// pinned digest decides, not where it came from.
func (m *Metadata) firstRoot(ctx context.Context, url string) ([]byte, error) {
	const op = "fetching the vault's first root"
	kept := filepath.Join(m.CacheDir, m.Root.String()+".root.json")
	if root, err := os.ReadFile(kept); err == nil && sealift.DigestOf(root) == m.Root {
		return root, nil
	}
	ctx, cancel := context.WithTimeout(ctx, sealift.MetadataTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err)
	}
	resp, err := m.Host.Transport().RoundTrip(req)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindNetwork, op, "%w", err).WithHint("is the server running, and is this its address?")
	}
	defer resp.Body.Close()
	root, err := io.ReadAll(io.LimitReader(resp.Body, sealift.MaxRoot))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, sealift.Errorf(sealift.KindNetwork, op, "the server answered %s", resp.Status)
	}
	if got := sealift.DigestOf(root); got != m.Root {
		return nil, sealift.Errorf(sealift.KindMetadata, op, "its SHA-256 is %s, the access token names %s", got, m.Root).
			WithReason("root").WithHint("the token is of another vault, or somebody stands between you and the server: do not go on before you know which")
	}
	// The cache spares a request and no check: that it cannot be kept is no
	// reason to stop.
	if os.MkdirAll(m.CacheDir, 0o700) == nil {
		_ = os.WriteFile(kept, root, 0o600)
	}
	return root, nil
}
