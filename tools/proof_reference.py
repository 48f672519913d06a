"""Which keys are proven by use between which systems, asked of the parties themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from keyferry.crypto.keyblock.thales import ThalesHeader, ThalesVersion
from keyferry.errors import KeyAttributesError
from keyferry.exchange.aws import AWSClient
from keyferry.exchange.modes import modes_for
from keyferry.exchange.parties.apc_calls import KeyCalls
from keyferry.exchange.parties.apc_proof import APCProofs
from keyferry.exchange.parties.apc_throw_away import ThrowAwayKeys
from keyferry.exchange.parties.atalla_proof import AtallaProofs
from keyferry.exchange.parties.futurex_proof import FuturexProofs
from keyferry.exchange.parties.local_proof import LocalProofs
from keyferry.exchange.parties.payshield_proof import PayShieldProofs
from keyferry.exchange.proof import KeyProofs, Side, choose
from keyferry.exchange.proof_kinds import UsedKey, reason_against
from keyferry.hsm.atalla import AtallaDriver
from keyferry.hsm.atalla.usages import HEADERS
from keyferry.hsm.futurex import FuturexDriver
from keyferry.hsm.payshield import LMKScheme, LMKSelection, PayShieldDriver
from keyferry.hsm.payshield.key_types import key_type_for
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage, check_attributes

HOST = "127.0.0.1"
NOT_HELD, NO_COMMAND = "not held", "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A party, and which keys it holds."""

    label: str
    proofs: KeyProofs

    def handle(self, usage: KeyUsage, algorithm: KeyAlgorithm) -> str | None:
        """Return a key of an algorithm as the system would show it; None: it holds none."""
        code = usage.code
        if self.label.startswith("payShield"):
            variant = "variant" in self.label
            if algorithm.is_hmac or (variant and (algorithm.is_aes or not key_type_for(code))):
                return None
            header = ThalesHeader(
                version=ThalesVersion.AES_LMK,
                usage=code,
                algorithm=algorithm.block_algorithm,
                mode=modes_for(usage).letter,
            )
            return "U" if variant else header.encode(length=112)
        if self.label == "Atalla":
            header_text = HEADERS.get(code)
            if header_text is None or not algorithm.is_tdes:
                return None
            return f"{header_text.encode()},{'0' * 48},{'0' * 16}"
        return None if self.label == "Futurex" and algorithm.is_hmac else "key"


def systems() -> dict[str, System]:
    """Every system, by what the page calls it; none is called."""

    def payshield(scheme: LMKScheme) -> PayShieldProofs:
        selection = LMKSelection(scheme=scheme, identifier="00")
        return PayShieldProofs(PayShieldDriver(HOST, 1), selection)

    def nowhere() -> AWSClient:
        raise AssertionError("no system is called")

    throw_aways = ThrowAwayKeys(KeyCalls(cast("AWSClient", object())))
    found: dict[str, KeyProofs] = {
        "payShield": payshield(LMKScheme.KEY_BLOCK),
        "payShield (variant LMK)": payshield(LMKScheme.VARIANT),
        "Futurex": FuturexProofs(FuturexDriver(HOST, 1)),
        "Atalla": AtallaProofs(AtallaDriver(HOST, 1)),
        "service": APCProofs(nowhere, throw_aways=throw_aways),
        "test key": LocalProofs(lambda _: nowhere()),  # type: ignore[arg-type, return-value]
    }
    return {label: System(label=label, proofs=proofs) for label, proofs in found.items()}


def keys() -> list[tuple[KeyUsage, KeyAlgorithm]]:
    """Every usage with every algorithm a symmetric key of it may have."""
    found = []
    for usage in KeyUsage:
        for algorithm in KeyAlgorithm:
            try:
                check_attributes(
                    KeyAttributes(
                        key_usage=usage,
                        key_class=KeyClass.SYMMETRIC_KEY,
                        key_algorithm=algorithm,
                        modes_of_use=modes_for(usage),
                    )
                )
            except KeyAttributesError:
                continue
            found.append((usage, algorithm))
    return found


def used(handle: str, usage: KeyUsage, algorithm: KeyAlgorithm) -> UsedKey:
    """A key with all modes of its usage."""
    return UsedKey(
        handle=handle,
        usage=usage.code,
        algorithms=(algorithm,),
        mode=modes_for(usage).letter,
        check_value="",
    )


