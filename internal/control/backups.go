package control

import (
	"net/http"
	"time"

	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// ListBackups implements GET /backups.
func (h *handler) ListBackups(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ListBackups, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		s, err := h.Backups.Backups(r.Context(), by)
		out := api.BackupStatus{Every: int64(s.Every / time.Second), Backups: each(s.Backups, backupOut)}
		if s.Restore != nil {
			out.Restore = &api.Restore{
				Restored: s.Restore.Restored, Created: s.Restore.Created, Lost: s.Restore.Lost,
				Directed: s.Restore.Directed, NewLog: s.Restore.NewLog, Settled: s.Restore.Settled,
			}
		}
		return out, err
	})
}

func backupOut(b service.Backup) api.Backup {
	return api.Backup{Created: b.Created, File: b.File, Length: b.Length, SHA256: b.Digest.String(), Problem: b.Problem}
}
