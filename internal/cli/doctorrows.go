package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/vault"
)

// rows looks what the server found when it last held its rows against the log.
func (d *doctor) rows(ctx context.Context) {
	const check = "rows"
	list, err := d.client.Entries(ctx, api.ListEntriesParams{Action: vault.ActionCheckRows, Limit: 1})
	if err != nil {
		d.unseen(check, err)
		return
	}
	if len(list.Entries) == 0 || list.Entries[0].Time == nil {
		d.found(check, stateNotChecked, "the server has not held them against the log yet: it does so when it is unsealed, and every hour")
		return
	}
	e := list.Entries[0]
	if audit.Result(e.Result) == audit.OK {
		d.found(check, stateOK, "%s are as the log says, at %s", e.Details[vault.DetailRows], toMinute(*e.Time))
		return
	}
	var named []string
	for n := 1; e.Details[fmt.Sprintf("row-%d", n)] != ""; n++ {
		named = append(named, e.Details[fmt.Sprintf("row-%d", n)])
	}
	d.found(check, stateFailed, "%s are not as the log says, at %s: %s", e.Details[vault.DetailAmiss], toMinute(*e.Time), strings.Join(named, ", ")).
		Hint = "somebody changed the database: look at who can write to it, and see \"When a row was put back or deleted\" in docs/operations.md"
}
