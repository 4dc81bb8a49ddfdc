package ceremony

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Proposal is the next root.json, or the next targets.json with its trust.json,
// or all three, on its way from one person to the next until enough have signed.
// It holds no secret, and nobody need be trusted to carry it: each signer sees by
// their own folder what it changes.
type Proposal struct {
	Vault   sealift.VaultID `json:"vault"`
	Root    sealift.Digest  `json:"root"`              // of the root.json that it follows
	Next    []byte          `json:"next,omitempty"`    // the root.json after it, with the signatures so far
	Targets []byte          `json:"targets,omitempty"` // targets.json, with the signatures so far
	Trust   []byte          `json:"trust,omitempty"`   // trust.json; with Targets, and only then
	// Names are what its author calls the keys, by their trust.KeyID: labels, which
	// no signature covers and nothing is decided by.
	Names map[string]string `json:"names,omitempty"`
}

const proposalOp = "reading the proposal"

// maxProposal bounds a proposal's file: its three documents in base64.
const maxProposal = 2 * (sealift.MaxRoot + sealift.MaxTargets + sealift.MaxTarget)

// Digest names what is to be signed, whoever signed already: SHA-256 of the
// proposal without any signature, as JSON. Two people who read the same digest
// sign the same.
func (p *Proposal) Digest() (sealift.Digest, error) {
	bare := *p
	var err, wrong error
	if p.Next != nil {
		bare.Next, err = tufrepo.UnsignedRoot(p.Next)
	}
	if p.Targets != nil {
		bare.Targets, wrong = tufrepo.UnsignedTargets(p.Targets)
	}
	data, failed := json.Marshal(bare)
	if err := errors.Join(err, wrong, failed); err != nil {
		return sealift.Digest{}, sealift.Errorf(sealift.KindInvalid, proposalOp, "%w", err).WithReason("trust")
	}
	return sealift.DigestOf(data), nil
}

// under is the root by which a proposal's targets.json is signed; root is the one
// that it follows.
func (p *Proposal) under(root []byte) []byte {
	if p.Next != nil {
		return p.Next
	}
	return root
}

// Propose makes the targets.json that follows the folder's, over next and with
// the director's keys of anchors. Nobody has signed it.
func (f *Folder) Propose(next trust.Trust, anchors Anchors, now time.Time) (*Proposal, error) {
	root, err := f.Root()
	if err != nil {
		return nil, err
	}
	p := &Proposal{Vault: f.Inventory.Vault, Root: sealift.DigestOf(root), Names: f.names()}
	return p, f.addTargets(p, next, anchors, now)
}

// addTargets puts the targets.json that follows the folder's into a proposal.
func (f *Folder) addTargets(p *Proposal, next trust.Trust, anchors Anchors, now time.Time) error {
	const op = "proposing the next trust.json"
	present, info, err := f.Documents()
	if err != nil {
		return err
	}
	if err := next.Follows(present); err != nil {
		return sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithReason("trust")
	}
	if p.Trust, err = next.Encode(); err != nil {
		return err
	}
	if len(p.Trust) > sealift.MaxTarget {
		return sealift.Errorf(sealift.KindExhausted, op, "trust.json has %d bytes, at most %d are allowed", len(p.Trust), sealift.MaxTarget).
			WithHint("raise a floor above revoked releases in place of naming each")
	}
	p.Targets, err = tufrepo.DraftTargets(tufrepo.Targets{
		Version: info.Version + 1, Expires: now.Add(sealift.TargetsLife), Trust: p.Trust,
		Director: tufrepo.Role{Keys: anchors.Director, Threshold: 1},
	})
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	return nil
}

// names are what the folder calls the keys that are in use or were made, by
// trust.KeyID.
func (f *Folder) names() map[string]string {
	names := map[string]string{}
	for _, key := range f.Inventory.Keys {
		if !key.Retired {
			names[key.ID()] = key.Name
		}
	}
	return names
}

// TargetsKeys names the keys whose passphrases Sign may ask for where a proposal
// has a targets.json: those that are in no token.
func (f *Folder) TargetsKeys() []string { return f.keyFiles(RoleTargets) }

// SigningKeys names the keys whose passphrases Sign may ask for.
func (f *Folder) SigningKeys(p *Proposal) (names []string) {
	if p.Next != nil {
		names = f.keyFiles(RoleRoot)
	}
	if p.Targets != nil {
		names = append(names, f.TargetsKeys()...)
	}
	return names
}

// keyFiles names the keys of a role that are or may come into use and are in no
// token.
func (f *Folder) keyFiles(role Role) (names []string) {
	for _, k := range f.Inventory.Keys {
		if k.Role == role && !k.Retired && k.Token == "" {
			names = append(names, k.Name)
		}
	}
	return names
}

// Write puts a proposal into a file for the next person, over one that is there.
func (p *Proposal) Write(path string) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err == nil {
		err = writeFile(path, append(data, '\n'), true)
	}
	if err != nil {
		return inputError("writing the proposal", err)
	}
	return nil
}

// ReadProposal reads one. It is verified by Review, or by the server.
func ReadProposal(path string) (*Proposal, error) {
	data, err := readBounded(path, maxProposal)
	if err != nil {
		return nil, inputError(proposalOp, err)
	}
	p, err := parseProposal(data)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, proposalOp, "%s: %w", path, err).
			WithHint("name a file that sealift trust propose --out or sealift root rotate --out made")
	}
	return p, nil
}

func parseProposal(data []byte) (*Proposal, error) {
	var p Proposal
	if err := strictjson.Unmarshal(data, maxProposal, &p); err != nil {
		return nil, err
	}
	if p.Next == nil && p.Targets == nil {
		return nil, errors.New("it has neither a root.json nor a targets.json")
	}
	if (p.Targets == nil) != (p.Trust == nil) {
		return nil, errors.New("targets.json and trust.json go together")
	}
	for id, name := range p.Names {
		if !mayBeName(name) || len(id) > 2*len(sealift.Digest{}) {
			return nil, errors.New("it calls a key what no key is called")
		}
	}
	return &p, nil
}

// mayBeName reports whether a key may be called so: names reach terminals and
// paths.
func mayBeName(name string) bool {
	const most = 32
	return name != "" && len(name) <= most && !slices.ContainsFunc([]byte(name), func(c byte) bool {
		return c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z')
	})
}
