"""What kinds of failures of an exchange mean, where no code of an HSM or the API says it."""

from __future__ import annotations

from typing import Final

from keyferry.errors import (
    ApprovalTimeoutError,
    CertificateError,
    CheckValueMismatchError,
    ConfigurationError,
    DeviceCapabilityError,
    EndpointUnreachableError,
    HSMConnectionError,
    HSMFrameError,
    HSMRefusedError,
    HSMTimeoutError,
    KeyBlockError,
    KeyferryError,
    KeyStrengthError,
    ProofError,
    RemoteRefusedError,
    TokenError,
    UnknownOutcomeError,
)
from keyferry.hsm.host_connection import NotSentError, OutOfStepError, TLSRefusedError

_OPENING: Final = "run keyferry doctor on what travelled, with the keys and certificates at hand"

# By class, the most special first: id, likely cause, fix.
CAUSES: Final[tuple[tuple[type[KeyferryError], str, str, str], ...]] = (
    (
        CheckValueMismatchError,
        "check-value",
        "sender and receiver hold different keys: another KEK under the same name, a damaged key,"
        " or check values of two methods",
        "compare the check values of KEK and key on both sides, by the same method",
    ),
    (
        DeviceCapabilityError,
        "device-capability",
        "a command, an option, the master key or the firmware of the HSM does not allow it",
        "run with --explain to see every rule and what the HSM says of itself",
    ),
    (
        KeyStrengthError,
        "key-strength",
        "the key is stronger than what was to wrap it",
        "send AES_256 by ecdh, AES_128 by tr34 (RSA_3072), or establish a stronger KEK first",
    ),
    (
        ApprovalTimeoutError,
        "dual-control",
        "two administrators did not approve the receiver's key at the HSM in time",
        "run the exchange again when both are at hand, or raise dual_control_timeout_seconds",
    ),
    (
        HSMTimeoutError,
        "hsm-timeout",
        "the HSM is busy, or is not the kind that was configured and waits for more input",
        "check host, port and TLS; raise timeout_seconds; RSA keys take some HSMs minutes",
    ),
    (
        OutOfStepError,
        "hsm-frame",
        "the answer is not of the protocol: another kind of HSM or port, or a damaged line",
        "check which HSM listens on host and port, and its message header length",
    ),
    (
        TLSRefusedError,
        "hsm-tls",
        "the HSM's certificate is of another authority or names another host, or the HSM refused"
        " the certificate of this client",
        "compare the party's tls member with the HSM's certificate: ca_file, server_name,"
        " cert_file and key_file",
    ),
    (
        NotSentError,
        "hsm-connection",
        "nothing listens there, the HSM allows no client of this address, or TLS was expected",
        "check host and port, the HSM's list of allowed clients, and the party's tls member",
    ),
    (
        HSMConnectionError,
        "hsm-connection-lost",
        "the HSM restarted or gave up the connection, a device between cut it, the HSM does not"
        " understand the message, or it expected TLS or a client's certificate",
        "run the exchange again; where it ends so each time, check that host and port are those of"
        " the configured kind of HSM, and the party's tls member",
    ),
    (
        HSMFrameError,
        "hsm-frame",
        "the answer is not of the protocol: another kind of HSM or port, or a damaged line",
        "check which HSM listens on host and port, and its message header length",
    ),
    (
        HSMRefusedError,
        "hsm-unknown-code",
        "an error code that no public list has: of a newer or customised firmware, or a damaged"
        " answer",
        "run the exchange again; if the code stays, look it up in the manual of the HSM",
    ),
    (
        RemoteRefusedError,
        "apc-unknown-code",
        "the endpoint refused with an exception that the API's description does not have",
        "read its message; check that the endpoint is AWS Payment Cryptography or keyferry serve",
    ),
    (
        EndpointUnreachableError,
        "endpoint",
        "nothing listens at the endpoint, its name does not resolve, a proxy or firewall is"
        " between, or TLS was expected or not",
        "check endpoint_url, or AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY, and the Region",
    ),
    (
        UnknownOutcomeError,
        "endpoint-unknown-outcome",
        "the endpoint or something before it broke off while it worked, or is not the service",
        "list the newest keys of the Region before trying again",
    ),
    (
        ProofError,
        "proof-by-use",
        "equal check values, yet both sides do not use the key alike: another usage or variant of"
        " the key, or another rule of the algorithm",
        "compare usage, mode and algorithm on both sides; do not use the key before that is clear",
    ),
    (
        CertificateError,
        "certificate",
        "a certificate was issued by another authority, has expired, or is for another key",
        "run keyferry doctor on the chain with --ca; check the clocks",
    ),
    (
        TokenError,
        "token",
        "the token is not what its receiver expects",
        _OPENING,
    ),
    (
        KeyBlockError,
        "key-block",
        "the block is not what its receiver expects",
        _OPENING,
    ),
    (
        ConfigurationError,
        "configuration",
        "the configuration asks for what device or service do not have",
        "correct the member that is named",
    ),
)
UNKNOWN: Final = (
    "failure",
    "one of the parties did not do what the exchange asked of it",
    "run again with -v, and keyferry doctor on the configuration",
)
