"""`keyferry serve`: run the service."""

from __future__ import annotations

from pathlib import Path

import click

from keyferry.cli.options import OutputOptions, output_options

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8600,
    show_default=True,
    type=int,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--regions",
    default="us-east-1,us-west-2",
    show_default=True,
    help="Regions to serve, separated by commas.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of stores and master keys.  [default: $XDG_DATA_HOME/keyferry]",
)
@click.option(
    "--store",
    metavar="URL",
    help="memory:, sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE, one per Region"
    " ({region} is replaced, or -REGION goes before the suffix or after the database's name)."
    "  [default: a SQLite file in the data folder; memory: with --dev]",
)
@click.option(
    "--master-key",
    metavar="URI",
    help="file:PATH (made at first start) or env:NAME, with {region} as for --store."
    "  [default: a file in the data folder; for memory: a fresh key]",
)
@click.option("--workers", default=1, show_default=True, type=int, help="Worker processes.")
@click.option(
    "--credentials",
    type=_FILE,
    help="TOML file of [[access_key]] tables, mode 0600.  [default: none, which --dev replaces]",
)
@click.option(
    "--limits",
    default="none",
    show_default=True,
    metavar="none|aws|FILE",
    help="Quotas and rates: unlimited, those of AWS, or from a TOML file.",
)
@click.option(
    "--rules",
    default="strict",
    show_default=True,
    metavar="strict|FILE",
    help="What is refused and what is not, where that is the owner's to say; a TOML file sets"
    " single rules otherwise.",
)
@click.option("--tls-cert", type=_FILE, help="Certificate chain in PEM.  [default: no TLS]")
@click.option("--tls-key", type=_FILE, help="Private key of --tls-cert in PEM.  [default: none]")
@click.option(
    "--tls-client-ca",
    type=_FILE,
    help="CA certificates that clients must show one of.  [default: clients need none]",
)
@click.option(
    "--behind-proxy",
    is_flag=True,
    help="A proxy ends TLS and says who the client is.  [default: off]",
)
@click.option(
    "--audit-data-events",
    is_flag=True,
    help="Write every call of the data plane to the audit trail too.  [default: off]",
)
@click.option(
    "--replicate-aliases",
    metavar="SRC:DST",
    multiple=True,
    help="Aliases of Region SRC follow their keys to Region DST; may be repeated.  [default: none]",
)
@click.option(
    "--replicate-tags",
    metavar="SRC:DST",
    multiple=True,
    help="Tags of Region SRC follow their keys to Region DST; may be repeated.  [default: none]",
)
@click.option(
    "--canary-seconds",
    type=click.FloatRange(0, 86400),
    metavar="SECONDS",
    help="How often a key of the service's own is replicated for each pair of Regions, to see that"
    " replication works; 0 is never.  [default: 15; 0 with --dev, which is quiet when idle]",
)
@click.option(
    "--peer",
    metavar="REGION=URL",
    multiple=True,
    help="A Region another service serves, and where; may be repeated.  [default: none]",
)
@click.option(
    "--peer-ca",
    type=_FILE,
    help="CA certificates that peers must show one of, in PEM.  [default: none]",
)
@click.option(
    "--peer-cert",
    type=_FILE,
    help="Certificate chain in PEM to show to peers.  [default: none]",
)
@click.option("--peer-key", type=_FILE, help="Private key of --peer-cert.  [default: none]")
@click.option(
    "--ready-file",
    type=_FILE,
    help="Written once the service is ready: url, regions, pid as JSON.  [default: none]",
)
@click.option(
    "--dev",
    is_flag=True,
    help="Try it out: loopback only, store in memory, access key test with secret test of"
    " account 111122223333.  [default: off]",
)
@output_options
def serve(
    options: OutputOptions,  # noqa: ARG001 (the service has no result to show)
    host: str,
    port: int,
    regions: str,
    data_dir: Path | None,
    store: str | None,
    master_key: str | None,
    workers: int,
    credentials: Path | None,
    limits: str,
    rules: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    behind_proxy: bool,
    audit_data_events: bool,
    canary_seconds: float | None,
    peer: tuple[str, ...],
    peer_ca: Path | None,
    peer_cert: Path | None,
    peer_key: Path | None,
    replicate_aliases: tuple[str, ...],
    replicate_tags: tuple[str, ...],
    ready_file: Path | None,
    dev: bool,
) -> int:
    """
    Run the AWS Payment Cryptography compatible service.

    One port serves all Regions; a request's Region is the one it was signed for. SIGTERM ends the
    service once requests in flight are answered.
    """
    from keyferry.service import server
    from keyferry.service.replication.following import Following
    from keyferry.service.replication.peers.settings import PeerSettings
    from keyferry.service.rules import read_rules
    from keyferry.service.settings import (
        CANARY_S,
        ListenerSettings,
        ServiceSettings,
        default_data_dir,
        read_limits,
    )

    service = ServiceSettings(
        regions=tuple(name.strip() for name in regions.split(",") if name.strip()),
        data_dir=(data_dir or default_data_dir()).absolute(),
        store=store,
        master_key=master_key,
        credentials=credentials,
        dev=dev,
        limits=read_limits(limits),
        rules=read_rules(rules),
        audit_data_events=audit_data_events,
        peers=PeerSettings.parse(peer, ca=peer_ca, cert=peer_cert, key=peer_key),
        following=Following.parse(aliases=replicate_aliases, tags=replicate_tags),
        canary_s=(0.0 if dev else CANARY_S) if canary_seconds is None else canary_seconds,
    )
    listener = ListenerSettings(
        host=host,
        port=port,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
        behind_proxy=behind_proxy,
        workers=workers,
        ready_file=ready_file,
    )
    return server.serve(service, listener)
