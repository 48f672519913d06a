-- Keys, names for them, what exchanges need, and the trail.
--
-- {{position}} is a growing integer primary key, {{bytes}} a column of bytes, {{text}} text that
-- compares by code point: each engine writes them its own way. Instants are microseconds since
-- 1970-01-01T00:00:00Z. Every table a request can change carries a row MAC over all its columns.

CREATE TABLE meta (
    name  {{text}} PRIMARY KEY,
    value {{bytes}} NOT NULL
);

CREATE TABLE keys (
    position              {{position}},
    account               {{text}} NOT NULL,
    key_id                {{text}} NOT NULL,
    key_usage             {{text}} NOT NULL,
    key_class             {{text}} NOT NULL,
    key_algorithm         {{text}} NOT NULL,
    modes_of_use          {{text}} NOT NULL,
    exportability         {{text}} NOT NULL,
    origin                {{text}} NOT NULL,
    check_value           {{text}} NOT NULL,
    check_value_algorithm {{text}} NOT NULL,
    derive_key_usage      {{text}},
    optional_blocks       {{text}},
    key_version           {{text}} NOT NULL,
    public_key            {{bytes}},
    certificate           {{bytes}},
    issuer_key_id         {{text}},
    created_at            BIGINT NOT NULL,
    state                 {{text}} NOT NULL,
    enabled               SMALLINT NOT NULL,
    usage_started_at      BIGINT,
    usage_stopped_at      BIGINT,
    delete_pending_at     BIGINT,
    deleted_at            BIGINT,
    wrapped_data_key      {{bytes}},
    ciphertext            {{bytes}},
    revision              BIGINT NOT NULL,
    row_mac               {{bytes}} NOT NULL
);
CREATE UNIQUE INDEX keys_by_id ON keys (account, key_id);
CREATE INDEX keys_in_order ON keys (account, position);
CREATE INDEX keys_by_state ON keys (account, state, position);
CREATE INDEX keys_counted ON keys (account) WHERE state <> 'DELETE_COMPLETE';
CREATE INDEX keys_due ON keys (delete_pending_at) WHERE state = 'DELETE_PENDING';

CREATE TABLE aliases (
    account  {{text}} NOT NULL,
    name     {{text}} NOT NULL,
    key_id   {{text}},
    revision BIGINT NOT NULL,
    row_mac  {{bytes}} NOT NULL,
    PRIMARY KEY (account, name)
);
CREATE INDEX aliases_of_key ON aliases (account, key_id, name);

CREATE TABLE tags (
    account   {{text}} NOT NULL,
    key_id    {{text}} NOT NULL,
    tag_key   {{text}} NOT NULL,
    tag_value {{text}} NOT NULL,
    row_mac   {{bytes}} NOT NULL,
    PRIMARY KEY (account, key_id, tag_key)
);

CREATE TABLE tokens (
    account          {{text}} NOT NULL,
    token            {{text}} NOT NULL,
    purpose          {{text}} NOT NULL,
    material_type    {{text}} NOT NULL,
    algorithm        {{text}} NOT NULL,
    certificate      {{bytes}} NOT NULL,
    wrapped_data_key {{bytes}} NOT NULL,
    ciphertext       {{bytes}} NOT NULL,
    created_at       BIGINT NOT NULL,
    valid_until      BIGINT NOT NULL,
    row_mac          {{bytes}} NOT NULL,
    PRIMARY KEY (account, token)
);
CREATE INDEX tokens_latest ON tokens (account, purpose, material_type, algorithm, created_at);
CREATE INDEX tokens_expiring ON tokens (valid_until);

CREATE TABLE authorities (
    account          {{text}} NOT NULL,
    family           {{text}} NOT NULL,
    certificate      {{bytes}} NOT NULL,
    wrapped_data_key {{bytes}} NOT NULL,
    ciphertext       {{bytes}} NOT NULL,
    created_at       BIGINT NOT NULL,
    row_mac          {{bytes}} NOT NULL,
    PRIMARY KEY (account, family)
);

CREATE TABLE issued_certificates (
    account     {{text}} NOT NULL,
    key_id      {{text}} NOT NULL,
    certificate {{bytes}} NOT NULL,
    valid_until BIGINT NOT NULL,
    row_mac     {{bytes}} NOT NULL,
    PRIMARY KEY (account, key_id)
);

CREATE TABLE audit_events (
    position   {{position}},
    account    {{text}} NOT NULL,
    event_id   {{text}} NOT NULL,
    event_time BIGINT NOT NULL,
    event_name {{text}} NOT NULL,
    body       {{bytes}} NOT NULL
);
CREATE INDEX audit_events_in_order ON audit_events (account, position);
