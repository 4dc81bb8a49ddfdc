package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

// Keys returns the versions of the vault's keys that match, by id and version.
func (c *Client) Keys(ctx context.Context, only api.ListKeysParams) ([]api.Key, error) {
	list, err := decoded[api.KeyList](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListKeys(ctx, &only) })
	return list.Keys, err
}

// SetKeyState puts a version of a key into another state.
func (c *Client) SetKeyState(ctx context.Context, change api.KeyChange) (api.Key, error) {
	return decoded[api.Key](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.SetKeyState(ctx, change) })
}

// RotateKey puts the next version of a key in the place of the one in use.
func (c *Client) RotateKey(ctx context.Context, rotation api.KeyRotation) (api.RotatedKey, error) {
	return decoded[api.RotatedKey](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.RotateKey(ctx, rotation) })
}

// RetireKey destroys a version of a key, now or later.
func (c *Client) RetireKey(ctx context.Context, retirement api.KeyRetirement) (api.Key, error) {
	return decoded[api.Key](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.RetireKey(ctx, retirement) })
}

// CreateKey makes a key for a service.
func (c *Client) CreateKey(ctx context.Context, key api.NewKey) (api.Key, error) {
	return decoded[api.Key](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.CreateKey(ctx, key) })
}

// ImportKey brings a service's key that was made elsewhere.
func (c *Client) ImportKey(ctx context.Context, key api.ImportedKey) (api.Key, error) {
	return decoded[api.Key](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ImportKey(ctx, key) })
}

// ExportKey takes the private half of a key that was created exportable; the
// caller clears it.
func (c *Client) ExportKey(ctx context.Context, which api.KeyExport) (api.PrivateKey, error) {
	return decoded[api.PrivateKey](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ExportKey(ctx, which) })
}

// SignWithKey has a service's key of app sign.
func (c *Client) SignWithKey(ctx context.Context, app sealift.AppID, key string, what api.SigningRequest) (api.Signature, error) {
	return decoded[api.Signature](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.SignWithKey(ctx, string(app), key, what)
	})
}

// CapgoKey returns the public half of an app's key for devices that run Capgo's
// plugin.
func (c *Client) CapgoKey(ctx context.Context, app sealift.AppID) (api.CapgoKey, error) {
	return decoded[api.CapgoKey](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.GetCapgoKey(ctx, string(app)) })
}

// RequestCertificate returns a PKCS #10 request, DER, for a version of the
// release CA.
func (c *Client) RequestCertificate(ctx context.Context, of api.KeyVersion) ([]byte, error) {
	out, err := decoded[api.CertificateRequest](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.RequestCertificate(ctx, of) })
	return out.CSR, err
}

// InstallCertificate brings a certificate for a version of the release CA.
func (c *Client) InstallCertificate(ctx context.Context, cert api.CACertificate) (api.Key, error) {
	return decoded[api.Key](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.InstallCertificate(ctx, cert) })
}

// ReleaseKeys returns a page of the keys that were made for one release each.
func (c *Client) ReleaseKeys(ctx context.Context, app sealift.AppID, page api.ListReleaseKeysParams) (api.ReleaseKeysList, error) {
	return decoded[api.ReleaseKeysList](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ListReleaseKeys(ctx, string(app), &page)
	})
}
