package control

import (
	"net/http"
	"unicode/utf8"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/trust"
)

// ListEntries implements GET /audit/entries.
func (h *handler) ListEntries(w http.ResponseWriter, r *http.Request, params api.ListEntriesParams) {
	h.do(w, r, access.ReadLog, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		want, err := entriesOf(params)
		if err != nil {
			return nil, err
		}
		records, next, err := h.Log.Entries(r.Context(), by, want)
		return api.EntryList{Entries: each(records, entryOut), Next: next}, err
	})
}

func entriesOf(params api.ListEntriesParams) (service.Entries, error) {
	want := service.Entries{
		Before: params.Before, Action: params.Action, Key: params.Key, Actor: params.Actor,
		Result: audit.Result(params.Result), Since: params.Since, Until: params.Until,
	}
	limit, err := pageLimit(params.Limit)
	if err != nil {
		return want, err
	}
	want.Limit = limit
	if want.Result != "" && want.Result != audit.OK && want.Result != audit.Refused && want.Result != audit.Failed && want.Result != audit.Abandoned {
		return want, sealift.Errorf(sealift.KindInvalid, "reading request", "there is no result %q", cut(string(params.Result))).
			WithHint("a result is ok, refused, failed or abandoned")
	}
	for _, text := range []string{want.Action, want.Key, want.Actor} { // they go into the log
		if len(text) > sealift.MaxKeyLabel || !utf8.ValidString(text) {
			return want, sealift.Errorf(sealift.KindInvalid, "reading request", "an action, key or actor of more than %d bytes, or not UTF-8", sealift.MaxKeyLabel)
		}
	}
	return want, checkIndex(want.Before)
}

func checkIndex(index int64) error {
	if index < 0 {
		return sealift.Errorf(sealift.KindInvalid, "reading request", "%d is no place in the log", index).WithHint("entries are counted from 0")
	}
	return nil
}

func entryOut(r audit.Record) api.LogEntry {
	if r.Entry == nil {
		out := api.LogEntry{Index: r.Index, Action: r.Action()}
		if payload, ok := trust.ParseLogEntry(r.Leaf); ok {
			out.Subject = "sha256:" + payload.String()
		}
		if said, ok := audit.ParseStatement(r.Leaf); ok {
			out.Details = said.Rows
		}
		return out
	}
	e := r.Entry
	return api.LogEntry{
		Index: r.Index, Time: &e.Time, Action: e.Action, Key: e.Key, Version: e.Version, Subject: e.Subject, Details: e.Details,
		Result: api.LogEntryResult(e.Result),
		Actor:  &api.LogActor{Kind: api.LogActorKind(e.Actor.Kind), ID: e.Actor.ID, Session: e.Actor.Session, Address: e.Actor.Address},
	}
}

// BeginExport implements POST /audit/exports.
func (h *handler) BeginExport(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ReadLog, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		e, err := h.Log.BeginExport(r.Context(), by)
		return api.LogExport{Origin: e.Origin, Keys: e.Keys, Checkpoint: checkpointOut(e.Checkpoint)}, err
	})
}

func checkpointOut(c service.Checkpoint) api.Checkpoint {
	return api.Checkpoint{Size: c.Size, Note: string(c.Note)}
}

// ListLeaves implements GET /audit/leaves.
func (h *handler) ListLeaves(w http.ResponseWriter, r *http.Request, params api.ListLeavesParams) {
	h.do(w, r, access.ReadLog, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		if params.Limit == 0 {
			params.Limit = sealift.MaxLeaves
		}
		if params.Limit < 1 || params.Limit > sealift.MaxLeaves {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "%d leaves are not allowed", params.Limit).
				WithHint("use a limit of 1 to %d", sealift.MaxLeaves)
		}
		if err := checkIndex(params.First); err != nil {
			return nil, err
		}
		leaves, err := h.Log.Leaves(r.Context(), by, params.First, params.Limit)
		return api.LeafList{Leaves: each(leaves, leafOut)}, err
	})
}

func leafOut(l audit.Stored) api.Leaf {
	return api.Leaf{Index: l.Index, Leaf: l.Leaf, Hash: l.Hash[:]}
}

// ListCheckpoints implements GET /audit/checkpoints.
func (h *handler) ListCheckpoints(w http.ResponseWriter, r *http.Request, params api.ListCheckpointsParams) {
	h.do(w, r, access.ReadLog, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		if err := checkIndex(params.Least); err != nil {
			return nil, err
		}
		list, err := h.Log.Checkpoints(r.Context(), by, params.Least)
		return api.CheckpointList{Checkpoints: each(list, checkpointOut)}, err
	})
}

// ListWitnesses implements GET /audit/witnesses.
func (h *handler) ListWitnesses(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ReadLog, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		list, err := h.Witnesses.Witnesses(r.Context(), by)
		return api.WitnessList{Witnesses: each(list, witnessOut)}, err
	})
}

func witnessOut(w service.Witness) api.Witness {
	out := api.Witness{Name: w.Name, Key: w.Key, URL: w.URL, Size: w.Size, Reason: w.Reason, Problem: w.Problem}
	if !w.Cosigned.IsZero() {
		out.Cosigned = &w.Cosigned
	}
	if !w.Since.IsZero() {
		out.Since = &w.Since
	}
	return out
}

// ProveEntry implements GET /audit/proofs/{index}.
func (h *handler) ProveEntry(w http.ResponseWriter, r *http.Request, index api.EntryIndex) {
	h.do(w, r, access.ReadLog, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		if err := checkIndex(index); err != nil {
			return nil, err
		}
		leaf, proof, err := h.Log.Prove(r.Context(), by, index)
		return api.ProvenEntry{Leaf: leafOut(leaf), Proof: string(proof)}, err
	})
}
