package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// uncopied are the tables that are not among Tables: goose's own, and the
// outbox, whose numbers are the database's to give.
var uncopied = []string{"goose_db_version", "outbox"}

// Schema implements store.CopyTx.
func (t *tx) Schema(ctx context.Context) (version int64, err error) {
	err = t.session.QueryRowContext(ctx, "SELECT MAX(version_id) FROM goose_db_version WHERE version_id > 0").Scan(&version)
	return version, t.fail(ctx, "reading the schema's version", err)
}

// Tables implements store.CopyTx. A table refers to older ones only.
func (t *tx) Tables(ctx context.Context) ([]store.Table, error) {
	const op = "listing tables"
	rows, err := t.session.QueryContext(ctx, t.dialect.Columns)
	if err != nil {
		return nil, t.fail(ctx, op, err)
	}
	defer rows.Close()
	var tables []store.Table
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			return nil, t.fail(ctx, op, err)
		}
		if slices.Contains(uncopied, table) {
			continue
		}
		if n := len(tables); n == 0 || tables[n-1].Name != table {
			tables = append(tables, store.Table{Name: table})
		}
		last := &tables[len(tables)-1]
		last.Columns = append(last.Columns, column)
	}
	return tables, t.fail(ctx, op, rows.Err())
}

// Rows implements store.CopyTx.
func (t *tx) Rows(ctx context.Context, table store.Table, each func(values []any) error) error {
	op := "copying table " + table.Name
	if err := t.checkTable(ctx, op, table); err != nil {
		return err
	}
	if err := t.writeTail(ctx, op); err != nil {
		return err
	}
	query := fmt.Sprintf("SELECT %s FROM %s", strings.Join(table.Columns, ", "), table.Name)
	if !t.dialect.Cursors {
		_, err := t.rows(ctx, op, query, len(table.Columns), each)
		return err
	}
	cursor := "copying_" + table.Name // one each: a driver remembers what a FETCH returns
	if _, err := t.session.ExecContext(ctx, fmt.Sprintf("DECLARE %s NO SCROLL CURSOR FOR %s", cursor, query)); err != nil {
		return t.fail(ctx, op, err)
	}
	for more := true; more; {
		n, err := t.rows(ctx, op, "FETCH FORWARD 500 FROM "+cursor, len(table.Columns), each)
		if err != nil {
			return err
		}
		more = n > 0
	}
	_, err := t.session.ExecContext(ctx, "CLOSE "+cursor)
	return t.fail(ctx, op, err)
}

// rows calls each with what a query returns, and counts.
func (t *tx) rows(ctx context.Context, op, query string, columns int, each func(values []any) error) (n int, err error) {
	rows, err := t.session.QueryContext(ctx, query)
	if err != nil {
		return 0, t.fail(ctx, op, err)
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		values := make([]any, columns)
		into := make([]any, len(values))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return n, t.fail(ctx, op, err)
		}
		for i, value := range values {
			switch value := value.(type) {
			case []byte:
				values[i] = some(value)
			case nil:
				values[i] = []byte{} // as a driver may have it: no column is NULL
			}
		}
		if err := each(values); err != nil {
			return n, err
		}
	}
	return n, t.fail(ctx, op, rows.Err())
}

// FillRow implements store.CopyTx.
func (t *tx) FillRow(ctx context.Context, table store.Table, values []any) error {
	op := "filling table " + table.Name
	if len(values) != len(table.Columns) {
		return sealift.Errorf(sealift.KindInvalid, op, "a row of %d values for %d columns", len(values), len(table.Columns))
	}
	insert, known := t.inserts[table.Name]
	if !known {
		if err := t.checkTable(ctx, op, table); err != nil {
			return err
		}
		text := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table.Name, strings.Join(table.Columns, ", "), placeholders(1, len(values)))
		prepared, err := t.session.PrepareContext(ctx, text)
		if err != nil {
			return t.fail(ctx, op, err)
		}
		insert = filling{slices.Clone(table.Columns), prepared}
		if t.inserts == nil {
			t.inserts = map[string]filling{}
		}
		t.inserts[table.Name] = insert
	}
	if !slices.Equal(insert.columns, table.Columns) {
		return sealift.Errorf(sealift.KindInvalid, op, "its columns were others before")
	}
	if err := t.forgetRead(ctx, op); err != nil {
		return err
	}
	if err := t.session.execute(ctx, insert.statement, values...); err != nil {
		t.broken = t.dialect.Failure(op, because(ctx, err)) // PostgreSQL would go on with nothing
		return t.broken
	}
	return nil
}

// forgetRead is called before any table is written whole.
func (t *tx) forgetRead(ctx context.Context, op string) error {
	p := t.session.part
	t.cache().forgetAll()
	if p == nil || !p.group.tail { // nothing waits
		return nil
	}
	err := t.writeTail(ctx, op)
	p.group.tail = false
	return err
}

// checkTable refuses what is not a table of the store by its exact names: they
// come from outside, and go into SQL.
func (t *tx) checkTable(ctx context.Context, op string, table store.Table) error {
	tables, err := t.Tables(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(tables, func(own store.Table) bool { return own.Name == table.Name })
	if i < 0 {
		return sealift.Errorf(sealift.KindInvalid, op, "there is no table %.80q", table.Name)
	}
	if !slices.Equal(slices.Sorted(slices.Values(tables[i].Columns)), slices.Sorted(slices.Values(table.Columns))) {
		return sealift.Errorf(sealift.KindInvalid, op, "it has the columns %s", strings.Join(tables[i].Columns, ", "))
	}
	return nil
}

// closeInserts gives back what FillRow prepared.
func (t *tx) closeInserts() error {
	var errs []error
	for _, insert := range t.inserts {
		errs = append(errs, insert.statement.Close())
	}
	return errors.Join(errs...)
}
