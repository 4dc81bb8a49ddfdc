package control

import (
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/problem"
	"github.com/sealift/sealift/internal/control/service"
)

// noApp stands for the app of an action on none in particular.
const noApp = ""

// allow signs the caller of r in and asks whether they may do action on app,
// which is as it stands in the path, and have proven it lately enough. That they
// may not is an entry in the log, and so is that their secret counts no more; of
// who has no secret that ever did, the line of the request tells.
func (h *handler) allow(r *http.Request, action access.Action, app string) (access.Caller, error) {
	principal, err := h.SignIn.Authenticate(r.Context(), bearer(r), func(e access.Ended) {
		problem.TraceOf(r.Context()).Who = e.ID
		h.enter(r, e.CallerFrom(h.address(r)), action, app, e.Reason)
	})
	if err != nil {
		return access.Caller{}, err
	}
	problem.TraceOf(r.Context()).Who = principal.ID
	if err := h.mayDo(principal, action, app); err != nil {
		h.refused(r, principal.CallerFrom(h.address(r)), action, app, err)
		return access.Caller{}, err
	}
	return principal.CallerFrom(h.address(r)), h.unsealed()
}

func (h *handler) mayDo(principal access.Principal, action access.Action, app string) error {
	if err := principal.Allow(action, sealift.AppID(app)); err != nil {
		return err
	}
	return principal.StepUp(action, h.now())
}

// refused sees to the entry about why, if that is that by may not do what they
// asked for, and no service has entered it.
func (h *handler) refused(r *http.Request, by access.Caller, action access.Action, app string, why error) {
	if access.IsRefusal(why) && !audit.IsEntered(why) {
		h.enter(r, by, action, app, sealift.ReasonOf(why))
	}
}

// enter enters a refusal into the log. Where that cannot be, the refusal stands and
// the server's log tells of it: a sealed vault knows nobody, and answers nobody.
func (h *handler) enter(r *http.Request, by access.Caller, action access.Action, app, reason string) {
	what := service.Refusal{By: by, Action: action, Operation: r.Pattern, Reason: reason}
	// What stands in the path is anybody's.
	if id, err := sealift.ParseAppID(app); err == nil {
		what.App = id
	}
	err := h.unsealed()
	if err == nil {
		err = h.Refusals.Refused(r.Context(), what)
	}
	if err != nil {
		h.log.Error("a refusal is not in the log", "id", problem.TraceOf(r.Context()).ID, "who", by.ID, "session", by.Session, "from", by.Address,
			"action", action, "operation", r.Pattern, "app", what.App, "reason", reason, "error", err.Error())
	}
}
