"""Secrets in files and in an image's configuration, by what they are. Pure.

Rather one too few than a page of guesses: what is told here is to be believed. So a word is a token
only where its whole form says so, and a name only where it has a value that could be a secret; what
is shown of settings and logs is another matter (`headrace.redact`), and hides more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headrace.interface import TOKEN_FORM, HeldSecret, hosts_of_secrets, read_json_or_none

__all__ = ["LONGEST", "leaks_in_configuration", "leaks_in_files"]

#: Bytes of a file that are looked at; no file of settings is longer.
LONGEST = 1 << 18

_PRIVATE_KEY = re.compile(
    # The words alone stand in every library that reads keys.
    r"^-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----[ \t]*+\r?\n"
    r"(?:[A-Za-z-]{1,40}:[^\n]*+\n|[ \t]*+\r?\n)*+[A-Za-z0-9+/=]{16}",
    re.MULTILINE,
)
#: Names of what is a secret, as a whole word of a longer one; no public key's, no file's.
_NAME = (
    r"(?i:(?:[\w.-]*[_.-])?_?(?:password|passwd|secret|token|auth_?token|api_?key|access_?key"
    r"|secret_?key|private_?key|account_?key|client[_-]key[_-]data)(?:[_-](?:id|key))?)"
)
_ASSIGNED = re.compile(
    rf"(?<![\w.-])(?P<quote>[\"']?)(?P<name>{_NAME})(?P=quote)[ \t]*+[=:][ \t]*+"
    r"(?:\"(?P<double>[^\"\n]*+)\"|'(?P<single>[^'\n]*+)'|(?P<bare>[^\s\"',;]++))"
)
_WHOLE_NAME = re.compile(_NAME)
#: Values that name another place, are nothing, or stand for one that comes later.
_NO_SECRET = re.compile(
    r"|[/~.$%<{*].*|(?i:true|false|none|null|yes|no|\d{1,5}|x+|\*+|\.+|changeme|your[-_ ].*)"
)
_SHORTEST = 6
#: A variable in an address, and what is left of a login whose password is one.
_VARIABLE = re.compile(r"\$\{[^{}\n]{0,100}\}|\$[A-Za-z_]\w{0,60}|%[A-Z_]{2,60}%|<[\w -]{1,60}>")
_LOGIN_OF_VARIABLES = re.compile(r"(?<=://)(?:[^:@/\s]{0,200}:)?@")
_NETRC = re.compile(r"(?:^|\s)password\s++(\S++)")

#: Files that are settings, by the end of their path.
_SETTINGS = re.compile(
    r"(?:^|/)(?:pip\.(?:conf|ini)|\.?condarc|condarc\.d/.*|\.pypirc|\.npmrc|\.yarnrc(?:\.yml)?|uv\.toml"
    r"|pyproject\.toml|poetry\.toml|auth\.toml|\.git-credentials|\.gitconfig|\.git/config"
    r"|\.env|\.env\..*|.*\.env|(?:requirements|constraints)[\w.-]*\.txt|environment[\w.-]*\.ya?ml"
    r"|(?:docker-)?compose[\w.-]*\.ya?ml|(?:Docker|Container)file[\w.-]*|.*\.list|.*\.sources"
    r"|kubeconfig.*|\.kube/config|\.aws/credentials|\.boto|\.s3cfg|\.kaggle/kaggle\.json"
    r"|secrets?\.(?:ya?ml|json|toml)|credentials(?:\.json)?)\Z"
)
_NETRCS = re.compile(r"(?:^|/)[._]netrc\Z")
_LOGINS = re.compile(
    r"(?:^|/)(?:\.docker/config\.json|\.dockercfg|\.dockerconfigjson|auth\.json)\Z"
)
#: What is a token and nothing else.
_TOKEN_FILES = re.compile(r"(?:^|/)(?:\.huggingface/token|\.cache/huggingface/token)\Z")


def leaks_in_files(files: Iterable[tuple[str, bytes]]) -> Iterator[HeldSecret]:
    """Look through files: paths (``root/.netrc``) and what they begin with; one leak each.

    No more than `LONGEST` bytes of one are looked at.
    """
    for path, content in files:
        what = _in_file(path, content[:LONGEST])
        if what:
            yield HeldSecret(path, what)


def leaks_in_configuration(configuration: Mapping[str, Any]) -> Iterator[HeldSecret]:
    """Look through an image's configuration, as the OCI image specification has it: whoever pulls
    it reads its variables, its labels, and the steps that it was made by.
    """
    config = _mapping(configuration.get("config"))
    for line in _texts(config.get("Env")):
        name, _, value = line.partition("=")
        what = _in_variable(name, value)
        if what:
            yield HeldSecret(f"ENV {name}", what)
    for name, value in _mapping(config.get("Labels")).items():
        what = _in_variable(str(name), str(value))
        if what:
            yield HeldSecret(f"LABEL {name}", what)
    for kind in ("Entrypoint", "Cmd"):
        what = _in_text(" ".join(_texts(config.get(kind))))
        if what:
            yield HeldSecret(kind.upper(), what)
    steps = configuration.get("history")
    for number, step in enumerate(steps if isinstance(steps, list) else (), 1):
        told = _mapping(step)
        what = _in_settings(str(told.get("created_by") or "")) or _in_text(
            str(told.get("comment") or "")
        )
        if what:
            yield HeldSecret(f"step {number}", what)


def _in_file(path: str, content: bytes) -> str:
    text = content.decode("utf-8", "replace")
    if _PRIVATE_KEY.search(text):
        return "a private key"
    if _NETRCS.search(path):
        return "a netrc with a password" if _any_secret(_NETRC.findall(text)) else ""
    if _LOGINS.search(path):
        return _logins(content)
    if _TOKEN_FILES.search(path):
        return "a token" if len(text.strip()) >= _SHORTEST else ""
    return _in_settings(text) if _SETTINGS.search(path) else ""


def _logins(content: bytes) -> str:
    """Say whose logins a file of an engine holds; names of helpers are none."""
    document = _mapping(read_json_or_none(content))
    hosts = document.get("auths", document)
    held = [
        str(host)
        for host, login in _mapping(hosts).items()
        if any(_mapping(login).get(name) for name in ("auth", "password", "identitytoken"))
    ]
    return f"a login at {', '.join(held[:3])}" if held else ""


def _in_settings(text: str) -> str:
    for found in _ASSIGNED.finditer(text):
        if _any_secret(found.group("double", "single", "bare")):
            return f"a value for {found['name']}"
    return _in_text(text)


def _in_variable(name: str, value: str) -> str:
    if _WHOLE_NAME.fullmatch(name) and _any_secret([value]):
        return "a secret, by its name"
    return _in_text(value)


def _in_text(text: str) -> str:
    if _PRIVATE_KEY.search(text):
        return "a private key"
    if TOKEN_FORM.search(text):
        return "a token"
    plain = _LOGIN_OF_VARIABLES.sub("", _VARIABLE.sub("", text))
    host = next(hosts_of_secrets(plain), None)
    return f"a login in an address at {host}" if host else ""


def _any_secret(values: Iterable[str | None]) -> bool:
    return any(
        value and len(value) >= _SHORTEST and not _NO_SECRET.fullmatch(value) for value in values
    )


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
