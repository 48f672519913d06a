"""What a payShield can do by scheme and algorithm of its LMK, and how one is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from keyferry.errors import DeviceCapabilityError, HSMRefusedError
from keyferry.hsm.capabilities import (
    AES,
    CURVES,
    RSA,
    TDES,
    Capability,
    Device,
    MasterKey,
    Protocol,
    Role,
)
from keyferry.hsm.commands import Evidence
from keyferry.hsm.payshield.client import HostClient
from keyferry.hsm.payshield.lmk import LMKScheme, LMKSelection
from keyferry.hsm.values import Values

_SAMPLES: Final = "AWS samples, on firmware 1.14"
_VARIANT: Final = frozenset({MasterKey.VARIANT_LMK})
_TDES_LMK: Final = frozenset({MasterKey.TDES_LMK})
_AES_LMK: Final = frozenset({MasterKey.AES_LMK})
_KEY_BLOCK: Final = _TDES_LMK | _AES_LMK
# Seen to work on 1.14; older firmware answered !D with an error (issue 43 of the samples).
_VERSION_D: Final = (("D", (1, 14)),)

_A6: Final = "the table of A6 (R blocks)"

_SENDS_TR34: Final = Capability(
    protocol=Protocol.TR34,
    role=Role.SENDS,
    master_keys=_AES_LMK,
    commands=("EI", "A0", "EW", "B8"),
    algorithms=TDES | AES,
    wrapping=RSA,
    block_versions="BD",
    activities=("generate.rsa.host",),
    since=_VERSION_D,
    evidence=Evidence.CLIENT,
    source=_SAMPLES,
)
_SENDS_TR31: Final = Capability(
    protocol=Protocol.TR31,
    role=Role.SENDS,
    master_keys=_AES_LMK,
    commands=("A0", "BU", "A8"),
    algorithms=TDES | AES,
    wrapping=TDES | AES,
    block_versions="BD",
    since=_VERSION_D,
    evidence=Evidence.CAPTURE,
    source="metalcorpe/payshield-rest-api captures; AWS samples",
)
_SENDS_ECDH: Final = Capability(
    protocol=Protocol.ECDH,
    role=Role.SENDS,
    master_keys=_AES_LMK,
    commands=("FY", "IG", "A0", "A8"),
    algorithms=TDES | AES,
    wrapping=CURVES,
    block_versions="BD",
    activities=("eckai.K1.host",),
    since=_VERSION_D,
    evidence=Evidence.CLIENT,
    source=_SAMPLES,
)
_RECEIVES_TR31: Final = Capability(
    protocol=Protocol.TR31,
    role=Role.RECEIVES,
    master_keys=_AES_LMK,
    commands=("A6", "BU"),
    algorithms=TDES | AES,
    wrapping=TDES | AES,
    block_versions="ABCD",
    since=_VERSION_D,
    evidence=Evidence.FIELD_TABLE,
    source=f"{_A6}, reproduced by ut-codec-payshield",
)


def _with_tdes_only(
    row: Capability,
    master_keys: frozenset[MasterKey],
    *,
    activities: tuple[str, ...] | None = None,
    evidence: Evidence,
    source: str,
) -> Capability:
    """Return what is left of a row under an LMK that protects no AES keys."""
    return replace(
        row,
        master_keys=master_keys,
        algorithms=row.algorithms - AES,
        wrapping=row.wrapping - AES,
        block_versions=row.block_versions.removesuffix("D"),
        since=(),
        activities=row.activities if activities is None else activities,
        evidence=evidence,
        source=source,
    )


CAPABILITIES: Final = (
    _with_tdes_only(
        _SENDS_TR34,
        _VARIANT,
        activities=("generate.rsa.host", "export.000.host"),
        evidence=Evidence.CLIENT,
        source=_SAMPLES,
    ),
    _with_tdes_only(
        _SENDS_TR34,
        _TDES_LMK,
        evidence=Evidence.INFERRED,
        source="error 48: AES keys want a stronger LMK",
    ),
    _SENDS_TR34,
    _with_tdes_only(_SENDS_TR31, _VARIANT, evidence=Evidence.CLIENT, source=_SAMPLES),
    _with_tdes_only(_SENDS_TR31, _TDES_LMK, evidence=Evidence.CLIENT, source=_SAMPLES),
    _SENDS_TR31,
    _SENDS_ECDH,
    _with_tdes_only(
        _RECEIVES_TR31,
        _VARIANT,
        activities=("import.000.host (and the setting that lets a ZMK in)", "import.00a.host"),
        evidence=Evidence.INFERRED,
        source=_A6,
    ),
    _with_tdes_only(_RECEIVES_TR31, _TDES_LMK, evidence=Evidence.INFERRED, source=_A6),
    _RECEIVES_TR31,
    replace(
        _SENDS_ECDH,
        role=Role.RECEIVES,
        commands=("FY", "IG", "A6", "BU"),
        evidence=Evidence.INFERRED,
        source="IG makes a K1 key of mode B, and the table of A6 takes one for R blocks",
    ),
)

_ALGORITHMS: Final = {"0": MasterKey.TDES_LMK, "1": MasterKey.TDES_LMK, "2": MasterKey.AES_LMK}


async def ask_device(client: HostClient, lmk: LMKSelection) -> Device:
    """
    Ask a payShield what it is: NC of the LMK in force, NO, JK. Changes nothing.

    NO and JK may be switched off; what they would tell is then unknown.

    Raises:
        HSMRefusedError: the LMK is not loaded (NC).
        DeviceCapabilityError: the LMK is of the other scheme than configured (JK).
        HSMError: it does not answer.
    """
    said = await client.diagnostics(lmk)
    firmware = said.firmware.strip()
    told = [("firmware (NC)", firmware), ("LMK check value (NC)", said.lmk_check_value[:6])]
    try:
        status = await client.status()
    except HSMRefusedError as error:
        told.append(("status (NO)", f"not told: error {error.code}"))
    else:
        told.append(("sockets (NO)", str(status.sockets)))
    configured = _VARIANT if lmk.is_variant else _KEY_BLOCK
    try:
        values = (await client.call("JK")).values
    except HSMRefusedError as error:
        told.append(("LMKs (JK)", f"not told: error {error.code}"))
        return Device(
            family="payshield", master_keys=configured, firmware=firmware, told=tuple(told)
        )
    found = _lmk(values.rows("lmks"), lmk.identifier)
    if found is None:
        told.append(("LMKs (JK)", f"LMK {lmk.identifier or 'by default'} is not listed"))
        return Device(
            family="payshield", master_keys=configured, firmware=firmware, told=tuple(told)
        )
    scheme = found.text("scheme")
    master_key = (
        MasterKey.VARIANT_LMK
        if scheme == LMKScheme.VARIANT
        else _ALGORITHMS[found.text("algorithm")]
    )
    if master_key not in configured:
        raise DeviceCapabilityError(
            f"LMK {found.text('id')} of the payShield is a {master_key}, and the configuration"
            f" means a {'variant' if lmk.is_variant else 'key block'} LMK",
            hint=f"set variant_lmk to {'false' if lmk.is_variant else 'true'}, or correct"
            f" {'variant' if lmk.is_variant else 'key_block'}_lmk_identifier",
        )
    kind = "test" if found.text("status") == "T" else "live"
    authorised = "some" if found.text("authorised") == "1" else "no"
    told += [
        (f"LMK {found.text('id')} (JK)", f"{master_key}, {kind}"),
        ("authorised activities (JK)", f"{authorised}, {found.number('activities')} in all"),
    ]
    return Device(
        family="payshield",
        master_keys=frozenset({master_key}),
        firmware=firmware,
        told=tuple(told),
    )


async def ask_enabled(client: HostClient, device: Device, codes: Iterable[str]) -> Device:
    """
    Ask a payShield which of some commands it executes; changes nothing.

    Args:
        client: of the HSM.
        device: what it said of itself so far.
        codes: of the commands.

    Raises:
        HSMError: it does not answer.
    """
    enabled = frozenset([code for code in codes if await client.is_enabled(code)])
    told = ("commands (sent without fields)", ", ".join(sorted(enabled)) or "none of those asked")
    return replace(device, commands=enabled, told=(*device.told, told))


def _lmk(entries: Sequence[Values], identifier: str | None) -> Values | None:
    return next((entry for entry in entries if entry.text("id") == identifier), None)
