package cli

import (
	"context"
	"fmt"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

// doors looks by what devices come unasked to a channel that asks less than another one:
// what was so before somebody set the policy is so still.
func (d *doctor) doors(ctx context.Context) {
	const check = "doors"
	if !d.asked {
		return // all channels ask the same: nobody
	}
	apps, err := d.client.Apps(ctx)
	if err != nil {
		d.unseen(check, err)
		return
	}
	seen, open := 0, false
	for _, app := range apps {
		all, err := d.client.AppPolicies(ctx, sealift.AppID(app.ID))
		if err != nil {
			d.unseen(check, err)
			return
		}
		seen += len(all.Policies)
		for _, door := range all.Doors {
			open = true
			d.found(check, stateWarning, "%s: %s", app.ID, doorText(door)).Hint = closing(app.ID, door)
		}
	}
	if seen > 0 && !open {
		d.found(check, stateOK, "no device comes unasked to a channel that asks less than another one")
	}
}

// closing is what ends a door.
func closing(app string, door api.PolicyDoor) string {
	switch door.By {
	case api.PolicyDoorByDefault:
		return fmt.Sprintf("have another one be it: sealift channel set %s --app %s --default; or none: sealift channel set %s --app %s --no-default", door.Stricter, app, door.Channel, app)
	case api.PolicyDoorBySelfAssign:
		return fmt.Sprintf("let none do so any more: sealift channel set %s --app %s --self-assign no", door.Channel, app)
	}
	return fmt.Sprintf("have it lead nowhere: sealift channel label remove --app %s --label %s", app, door.Label)
}
