package installation

import "context"

// BackUpIfDue is one look of keepBackups.
func (i *Installation) BackUpIfDue(ctx context.Context) error { return i.backUpIfDue(ctx) }
