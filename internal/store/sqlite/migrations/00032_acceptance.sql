-- +goose Up

-- Who made a person's last invitation and from where, when it was accepted, from
-- where and with what program, and who has confirmed that it was that person.
ALTER TABLE persons ADD COLUMN inviter TEXT NOT NULL DEFAULT '';
ALTER TABLE persons ADD COLUMN invited_from TEXT NOT NULL DEFAULT '';
ALTER TABLE persons ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE persons ADD COLUMN accepted_from TEXT NOT NULL DEFAULT '';
ALTER TABLE persons ADD COLUMN accepted_with TEXT NOT NULL DEFAULT '';
ALTER TABLE persons ADD COLUMN confirmed TEXT NOT NULL DEFAULT '';
