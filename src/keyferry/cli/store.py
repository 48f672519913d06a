"""`keyferry store`: look after the databases a service keeps its keys in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from keyferry.cli.options import OutputOptions, output_options

_URLS = "sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE, with the Region as for serve"
_regions = click.option(
    "--regions",
    default="us-east-1,us-west-2",
    show_default=True,
    help="Regions whose stores are meant, separated by commas.",
)
_data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of stores and master keys.  [default: $XDG_DATA_HOME/keyferry]",
)
_store = click.option(
    "--store",
    metavar="URL",
    help=f"{_URLS}.  [default: a SQLite file in the data folder]",
)
_master_key = click.option(
    "--master-key",
    metavar="URI",
    help="file:PATH or env:NAME, with {region} as for serve.  [default: a file in the data folder]",
)


@click.group("store")
def store() -> None:
    """
    Look after the databases a service keeps its keys in.

    The commands work on the databases themselves; no service needs to run.
    """


@store.command("migrate")
@_store
@_regions
@_data_dir
@output_options
def migrate(options: OutputOptions, store: str | None, regions: str, data_dir: Path | None) -> None:
    """
    Bring the tables up to date, as the start of a service does.

    Each store is changed in one transaction, or not at all. A store of a newer keyferry is
    refused.
    """
    from keyferry.service.store.migrate import migrate as migrate_store
    from keyferry.service.store.opening import open_engine

    applied = {}
    for region in _names(regions):
        engine = open_engine(_url(store, region, data_dir), create=False)
        try:
            applied[region] = [step.name for step in migrate_store(engine)]
        finally:
            engine.close()
    _show(
        options,
        {region: {"applied": steps} for region, steps in applied.items()},
        [f"{region}: {', '.join(steps) or 'up to date'}" for region, steps in applied.items()],
    )


@store.command("check")
@_store
@_regions
@_data_dir
@_master_key
@output_options
def check(
    options: OutputOptions,
    store: str | None,
    regions: str,
    data_dir: Path | None,
    master_key: str | None,
) -> int:
    """
    Verify every row of the stores.

    Each row must be what a service of this master key wrote. A service may run meanwhile. Exit
    code 1 if anything is wrong.
    """
    from keyferry.service.store.maintenance import check_store
    from keyferry.service.store.opening import open_engine

    found = {}
    for region in _names(regions):
        engine = open_engine(_url(store, region, data_dir), create=False)
        try:
            found[region] = check_store(
                engine, region=region, master_key=_key(master_key, region, data_dir)
            )
        finally:
            engine.close()
    lines = []
    for region, checked in found.items():
        verdict = f"{len(checked.findings)} wrong" if checked.findings else "nothing wrong"
        lines.append(f"{region}: {sum(checked.rows.values())} rows, {verdict}")
        lines += [f"{region}: {finding}" for finding in checked.findings]
    _show(
        options,
        {
            region: {"rows": checked.rows, "findings": list(checked.findings)}
            for region, checked in found.items()
        },
        lines,
    )
    return 1 if any(checked.findings for checked in found.values()) else 0


@store.command("copy")
@click.option("--from", "source", metavar="URL", required=True, help=f"{_URLS}.")
@click.option(
    "--to",
    "target",
    metavar="URL",
    required=True,
    help=f"{_URLS}; made if it does not exist, and must be empty.",
)
@_regions
@_data_dir
@_master_key
@output_options
def copy(
    options: OutputOptions,
    source: str,
    target: str,
    regions: str,
    data_dir: Path | None,
    master_key: str | None,
) -> None:
    """
    Copy stores from one database into another, SQLite or PostgreSQL.

    Every row is verified, and read back from the copy and compared. The copy opens with the same
    master key. End the service before, and start it on the copy: what is written to the source
    afterwards is not in the copy. Regions are copied one after the other; one that was copied
    stays if a later one is refused.
    """
    from keyferry.service.store.maintenance import copy_store
    from keyferry.service.store.opening import open_engine

    copied = {}
    for region in _names(regions):
        origin = open_engine(_url(source, region, data_dir), create=False)
        try:
            copy_engine = open_engine(_url(target, region, data_dir))
            try:
                copied[region] = copy_store(
                    origin,
                    copy_engine,
                    region=region,
                    master_key=_key(master_key, region, data_dir),
                )
            finally:
                copy_engine.close()
        finally:
            origin.close()
        if not options.json:
            click.echo(f"{region}: {sum(copied[region].rows.values())} rows copied and verified")
    if options.json:
        _show(options, {region: {"rows": result.rows} for region, result in copied.items()}, [])


def _names(regions: str) -> list[str]:
    from keyferry.errors import ConfigurationError

    names = [name.strip() for name in regions.split(",") if name.strip()]
    if not names:
        raise ConfigurationError("--regions: expected at least one Region")
    return names


def _url(store: str | None, region: str, data_dir: Path | None) -> str:
    from keyferry.errors import ConfigurationError
    from keyferry.service.settings import default_data_dir, region_store

    url = region_store(store, region, data_dir=(data_dir or default_data_dir()).absolute())
    if url == "memory:":
        raise ConfigurationError("a store in memory is gone with its process")
    return url


def _key(master_key: str | None, region: str, data_dir: Path | None) -> str:
    from keyferry.service.settings import default_data_dir, region_master_key

    folder = (data_dir or default_data_dir()).absolute()
    return region_master_key(master_key, region, data_dir=folder)


def _show(options: OutputOptions, result: dict[str, Any], lines: list[str]) -> None:
    if options.json:
        click.echo(json.dumps({"regions": result}, indent=2))
    else:
        for line in lines:
            click.echo(line)
