package control

import (
	"net/http"
	"strconv"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/trust"
)

const defaultPage = 50

// ListReleases implements GET /apps/{app}/releases.
func (h *handler) ListReleases(w http.ResponseWriter, r *http.Request, app api.InApp, params api.ListReleasesParams) {
	h.do(w, r, access.ListReleases, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		page, err := pageOf(params)
		if err != nil {
			return nil, err
		}
		// One more than asked for tells whether there is a next page.
		page.Limit++
		releases, err := h.Releases.Releases(r.Context(), id, page)
		if err != nil {
			return nil, err
		}
		var list api.ReleaseList
		if len(releases) >= page.Limit {
			releases = releases[:page.Limit-1]
			list.Next = uint64(releases[len(releases)-1].Counter)
		}
		list.Releases = each(releases, releaseOut)
		return list, nil
	})
}

func pageOf(params api.ListReleasesParams) (page service.Page, err error) {
	page = service.Page{Before: sealift.Counter(params.Before)}
	if page.Limit, err = pageLimit(params.Limit); err != nil {
		return page, err
	}
	page.Channel, page.Platform, err = filters(params.Channel, params.Platform)
	return page, err
}

// pageLimit is how many a page may have; 0 asks for the default.
func pageLimit(asked int) (int, error) {
	if asked == 0 {
		return defaultPage, nil
	}
	if asked < 1 || asked > sealift.MaxPage {
		return 0, sealift.Errorf(sealift.KindInvalid, "reading request", "a page of %d is not allowed", asked).
			WithHint("use a limit of 1 to %d", sealift.MaxPage)
	}
	return asked, nil
}

func filters(channel, platform string) (c sealift.Channel, p sealift.Platform, err error) {
	if channel != "" {
		if c, err = sealift.ParseChannel(channel); err != nil {
			return "", "", err
		}
	}
	if platform != "" {
		if p, err = sealift.ParsePlatform(platform); err != nil {
			return "", "", err
		}
	}
	return c, p, nil
}

// GetRelease implements GET /apps/{app}/releases/{release}.
func (h *handler) GetRelease(w http.ResponseWriter, r *http.Request, app api.InApp, release string, params api.GetReleaseParams) {
	h.do(w, r, access.ListReleases, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		which, err := whichOf(release)
		if err != nil {
			return nil, err
		}
		if which.Channel, which.Platform, err = filters(params.Channel, params.Platform); err != nil {
			return nil, err
		}
		d, err := h.Releases.Release(r.Context(), id, which)
		return api.ReleaseDetail{
			Release: releaseOut(d.Release), Document: d.File, Counts: countsOut(d.Evidence), Unvouched: countsOut(d.Unvouched), Success: successOut(d.Evidence),
		}, err
	})
}

// whichOf tells a digest, a counter and a version apart: a counter has at most
// 20 digits and a version has dots.
func whichOf(s string) (service.Which, error) {
	if digest, err := sealift.ParseDigest(s); err == nil {
		return service.Which{Digest: digest}, nil
	}
	if counter, err := strconv.ParseUint(s, 10, 64); err == nil && counter > 0 {
		return service.Which{Counter: sealift.Counter(counter)}, nil
	}
	version, err := sealift.ParseVersion(s)
	if err != nil {
		return service.Which{}, sealift.Errorf(sealift.KindInvalid, "parsing release", "%q is not allowed", cut(s)).
			WithHint("name a release by the SHA-256 of its release.json, its counter or its version")
	}
	return service.Which{Version: version}, nil
}

