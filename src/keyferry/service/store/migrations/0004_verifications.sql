-- When the keys of this Region were last compared with their replicas in a peer, and with what
-- result: an answer that every process of the service gives, also after a restart.

CREATE TABLE replication_verifications (
    peer        {{text}} NOT NULL,
    verified_at BIGINT NOT NULL,
    compared    BIGINT NOT NULL,
    drift       BIGINT NOT NULL,
    row_mac     {{bytes}} NOT NULL,
    PRIMARY KEY (peer)
);
