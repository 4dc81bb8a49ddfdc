// Package backup writes a vault's backups, reads them, and lets a vault that was
// restored from one go on above all that was published since.
//
// # The file
//
// A backup is one file: an age file (C2SP age v1), encrypted to recovery
// recipients, around a tar (POSIX.1-1988 ustar) of
//
//	backup.json                   what it is: Header
//	rows/<table>/<number>.jsonl   rows, in pieces of about 4 MiB
//	blobs/<sha256>                the sealed blobs of the published tree
//	manifest.json                 every piece of rows with its SHA-256: Manifest
//
// in this order, tables in one in which they can be filled. It is written and
// read as a stream: neither side holds more than one piece in memory. Rows are
// JSON Lines, one array a row with its values in the order of the columns in
// backup.json: an integer as a number, a text as a string, bytes as an array of
// one string in base64.
//
//	["com.acme.shop",0,0,1764025200000000,7,["q83v…"]]
//
// It names no database: SQLite's rows come back in PostgreSQL and the other way
// round, by the schema of the day of the backup, which is then brought up to
// date.
//
// Rows are all of one moment, while the server works on; the blobs are copied
// afterwards, which are there before a row names them, and are never changed. The
// outbox is left out, and of the published tree all but the blobs: it is written
// again from rows.
//
// # What it is worth
//
// age says who can read a backup, and that what is read is what was written, to
// the last byte; not who wrote it: recipients are no secret. What vouches for a
// backup is in it: the chain of roots from the first one, which every device has,
// targets.json, trust.json, the log with its checkpoints under the key that trust.json
// names, the MACs of the rows. Whoever holds an identity can read everything that
// is not sealed by the vault as well: who may act, the log, the devices. Private
// keys are sealed twice, the second time under the vault's own root key, which no
// identity opens.
//
// # Going on above
//
// Devices refuse what goes back: versions of metadata, counters, and the log.
// Resume makes the next of each exceed what the backup holds, what the published
// tree shows where it survived, and by a margin all that neither shows. The log
// goes on from the published tree: its tiles hold the hashes of the entries that
// the backup lacks, so that the tree is the same and every checkpoint and proof
// from before still holds; what these entries said is lost, and package audit
// says so of each. Without the published tree the log ends where the backup does,
// devices that saw more of it refuse it, and follow only a new log, under keys
// that people name in the next trust.json (trust.Rules.Recall).
package backup
