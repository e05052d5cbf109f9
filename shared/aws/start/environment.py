"""Whether a process's environment says all that botocore would ask it for, so that botocore need not be asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from shared.aws.operation import FAST
from shared.aws.signer import fit_a_header
from shared.aws.start import models

REGION = re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+")
"""Of the partition whose hosts end in amazonaws.com."""
KNOWN = re.compile(
    r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|REGION|DEFAULT_REGION|EXECUTION_ENV|CALLS|ENDPOINT_URL\w*"
    r"|LAMBDA_\w+|XRAY_\w+|SHARED_CREDENTIALS_FILE|CONFIG_FILE|EC2_METADATA_DISABLED|PAGER|CLI_\w+)"
)
"""Names that mean nothing else to a client than what is read here. Any other AWS_... is botocore's to understand."""
OTHERS = frozenset(
    {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"}
)
"""Proxies and other certificates, in capital letters or small ones."""
FILES = (("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), ("AWS_CONFIG_FILE", "~/.aws/config"))
PATH = re.compile(r"(/[A-Za-z0-9_~-]+)*")
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*")
"""Of names that can be looked up; what botocore makes of any other, its own client says when it is opened."""


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """As botocore freezes them: what a process was started with."""

    access_key: str
    secret_key: str
    token: str | None


@dataclass(frozen=True, slots=True)
class Plain:
    """Of an environment in which only keys, a region and endpoints are said."""

    keys: Keys
    region: str
    endpoints: Mapping[str, str]
    """AWS_ENDPOINT_URL and its kin, by the variable's name."""

    def url(self, service: str, given: str | None) -> str | None:
        """The endpoint of this service, with a slash at its end; `given` goes before what the environment says. Empty where no call of
        this service is fast; None where only botocore knows, or is to refuse it.
        """
        if service not in FAST:
            return "" if all(map(_endpoint, filter(None, [given, *self.endpoints.values()]))) else None
        kept = models.service(service)
        said = (
            given or self.endpoints.get(f"AWS_ENDPOINT_URL_{kept.variable}") or self.endpoints.get("AWS_ENDPOINT_URL")
        )
        if said is None:
            return f"https://{kept.host.format(region=self.region)}/" if kept.host else None
        found = _endpoint(said)
        return None if found is None or (kept.host and found.count("/") > 3) else found


def _endpoint(said: str) -> str | None:
    """An endpoint in its usual spelling, with a slash at its end. None for one of another form."""
    try:
        parts = urlsplit(said)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    path = parts.path.rstrip("/")
    spelt = f"{parts.scheme}://{parts.hostname}{port}{path}"
    if parts.scheme not in {"http", "https"} or not HOST.fullmatch(parts.hostname or "") or not PATH.fullmatch(path):
        return None
    return f"{spelt}/" if said.rstrip("/") == spelt else None  # else there is a query, a user, or capital letters


def plain(environment: Mapping[str, str]) -> Plain | None:
    """None where botocore must read the environment itself, or the files that there are."""
    names = {name for name, value in environment.items() if value}
    if any(name.startswith("AWS_") and not KNOWN.fullmatch(name) for name in names):
        return None
    if any(name.startswith("BOTO") or name.upper() in OTHERS for name in names):
        return None
    if any(Path(environment.get(name) or usual).expanduser().exists() for name, usual in FILES):
        return None
    access, secret, region = (
        environment.get(name, "") for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
    )
    keys = Keys(access, secret, environment.get("AWS_SESSION_TOKEN") or None)
    if not access or not secret or not REGION.fullmatch(region) or not fit_a_header(keys):
        return None
    endpoints = {name: value for name, value in environment.items() if name.startswith("AWS_ENDPOINT_URL") and value}
    return Plain(keys, region, endpoints)