def cell(sender: System, receiver: System, usage: KeyUsage, algorithm: KeyAlgorithm) -> str:
    """What a key is proven by between two systems."""
    sides = []
    for system in (sender, receiver):
        handle = system.handle(usage, algorithm)
        if handle is None:
            return NOT_HELD
        sides.append(Side(party=system, key=used(handle, usage, algorithm)))
    kind, by_receiver, _ = choose(*sides)
    if kind is None:
        return NO_COMMAND
    return f"{kind} ←" if by_receiver else str(kind)


def table(pairs: list[tuple[str, str]]) -> list[str]:
    """One row for each usage and algorithms that are proven alike, then those that never are."""
    found = systems()
    rows: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    never: dict[tuple[str, str], list[str]] = {}
    for usage, algorithm in keys():
        cells = tuple(cell(found[one], found[other], usage, algorithm) for one, other in pairs)
        if set(cells) <= {NO_COMMAND, NOT_HELD}:
            reason = reason_against(used("", usage, algorithm)) or "no public command"
            # The algorithm stands before it.
            reason = reason.replace(f"{algorithm} keys of usage {usage.code}", "such keys")
            never.setdefault((usage.code, reason), []).append(algorithm)
        else:
            rows.setdefault((usage.code, cells), []).append(algorithm)
    head = ["usage", "algorithm", *(f"{one} → {other}" for one, other in pairs)]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for (code, cells), algorithms in rows.items():
        lines.append(f"| {code} | {', '.join(algorithms)} | {' | '.join(cells)} |")
    lines += [
        "",
        "Nothing proves these anywhere:",
        "",
        "| usage | algorithm | why |",
        "|---|---|---|",
    ]
    for (code, reason), algorithms in never.items():
        lines.append(f"| {code} | {', '.join(algorithms)} | {reason} |")
    return lines


def page() -> str:
    """The text of the page, without its first line."""
    senders = ["payShield", "payShield (variant LMK)", "Futurex", "Atalla", "service", "test key"]
    into_hsms = [
        ("service", "payShield"),
        ("payShield", "payShield"),
        ("Futurex", "payShield"),
        ("service", "Futurex"),
        ("payShield", "Futurex"),
    ]
    return "\n".join(
        (
            "# What a key is proven by",
            "",
            "`keyferry exchange --prove` has one side compute something under its copy of the key,",
            "and the other verify it. The tables say what, by the public commands of each family.",
            "",
            "- `←`: the receiver computes and the sender verifies, since the sender has a command",
            "  for the one and not for the other.",
            f"- `{NO_COMMAND}`: not provable by use. One of the two has no public command for such"
            " a key,",
            "  or the key itself allows nothing to be computed; the exchange says which, and ends",
            "  well: check values and attributes are compared all the same.",
            f"- `{NOT_HELD}`: such a key does not exist there.",
            "- PVV, PIN offset, and ARQC with script MAC need a second key on both sides: a",
            "  throw-away key travels the same way and is deleted afterwards. So is every key that",
            "  is made in the service for a proof.",
            "- A key block: one side wraps a throw-away key under the KEK, the other unwraps it,",
            "  and the check values are equal.",
            "- A mode of use that only computes or only verifies (G, V, E, D) leaves nothing to",
            "  prove between two copies of one key.",
            "",
            "With `--replicate-to REGION` the same proof is held against the replica.",
            "",
            "## Into the service",
            "",
            *table([(sender, "service") for sender in senders]),
            "",
            "Why there is no proof where another family has one:",
            "",
            "- payShield: how the serial number of an AES BDK is described to the device is not",
            "  public, nor are the commands under E1, E4 and E6 keys. It verifies cryptograms of",
            "  cards (KQ) and makes none.",
            "- Futurex: the commands for MACs, data, DUKPT and EMV are public by name only, the",
            "  PIN commands in ISO format 0 only, and PIN verification with Visa PVVs only.",
            "- Atalla: 11A wraps TR-31 blocks under K1 keys only. There is a DUKPT command for",
            "  PIN blocks (3E) and none for MACs. PIN values and card cryptograms are verified",
            "  (32, 350), not made.",
            "",
            "## Into an HSM",
            "",
            *table(into_hsms),
            "",
        )
    )
