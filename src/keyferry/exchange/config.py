"""
The configuration of an exchange: the published samples' `input_config.json`, extended.

Every member has a default, so a file holds what differs. A party is found under `kdh.X` or
`krd.X`; what travels and how stands in the party's `tr34`, `tr31` and `ecdh`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from keyferry.keys import KeyAlgorithm, KeyUsage

# A name or an IPv4 address without a port, or an IPv6 address, which has two colons at least.
Host = Annotated[
    str, Meta(pattern=r"^([^:/\s]+|[0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%\w+)?)$")
]
RegionName = Annotated[str, Meta(pattern=r"^([a-z]{2,}(-[a-z]+)+-[0-9]+)?$")]
Port = Annotated[int, Meta(ge=1, le=65535)]
TwoDigits = Annotated[str, Meta(pattern=r"^[0-9]{2}$")]
Seconds = Annotated[float, Meta(gt=0, le=3600)]
# TR-34 nonces are 8 to 16 bytes; shared information is 1 to 1024 bytes in the API.
NonceHex = Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{16}([0-9A-Fa-f]{2}){0,8})?$")]
InfoHex = Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{2}){0,1024}$")]
CheckValue = Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{4,16})?$")]
DerivationFunction = Annotated[str, Meta(pattern=r"^(NIST_SP800|ANSI_X963)?$")]
HashName = Annotated[str, Meta(pattern=r"^(SHA_256|SHA_384|SHA_512)?$")]


class TR34(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A party's share of a TR-34 exchange. An empty `transport_key` means: generate one."""

    transport_key: str = ""
    transport_key_kcv: CheckValue = ""
    key_algorithm: KeyAlgorithm | None = None
    key_usage: KeyUsage | None = None
    nonce: NonceHex = ""


class TR31(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A party's share of a TR-31 exchange; `kek` is the party's own name of the shared KEK."""

    kek: str = ""
    transport_key: str = ""
    transport_key_kcv: CheckValue = ""
    key_algorithm: KeyAlgorithm | None = None
    key_usage: KeyUsage | None = None


class ECDH(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A party's share of an ECDH exchange; `shared_info` is hex."""

    transport_key: str = ""
    transport_key_kcv: CheckValue = ""
    key_algorithm: KeyAlgorithm | None = None
    key_usage: KeyUsage | None = None
    derive_key_algorithm: KeyAlgorithm | None = None
    key_derivation_function: DerivationFunction = ""
    hash_algorithm: HashName = ""
    shared_info: InfoHex = ""


class TLSFiles(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a connection is protected; paths of PEM files."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""


class AuthorityFiles(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A certificate authority in PEM files; `chain_file` leads from it to its root."""

    certificate_file: str
    key_file: str
    chain_file: str = ""


class _Party(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    # "local", the ARN of an AWS Private CA, or the files of a CA.
    certificate_authority: str | AuthorityFiles = "local"
    timeout_seconds: Seconds = 30.0
    tls: TLSFiles | None = None
    tr34: TR34 = msgspec.field(default_factory=TR34)
    tr31: TR31 = msgspec.field(default_factory=TR31)
    ecdh: ECDH = msgspec.field(default_factory=ECDH)


class PayShield(_Party, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A Thales payShield 10K."""

    host: Host = "127.0.0.1"
    port: Port = 1500
    variant_lmk: bool = False
    variant_lmk_identifier: TwoDigits = "02"
    key_block_lmk_identifier: TwoDigits = "00"
    debug: bool = False

    @property
    def lmk_identifier(self) -> str:
        """Identifier of the LMK that this exchange works under."""
        return self.variant_lmk_identifier if self.variant_lmk else self.key_block_lmk_identifier


class Futurex(_Party, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A Futurex HSM with keys under its PMK; with "local" it is its own certificate authority."""

    host: Host = "127.0.0.1"
    port: Port = 9000
    debug: bool = False


class Atalla(_Party, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An Atalla HSM with a TDES master file key."""

    host: Host = "127.0.0.1"
    port: Port = 7000
    debug: bool = False
    # How long the approval of the receiver's key may take two administrators.
    dual_control_timeout_seconds: Seconds = 600.0


class APC(_Party, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """AWS Payment Cryptography, or a service with its API; what is empty follows the AWS chain."""

    region: RegionName = ""
    endpoint_url: str = ""
    profile: str = ""
    assume_role: str = ""


class Local(_Party, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A clear test key: one file, or files of components; neither means: ask for it."""

    key_file: str = ""
    component_files: list[str] = []
    key_usage: KeyUsage | None = None
    key_algorithm: KeyAlgorithm | None = None


class Parties(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The parties a file describes, for one of the two sides."""

    payshield: PayShield | None = None
    futurex: Futurex | None = None
    atalla: Atalla | None = None
    apc: APC | None = None
    local: Local | None = None


class ExchangeConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One configuration file."""

    kdh: Parties = msgspec.field(default_factory=Parties)
    krd: Parties = msgspec.field(default_factory=Parties)


PartyConfig = PayShield | Futurex | Atalla | APC | Local
FlowConfig = TR34 | TR31 | ECDH
