"""What a report of a fault may hold of this machine: no secret, no login, nobody's name, no host
that is not public. Pure.

Secrets in addresses and settings are hidden as everywhere (`headrace.redact`); what is known of
this machine's own is taken out beside that, in whatever form it stands there. Rather too much than
too little.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Collection, Iterable, Iterator
from urllib.parse import quote, quote_plus

from headrace.redact import hide_secrets

__all__ = ["FILES", "Redaction"]

#: Shorter ones are hidden where their place tells what they are; else every word would have some.
_SHORTEST = 4
#: Names that are everybody's.
_NO_NAMES = frozenset({"root", "user", "headrace", "localhost", "runner", "nobody"})
#: What a dotted word ends with that is a file's name, and no host's.
FILES = frozenset(
    [
        *("bz2", "cfg", "conf", "gz", "hash", "html", "ini", "jlap", "json", "jsonl"),
        *("lock", "log", "md", "metadata", "pem", "pth", "py", "service", "sh", "so", "socket"),
        *("sock", "sqlite", "svg", "tar", "timer", "toml", "txt", "whl", "xml", "xz", "yaml"),
        *("yml", "zip", "zst"),
    ]
)
_URL = re.compile(r"(?i)([a-z][a-z0-9+.-]{0,20}://)([^\s/\"'<>?#\\]*)([^\s\"'<>]*)")
#: What is a secret by its own form, whoever wrote it, in a log line too: tokens that say whose they
#: are, a cookie, a signed token, a key; and what stands behind a word or an option for secrets.
_BY_FORM = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:gh[a-z]_|github_pat_|glpat-|pypi-|npm_|hf_|xox[a-z]-|dckr_pat_|sk-)[\w-]{12,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{12,}|\beyJ[\w-]{8,2000}\.[\w-]+(?:\.[\w-]*)?",
    re.DOTALL,
)
_NAMED = r"\w{0,40}(?:passw(?:or)?d|secret|token|api_?key|access_?key)\w{0,40}"
_BEHIND = re.compile(
    rf"(?i)(cookie[\"']?\s*[:=]\s*|{_NAMED}[\"']?(?:\s*[:=]\s*|\s+is\s+)|--{_NAMED}\s+"
    r"|(?:^|\s)-(?:u|p)\s+|/t/|%2f%2f[^\s/@%]*:)([^\s/%]+)"
)
_MAIL = re.compile(r"[\w.+%-]{1,64}@(?=[\w-])")
#: A name of a host as one writes it, with the path that may stand behind it.
_NAME = re.compile(
    r"(?<![\w./\\@-])((?:[a-z0-9](?:[a-z0-9-]{0,62})\.){1,10}[a-z]{2,24})(?![\w-])(?:/[^\s\"'<>]*)?"
)
_ADDRESS = re.compile(
    r"(?<![\w.])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3})(?![\w.])|\[?[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}\]?"
)
_PEOPLE = re.compile(r"(/home/|/Users/|\\Users\\)[^/\\\s:\"']+")


class Redaction:
    """Takes out of texts what is nobody's business; the same host has the same number in all."""

    def __init__(
        self,
        *,
        secrets: Iterable[str] = (),
        hosts: Iterable[str] = (),
        public: Collection[str] = (),
        people: Iterable[str] = (),
        home: str = "",
        files: Collection[str] = (),
    ) -> None:
        """`secrets`: passwords and tokens; `hosts`: known to be private; `public`: known to be no
        secret, with all below them; `people`: names of users; `home`: the user's folder; `files`:
        what else names of files end with.
        """
        self._public = {host.lower() for host in public}
        self._files = FILES.union(files)
        self._numbers: dict[str, int] = {}
        forms = {form for secret in secrets for form in _forms(secret)}
        self._secrets = _any_of(forms, "")
        own = {host.lower() for host in hosts} - self._public - _NO_NAMES
        self._hosts = _any_of((host for host in own if len(host) > 1), r"[\w-]")
        self._people = _any_of((each for each in people if _is_name(each)), r"\w")
        self._home = home.rstrip("/\\") if len(home) > 1 else ""

    def __call__(self, text: str) -> str:
        """Return what may be shown to strangers."""
        if self._secrets is not None:
            text = self._secrets.sub("***", text)
        text = _BEHIND.sub(r"\1***", _BY_FORM.sub("***", hide_secrets(text)))
        if self._home:
            text = re.sub(rf"{re.escape(self._home)}(?![\w.-])", "~", text)
        text = _URL.sub(self._url, text)
        text = _MAIL.sub("***@", text)
        if self._hosts is not None:
            text = self._hosts.sub(lambda found: self._called(found[0]), text)
        text = _NAME.sub(self._name, text)
        text = _ADDRESS.sub(_address, text)
        text = _PEOPLE.sub(r"\1USER", text)
        return self._people.sub("USER", text) if self._people is not None else text

    def _url(self, found: re.Match[str]) -> str:
        scheme, place, rest = found.groups()
        host = place.rpartition("@")[2]
        bare = host.partition("]")[0].strip("[") if "[" in host else host.partition(":")[0]
        if not bare or _is_loopback(bare) or self._is_public(bare):
            return found[0]
        plain = rest.rstrip(".,:;)/")
        return f"{scheme}{self._called(bare)}{'/***' if plain else ''}{rest[len(plain) :]}"

    def _name(self, found: re.Match[str]) -> str:
        name = found[1]
        labels = name.split(".")
        known = labels[0] == "headrace" or labels[-1] in self._files or self._is_public(name)
        if known or name.startswith("private-"):
            return found[0]
        end = "/***" if found[0] != name else ""
        return f"{self._called(name)}{end}"

    def _is_public(self, host: str) -> bool:
        parts = host.lower().rstrip(".").split(".")
        return any(".".join(parts[at:]) in self._public for at in range(len(parts)))

    def _called(self, host: str) -> str:
        number = self._numbers.setdefault(host.lower().rstrip("."), len(self._numbers) + 1)
        return f"private-{number}"


def _forms(secret: str) -> Iterator[str]:
    """Give a secret as it may stand in a text: as it is, in a URL, in JSON, in a header."""
    if len(secret) < _SHORTEST:
        return
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield base64.b64encode(secret.encode("utf-8", "surrogateescape")).decode()


def _any_of(words: Iterable[str], edge: str) -> re.Pattern[str] | None:
    """Return what finds any of some words, the longest first, where no `edge` is beside it."""
    every = sorted(set(filter(None, words)), key=len, reverse=True)
    if not every:
        return None
    inner = "|".join(map(re.escape, every))
    before, behind = (f"(?<!{edge})", f"(?!{edge})") if edge else ("", "")
    return re.compile(f"{before}(?:{inner}){behind}", re.IGNORECASE if edge else 0)


def _is_name(word: str) -> bool:
    return len(word) > 1 and word.lower() not in _NO_NAMES


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _address(found: re.Match[str]) -> str:
    try:
        address = ipaddress.ip_address(found[0].strip("[]"))
    except ValueError:
        return found[0]  # a time of day, a version
    plain = address.is_loopback or address.is_unspecified
    return found[0] if plain else "an-address"
