"""
The commands by name: where each lives and what it does, in one line.

This table is all that `keyferry --help` needs, so it imports nothing: a command's module is
imported when the command runs. The attribute in the module has the command's name,
with `_` for `-`.
"""

from __future__ import annotations

from collections.abc import Mapping

# Command name: (module, one-line summary).
COMMANDS: Mapping[str, tuple[str, str]] = {
    "serve": ("keyferry.cli.serve", "Run the AWS Payment Cryptography compatible service."),
    "simulate": ("keyferry.cli.simulate", "Run an HSM simulator."),
    "exchange": ("keyferry.cli.exchange", "Bring one key from a host to a receiving device."),
    "key": ("keyferry.cli.key", "Look into and make key blocks at the desk, test keys only."),
    "selftest": ("keyferry.cli.selftest", "Test the cryptography against known answers."),
    "doctor": ("keyferry.cli.doctor", "Say why an exchange or an import fails, and the fix."),
    "explain": ("keyferry.cli.explain", "Say what an HSM's error code or an exception means."),
    "store": ("keyferry.cli.store", "Look after the databases a service keeps its keys in."),
    "regions": ("keyferry.cli.regions", "Look after keys in several Regions of a service."),
    "events": ("keyferry.cli.events", "Read the audit trail of a service."),
}

KEY_COMMANDS: Mapping[str, tuple[str, str]] = {
    "show": ("keyferry.cli.key_show", "Show what a key block or a TR-34 token says of itself."),
    "wrap": ("keyferry.cli.key_wrap", "Make a key block or a TR-34 token of a test key."),
    "unwrap": ("keyferry.cli.key_unwrap", "Open a key block or a TR-34 token of a test key."),
    "kcv": ("keyferry.cli.key_kcv", "Compute the check value of a test key."),
}

REGIONS_COMMANDS: Mapping[str, tuple[str, str]] = {
    "status": (
        "keyferry.cli.regions_status",
        "Show how far behind Regions are.",
    ),
    "verify": ("keyferry.cli.regions_verify", "Compare every key of two Regions, and repair."),
    "drill": ("keyferry.cli.regions_drill", "Rehearse the loss of a Region."),
    "backfill": ("keyferry.cli.regions_backfill", "Replicate the keys that are there already."),
    "replay": ("keyferry.cli.regions_replay", "Try again what was given up."),
    "rotate-kek": ("keyferry.cli.regions_rotate_kek", "Agree on new keys between Regions."),
}

EXCHANGE_COMMANDS: Mapping[str, tuple[str, str]] = {
    "tr34": ("keyferry.cli.exchange_flows", "Bring a key over under an RSA key (X9 TR 34)."),
    "tr31": ("keyferry.cli.exchange_flows", "Bring a key over under a shared KEK (X9.143)."),
    "ecdh": ("keyferry.cli.exchange_flows", "Bring a key over under a key both sides agree on."),
}

GLOBAL_OPTIONS = (
    ("--output [table|json]", "Form of the result on standard output.  [default: table]"),
    ("-v, --verbose", "Log more, and show tracebacks of unexpected errors."),
    ("--log-format [text|json]", "Form of the log lines on standard error.  [default: text]"),
)


def overview() -> str:
    """Return the help text of `keyferry` itself."""
    lines = [
        "Usage: keyferry COMMAND [OPTIONS] [ARGUMENTS]...",
        "",
        "  Payment keys from HSMs into AWS Payment Cryptography, and the service itself.",
        "",
        "Commands:",
        *(f"  {name:<10}{summary}" for name, (_, summary) in COMMANDS.items()),
        "",
        "Options of every command:",
        *(f"  {name:<26}{text}" for name, text in GLOBAL_OPTIONS),
        "  -h, --help                Show the command's help and end.",
        "",
        "Options of keyferry itself:",
        "  --version                 Show the version and end.",
        "",
        "Exit codes: 0 done, 1 refused or failed, 2 usage or configuration error,",
        "3 partly done, 4 changes pending, 130 interrupted.",
    ]
    return "\n".join(lines) + "\n"
