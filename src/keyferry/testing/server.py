"""The service in a thread of the test process, on a free port, with an account for every test."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import Sequence

from keyferry.errors import KeyferryError
from keyferry.service.app import Application
from keyferry.service.authz.access_keys import AccessKeys, access_key
from keyferry.service.dispatch import Dispatcher
from keyferry.service.region import open_regions
from keyferry.service.server import APIServer, bind, endpoint_url, server_config
from keyferry.service.settings import DEFAULT_REGIONS, ServiceSettings
from keyferry.testing.account import Account
from keyferry.testing.loop_thread import LoopThread

HOST = "127.0.0.1"
_FIRST_ACCOUNT = 100_000_000_000


class KeyferryServer:
    """
    A service with its stores in memory. Every account begins empty.

    `start` and `stop` may be called from any thread but the loop's own.
    """

    def __init__(self, loop: LoopThread, *, regions: Sequence[str] = DEFAULT_REGIONS) -> None:
        """
        Set a service up; nothing listens yet.

        Raises:
            ConfigurationError: a Region has no Region's name, or is named twice.
        """
        self._loop = loop
        self._settings = ServiceSettings(dev=True, regions=tuple(regions))
        self._keys = AccessKeys([], session_tokens=True)
        self._numbers = itertools.count(_FIRST_ACCOUNT)
        self._server: APIServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self.url = ""

    @property
    def regions(self) -> tuple[str, ...]:
        """The Regions that are served; the first is that of accounts which name none."""
        return self._settings.regions

    def start(self) -> None:
        """Serve; `url` is set from now on."""
        self._loop.run(self._start())

    def stop(self) -> None:
        """Finish what is in flight, and forget everything."""
        self._loop.run(self._stop())

    def new_account(self, *, region: str | None = None) -> Account:
        """Open an account that holds nothing, with an access key of its own."""
        number = str(next(self._numbers))
        key_id, secret = f"AKIATEST{number}", secrets.token_urlsafe(30)
        self._keys.add(access_key(key_id, secret, account=number, principal="test"))
        return Account(
            number=number,
            region=region or self.regions[0],
            url=self.url,
            access_key_id=key_id,
            secret_access_key=secret,
        )

    async def _start(self) -> None:
        regions = open_regions(self._settings)
        # No sweeps: a key that is due for destruction goes when a test asks for it, or not at all.
        application = Application(Dispatcher(regions, self._keys), regions, sweeps=False)
        listening = bind(HOST, 0)
        ready = asyncio.Event()
        self._server = APIServer(server_config(application, None), application, on_ready=ready.set)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self._serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.is_set():
            waiting.cancel()
            with contextlib.closing(listening):
                await self._serving
            raise KeyferryError("the service ended before it was ready")
        self.url = endpoint_url(listening, tls=False, host=HOST)

    async def _stop(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
