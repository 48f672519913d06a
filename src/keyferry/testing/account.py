"""An account of the service under test: clients of it, and the environment that leads to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config

CONTROL: Final = "payment-cryptography"
DATA: Final = "payment-cryptography-data"
_LOOPBACK: Final = "127.0.0.1,localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """
    One account with one access key. Its keys and aliases are seen by nobody else.

    `client` takes a Region other than the account's own, and any option of boto3.
    """

    number: str  # 12 digits
    region: str
    url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)

    def client(self, service: str = CONTROL, *, region: str | None = None, **options: Any) -> Any:
        """
        Make a boto3 client, of the control plane unless `service` names the data plane.

        It reads nothing of the developer's AWS configuration and does not retry: a refusal is an
        answer.
        """
        given = {
            "endpoint_url": self.url,
            "region_name": region or self.region,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "config": Config(retries={"total_max_attempts": 1}, proxies={}),
        }
        return _session().client(service, **(given | options))

    def environment(self) -> dict[str, str]:
        """
        Return the variables that lead clients made by the application itself here.

        They are for a process of its own too: pass them to `subprocess.run(env=...)` beside what
        that process needs, PATH for example.
        """
        return {
            "AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY": self.url,
            "AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY_DATA": self.url,
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": _without_proxy(os.environ),
            "no_proxy": _without_proxy(os.environ),
        }


# What else would send a client of the application somewhere else.
FOREIGN_VARIABLES: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")


def _without_proxy(environ: Mapping[str, str]) -> str:
    already = environ.get("NO_PROXY") or environ.get("no_proxy")
    return f"{already},{_LOOPBACK}" if already else _LOOPBACK


@cache
def _session() -> boto3.session.Session:
    """
    Return one session for all clients: it keeps the parsed API models, which cost most of a client.

    It knows no profile and no file, since a profile that is named but not there fails every client.
    """
    nothing = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return boto3.session.Session(botocore_session=botocore.session.Session(session_vars=nothing))
