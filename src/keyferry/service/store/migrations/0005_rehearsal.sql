-- What every process of a service must know of a Region's canaries and of drills: which key
-- measures the way to a peer and when it last arrived there, and which peers the Region is cut off
-- from for the time being.

CREATE TABLE replication_canaries (
    peer          {{text}} NOT NULL,
    key_id        {{text}} NOT NULL,
    owner         {{text}} NOT NULL,
    claimed_until BIGINT NOT NULL,
    change_number BIGINT NOT NULL,
    succeeded_at  BIGINT,
    lag_us        BIGINT,
    row_mac       {{bytes}} NOT NULL,
    PRIMARY KEY (peer)
);

CREATE TABLE replication_cuts (
    peer       {{text}} NOT NULL,
    started_at BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    started_by {{text}} NOT NULL,
    row_mac    {{bytes}} NOT NULL,
    PRIMARY KEY (peer)
);
