-- Aliases that follow their keys to other Regions, where a service is told to.
--
-- In the alias's own Region each Region that follows has its own change number, kept after the
-- alias is gone so that it never starts anew, and why it does not follow if it does not. In the
-- Region that follows stands the number applied last, and whether the alias there is still the one
-- that was brought: an alias a user made or changed is not touched.

CREATE TABLE followed_aliases (
    account       {{text}} NOT NULL,
    name          {{text}} NOT NULL,
    region        {{text}} NOT NULL,
    change_number BIGINT NOT NULL,
    message       {{text}},
    row_mac       {{bytes}} NOT NULL,
    PRIMARY KEY (account, name, region)
);

CREATE TABLE arrived_aliases (
    account       {{text}} NOT NULL,
    name          {{text}} NOT NULL,
    region        {{text}} NOT NULL,
    change_number BIGINT NOT NULL,
    is_copy       SMALLINT NOT NULL,
    row_mac       {{bytes}} NOT NULL,
    PRIMARY KEY (account, name, region)
);
