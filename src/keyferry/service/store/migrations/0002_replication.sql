-- Keys in several Regions: what a key's part is, where its replicas are, and what is yet to be
-- told to other Regions.
--
-- A change of a key that other Regions must follow raises the key's change number and writes one
-- row of the outbox for each of them, in the transaction of the change. A row says that a Region
-- must be brought to a change number, not what the change was: the key itself is sent as it is.

CREATE TABLE multi_region_keys (
    account        {{text}} NOT NULL,
    key_id         {{text}} NOT NULL,
    part           {{text}} NOT NULL,
    primary_region {{text}},
    using_default  SMALLINT NOT NULL,
    change_number  BIGINT NOT NULL,
    incarnation    BIGINT NOT NULL,
    row_mac        {{bytes}} NOT NULL,
    PRIMARY KEY (account, key_id)
);

CREATE TABLE replicas (
    account     {{text}} NOT NULL,
    key_id      {{text}} NOT NULL,
    region      {{text}} NOT NULL,
    status      {{text}} NOT NULL,
    message     {{text}},
    incarnation BIGINT NOT NULL,
    imported    SMALLINT NOT NULL,
    row_mac     {{bytes}} NOT NULL,
    PRIMARY KEY (account, key_id, region)
);

CREATE TABLE replication_outbox (
    account       {{text}} NOT NULL,
    key_id        {{text}} NOT NULL,
    region        {{text}} NOT NULL,
    change_number BIGINT NOT NULL,
    owner         {{text}} NOT NULL,
    written_at    BIGINT NOT NULL,
    due_at        BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    held          SMALLINT NOT NULL,
    row_mac       {{bytes}} NOT NULL,
    PRIMARY KEY (account, key_id, region)
);
CREATE INDEX replication_outbox_due ON replication_outbox (region, held, due_at);

CREATE TABLE default_replication_regions (
    account {{text}} NOT NULL,
    region  {{text}} NOT NULL,
    row_mac {{bytes}} NOT NULL,
    PRIMARY KEY (account, region)
);

CREATE TABLE replication_keks (
    direction        {{text}} NOT NULL,
    peer             {{text}} NOT NULL,
    kek_id           {{text}} NOT NULL,
    check_value      {{text}} NOT NULL,
    wrapped_data_key {{bytes}} NOT NULL,
    ciphertext       {{bytes}} NOT NULL,
    created_at       BIGINT NOT NULL,
    row_mac          {{bytes}} NOT NULL,
    PRIMARY KEY (direction, peer, kek_id)
);
CREATE INDEX replication_keks_newest ON replication_keks (direction, peer, created_at);
