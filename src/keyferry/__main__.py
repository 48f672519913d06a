"""
The entry point of the `keyferry` command.

Version and overview are answered before click is imported: they cost little more than starting
Python. Everything else goes to `keyferry.cli.main`.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process and return its exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from keyferry import __version__

        sys.stdout.write(f"keyferry {__version__}\n")
        return 0
    if arguments in (["--help"], ["-h"]):
        from keyferry.cli.catalogue import overview

        sys.stdout.write(overview())
        return 0
    if not arguments:
        from keyferry.cli.catalogue import overview

        sys.stderr.write(overview())
        return 2
    from keyferry.cli.main import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
