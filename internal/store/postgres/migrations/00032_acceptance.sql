-- +goose Up

-- Who made a person's last invitation and from where, when it was accepted, from
-- where and with what program, and who has confirmed that it was that person.
ALTER TABLE persons ADD COLUMN inviter TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE persons ADD COLUMN invited_from TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE persons ADD COLUMN accepted BIGINT NOT NULL DEFAULT 0;
ALTER TABLE persons ADD COLUMN accepted_from TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE persons ADD COLUMN accepted_with TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE persons ADD COLUMN confirmed TEXT COLLATE "C" NOT NULL DEFAULT '';
