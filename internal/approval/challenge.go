package approval

import (
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// format names the challenge's form; another one has another name.
const format = "sealift-approval-v1"

// document is what people approve, whole. The package comment has an example.
type document struct {
	Action        string            `json:"action"`
	App           sealift.AppID     `json:"app"`
	Expires       string            `json:"expires"` // RFC 3339, UTC
	KeyVersion    uint64            `json:"keyVersion"`
	Needed        int64             `json:"needed"`
	Nonce         string            `json:"nonce"`
	Parameters    map[string]string `json:"parameters"`
	Payload       string            `json:"payload"`
	Person        string            `json:"person"`
	PolicyVersion uint64            `json:"policyVersion"`
	Request       string            `json:"request"`
	Requester     string            `json:"requester"`
	Subject       string            `json:"subject"`
	Vault         sealift.VaultID   `json:"vault"`
}

// documentOf returns the canonical JSON of what r asks for.
func documentOf(id sealift.VaultID, r store.ApprovalRequest) ([]byte, error) {
	d := document{
		Action: r.Action, App: r.App, Expires: r.Expires.UTC().Format(time.RFC3339Nano), KeyVersion: r.KeyVersion, Needed: r.Needed,
		Nonce: r.Nonce, Person: r.Person, PolicyVersion: r.PolicyVersion, Request: r.ID, Requester: r.Requester, Subject: r.Subject, Vault: id,
	}
	if !r.Payload.IsZero() {
		d.Payload = r.Payload.String()
	}
	if err := json.Unmarshal(r.Parameters, &d.Parameters); err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "reading a request for approval", "%w", err)
	}
	return canonical(d)
}

func canonical(v any) ([]byte, error) {
	data, err := cjson.EncodeCanonical(v)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "writing a request for approval", "%w", err)
	}
	return data, nil
}

// Challenge is what a passkey signs to approve a document: 32 bytes.
func Challenge(document []byte) []byte {
	sum := sha256.Sum256(append([]byte(format), document...))
	return sum[:]
}