func releaseOut(r service.Release) api.Release {
	return api.Release{
		App: string(r.App), Channel: string(r.Channel), Platform: string(r.Platform), Runtime: string(r.Runtime),
		Version: string(r.Version), Counter: uint64(r.Counter), Act: api.Act(r.Act), State: api.ReleaseState(r.State),
		SHA256: r.Digest.String(), Archive: contentOut(r.Archive), Blob: contentOut(r.Blob),
		Issuer: r.Issuer.String(), Serial: r.Serial, SignedAt: r.SignedAt.UTC(), Published: r.Published.UTC(),
		Urgent: urgentOut(r.Urgent), Rollback: rollbackOut(r.Rollback), Patches: patchesOut(r.Patches), Capgo: capgoOut(r.Capgo),
	}
}

// patchesOut is nil for none, so that JSON leaves them out.
func patchesOut(patches []service.Patch) []api.Patch {
	if len(patches) == 0 {
		return nil
	}
	return each(patches, func(p service.Patch) api.Patch { return api.Patch{Base: p.Base.String(), Blob: contentOut(p.Blob)} })
}

func capgoOut(c *service.CapgoRelease) *api.CapgoRelease {
	if c == nil {
		return nil
	}
	return &api.CapgoRelease{KeyID: c.KeyID, Zip: contentOut(c.Zip), Files: c.Files}
}

func urgentOut(u *trust.Urgent) *api.Urgent {
	if u == nil {
		return nil
	}
	return &api.Urgent{Reason: u.Reason}
}

func contentOut(c service.Content) api.Content {
	return api.Content{SHA256: c.Digest.String(), Length: c.Length}
}

// GetRoot implements GET /root.
func (h *handler) GetRoot(w http.ResponseWriter, r *http.Request) {
	if _, err := h.allow(r, access.ReadRoot, noApp); err != nil {
		h.fail(w, r, err)
		return
	}
	root, err := h.Roots.Root(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(root)
}

// GetTrust implements GET /trust.
func (h *handler) GetTrust(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ReadRoot, noApp, http.StatusOK, func(access.Caller) (any, error) {
		d, err := h.Roots.Documents(r.Context())
		return api.TrustDocuments{Root: d.Root, Targets: d.Targets, Trust: d.Trust, Deny: d.Deny}, err
	})
}

// AcceptRoot implements POST /root.
func (h *handler) AcceptRoot(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.AcceptRoot, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		var body api.Ceremony
		if err := readJSON(w, r, sealift.MaxCeremonyBody, &body); err != nil {
			return nil, err
		}
		if err := checkCeremony(body); err != nil {
			return nil, err
		}
		root, err := h.Roots.AcceptRoot(r.Context(), by, service.Ceremony{Root: body.Root, Targets: body.Targets, Trust: body.Trust})
		return api.Root{
			Version: root.Version, SHA256: root.Digest.String(), Expires: root.Expires.UTC(),
			Targets: root.Targets, TargetsExpire: root.TargetsExpire.UTC(), Refused: root.Refused,
		}, err
	})
}

func checkCeremony(body api.Ceremony) error {
	alone := body.Targets == nil && body.Trust == nil
	if body.Root != nil || alone {
		if err := checkBytes("root", body.Root, sealift.MaxRoot); err != nil {
			return err
		}
	}
	if alone {
		return nil
	}
	if err := checkBytes("targets", body.Targets, sealift.MaxTargets); err != nil {
		return err
	}
	return checkBytes("trust", body.Trust, sealift.MaxTarget)
}

// GetAnchors implements GET /anchors.
func (h *handler) GetAnchors(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ListKeys, noApp, http.StatusOK, func(access.Caller) (any, error) {
		anchors, err := h.Roots.Anchors(r.Context())
		return api.Anchors{Vault: string(anchors.Vault), Trust: anchors.Trust, Keys: each(anchors.Keys, anchorOut)}, err
	})
}

func anchorOut(k service.AnchorKey) api.AnchorKey {
	return api.AnchorKey{
		ID: k.ID, Version: k.Version, Purpose: api.AnchorKeyPurpose(k.Purpose), State: api.KeyState(k.State),
		Public: k.Public, SHA256: sealift.DigestOf(k.Public).String(), Vouched: k.Vouched,
	}
}
