package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
)

// deviceActing names devices that something is to be done to, and says why.
type deviceActing struct {
	Devices []string   `arg:"" optional:"" name:"device" help:"Their ids, as sealift device list shows them."`
	App     string     `required:"" placeholder:"ID" help:"The app."`
	File    string     `placeholder:"FILE" help:"File with further ids, one a line."`
	Reason  string     `required:"" placeholder:"TEXT" help:"Why, in your words, for the log."`
	API     APIOptions `embed:""`
}

// ask reads the ids before it asks the server for anything.
func (o *deviceActing) ask(std *IO) (*apiclient.Client, sealift.AppID, api.DeviceAct, error) {
	ids, err := devicesNamed(o.Devices, o.File)
	if err != nil {
		return nil, "", api.DeviceAct{}, err
	}
	c, app, err := o.API.forApp(std, o.App)
	return c, app, api.DeviceAct{Devices: ids, Reason: o.Reason}, err
}

type deviceRevokeCmd struct{ deviceActing }

// Run implements the command.
func (c *deviceRevokeCmd) Run(ctx context.Context, std *IO) error {
	return runDeviceRevoke(ctx, std, *c)
}

func runDeviceRevoke(ctx context.Context, std *IO, opts deviceRevokeCmd) error {
	c, app, which, err := opts.ask(std)
	if err != nil {
		return err
	}
	done, err := c.RevokeDevices(ctx, app, which)
	if err != nil {
		return err
	}
	return std.Print(done, func(w io.Writer) error {
		if _, err := fmt.Fprintf(w, "revoked %d of %d devices\n", len(done.Devices), len(which.Devices)); err != nil {
			return err
		}
		for _, channel := range done.Epochs {
			if _, err := fmt.Fprintf(w, "channel %s is at epoch %d: a draft that waits is to be published again\n", channel.Name, channel.Epoch); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintln(w, "what was published before stays readable to them: publish anew what they should not run")
		return err
	})
}

type deviceEraseCmd struct{ deviceActing }

// Run implements the command.
func (c *deviceEraseCmd) Run(ctx context.Context, std *IO) error { return runDeviceErase(ctx, std, *c) }

func runDeviceErase(ctx context.Context, std *IO, opts deviceEraseCmd) error {
	c, app, which, err := opts.ask(std)
	if err != nil {
		return err
	}
	done, err := c.EraseDevices(ctx, app, which)
	if err != nil {
		return err
	}
	return std.Print(done, Println("erased %d of %d devices: their ids, what was counted, and the log stay", len(done.Devices), len(which.Devices)))
}

// devicesNamed returns the ids that were given, and those in the file.
func devicesNamed(ids []string, file string) ([]string, error) {
	const op = "reading ids of devices"
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithHint("name a file with one id a line")
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		for len(ids) <= sealift.MaxPage && lines.Scan() {
			if id := strings.TrimSpace(lines.Text()); id != "" {
				ids = append(ids, id)
			}
		}
		if err := lines.Err(); err != nil { // half a list is none
			return nil, sealift.Errorf(sealift.KindInvalid, op, "%s: %w", file, err).WithHint("name a file with one id a line")
		}
	}
	if len(ids) == 0 {
		return nil, usage("at least one device is needed").WithHint("see which there are with: sealift device list --app ID")
	}
	if len(ids) > sealift.MaxPage {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "more than %d devices", sealift.MaxPage).WithHint("name at most %d at a time", sealift.MaxPage)
	}
	for _, id := range ids {
		if _, err := sealift.ParseDeviceID(id); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
