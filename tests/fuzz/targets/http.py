"""Fields of requests and answers, and what is shown of URLs."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from urllib.parse import urlsplit

from fuzz.model import BrokenLaw, Target
from headrace import redact
from headrace.gateway import request_head
from headrace.http import caching, conditional
from headrace.http.byteranges import PartsParser, framing_of
from headrace.http.ranges import ContentRange, RangeRequest, Unsatisfiable, read_range_set
from headrace.models import Document, Request
from headrace.variants import host_paths
from headrace_pip.simple_api import negotiation


def _range(data: bytes) -> object:
    text, _, rest = data.decode("latin-1").partition("\n")
    word: list[object] = []
    for asked in read_range_set(text) or ():
        if RangeRequest.parse(str(asked)) != asked:
            raise BrokenLaw(f"{asked!r} is another range as text")
        with contextlib.suppress(Unsatisfiable):
            start, end = asked.resolve(1000)
            if not 0 <= start < end <= 1000:
                raise BrokenLaw(f"{asked!r} is {start} to {end} of 1000")
        word.append(asked.suffix is None)
    with contextlib.suppress(ValueError):
        held = ContentRange.parse(rest)
        if ContentRange.parse(str(held)) != held:
            raise BrokenLaw(f"{held!r} is another range as text")
        word.append(held.total is None)
    return tuple(word)


def _parts(data: bytes) -> object:
    """An upstream's answer with several parts: first its Content-Type, then how it comes."""
    kind, _, rest = data.partition(b"\n")
    chunk, _, body = rest.partition(b"\n")
    step = min(1 + len(chunk) * 7, 4096)
    parser = PartsParser(kind.decode("latin-1"), 1000)
    given = 0
    for low in range(0, len(body), step):
        for at, part in parser.feed(body[low : low + step]):
            if not part or part not in body or not 0 <= at < at + len(part) <= 1000:
                raise BrokenLaw(f"{len(part)} bytes at {at} of 1000")
            given += len(part)
    if given > len(body):
        raise BrokenLaw(f"{given} bytes of {len(body)}")
    return parser.ended, min(given, 3)


def _fields(data: bytes) -> Mapping[str, str]:
    pairs = (line.partition(b":")[::2] for line in data.split(b"\n"))
    return request_head.join_headers((name.strip().lower(), value.strip()) for name, value in pairs)


def _conditions(data: bytes) -> object:
    headers = _fields(data)
    word: list[object] = [conditional.accepts_gzip(headers.get("accept-encoding"))]
    word.append(conditional.matches(headers.get("if-none-match"), ('"a"',)))
    with contextlib.suppress(Unsatisfiable, conditional.ExcessiveRanges):
        chosen = conditional.select_ranges(headers, 1000, '"a"')
        ascending = sorted(chosen.parts)
        ends = [0, *(end for _, end in ascending[:-1])]
        apart = all(end <= start for end, (start, _) in zip(ends, ascending, strict=True))
        if not apart or any(not 0 <= start < end <= 1000 for start, end in ascending):
            raise BrokenLaw(f"{chosen!r} of 1000")
        framing = framing_of(chosen, headers.get("content-type", ""), "boundary")
        if len(framing.heads) != len(chosen.parts):
            raise BrokenLaw(f"{chosen!r} has {len(framing.heads)} heads")
        word += [chosen.partial, min(len(chosen.parts), 4)]
    age = caching.request_max_age(headers)
    lifetime = caching.freshness_lifetime(headers)
    document = Document("https://h/", b"", "", fetched_at=1.0, max_age=lifetime)
    word += [caching.is_fresh(document, age, 5.0), caching.forbids_storing(headers)]
    caching.storable_headers(headers)
    request = Request("GET", "/simple/six/", headers.get("query", ""), headers)
    word += [negotiation.preferred_form(request), negotiation.insists(request)]
    request_head.host_is_ours(headers.get("host"), 17223)
    word.append(request_head.authorised(headers.get("authorization"), "token"))
    return tuple(word)


def _target(data: bytes) -> object:
    try:
        path = request_head.read_target(data)
    except request_head.BadTarget:
        return None
    found = host_paths.split(path)
    if found is None:
        return False
    base, rest = found
    said = host_paths.environment_for({}, base)
    if base + rest != path or host_paths.base_of(said) != base:
        raise BrokenLaw("two paths for one host")
    return sorted(said)


def _shown(data: bytes) -> object:
    """What logs and messages show of a URL holds no password."""
    text = data.decode("utf-8", "replace")
    shown = redact.for_display(text)
    hidden = redact.hide_secrets(text)
    with contextlib.suppress(ValueError):
        _, pair = redact.split_credential(text)
        redact.has_secret(text)
        redact.for_files(text)
        if pair is not None and len(pair[1]) > 8 and f":{pair[1]}@" in urlsplit(shown).netloc:
            raise BrokenLaw("a password is shown")
    return shown.count("***"), hidden.count("***")


TARGETS = [
    Target("range", _range, (), (b"bytes=", b"bytes */", b"bytes 0-", b"-", b"/")),
    Target(
        "parts",
        _parts,
        (ValueError,),
        (
            b"multipart/byteranges; boundary=b\n\n",
            b"--b\r\n",
            b"--b--",
            b"\r\n\r\n",
            b"Content-Range: bytes 0-9/1000",
            b'boundary="',
        ),
    ),
    Target(
        "request-fields",
        _conditions,
        (),
        (
            b"accept: ",
            b"accept-encoding: ",
            b"gzip;q=",
            b"if-none-match: ",
            b"if-range: ",
            b"range: bytes=",
            b"cache-control: ",
            b"max-age=",
            b"no-cache",
            b"age: ",
            b"host: ",
            b"authorization: Basic ",
            b"query: format=",
            b"user-agent: pip/",
        ),
    ),
    Target(
        "request-target",
        _target,
        (),
        (
            b"/%2e%2e/",
            b"%2F",
            b"//",
            b"/./",
            b"http://",
            b"%c3%a9",
            b"%ff",
            b"/for/",
            b"SEVBRFJBQ0VfQ1VEQT1jcHU",
        ),
    ),
    Target(
        "display",
        _shown,
        (),
        (
            b"https://",
            b"user:password1234@",
            b"/t/",
            b"?token=",
            b"&key=",
            b"#",
            b"password = ",
            b"?key",
        ),
    ),
]
