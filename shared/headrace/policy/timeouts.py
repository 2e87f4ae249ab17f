"""How long a client waits at most (promise 2), and what each part may take of that. Pure.

Promised are headers within 10 s and no gap over 20 s inside a body: installers time out after 15 s
of silence by default, engines and shells later. Whoever waits for somebody else on a client's
behalf takes its limit from here, so that one that is changed is changed for all. The process that
holds the port imports nothing of headrace and has a `PATIENCE` of its own, within the same promise.
"""

from __future__ import annotations

__all__ = [
    "BODY_GAP",
    "CLIENT_DECIDES",
    "CONFIRM_WITHIN",
    "DETECTED_WITHIN",
    "HEADERS_WITHIN",
    "LATE_SMALL",
    "ORIGIN_SILENCE",
    "PROMISED_GAP",
    "PROMISED_HEADERS",
    "REQUEST_KNOWN_WITHIN",
    "SOURCES_WITHIN",
    "STALE_AFTER",
    "VARIANTS_WITHIN",
]

#: Seconds to the head of an answer, and between two parts of a body, as promised.
PROMISED_HEADERS = 10.0
PROMISED_GAP = 20.0

#: Seconds for whatever decides the head of an answer; the rest is the gateway's own.
HEADERS_WITHIN = 9.0
#: Seconds that an origin may be silent where the client cannot go there by itself, its login having
#: stood in the URL that ours replaced: the client's own limit (15 s for pip, 30 s for uv, or what
#: its user says) ends the wait as it does without us, and it asks again.
CLIENT_DECIDES = 60.0
#: Seconds after which a client that could have the last known page no longer waits for a new one.
STALE_AFTER = 5.0
#: Seconds within which the sources of a file must have shown that one of them can give it: less
#: than `HEADERS_WITHIN`, because the page that names the file was perhaps waited for before.
SOURCES_WITHIN = 8.0
#: Seconds after which a small file, too, goes out before it is whole.
LATE_SMALL = 7.0
#: Seconds until a page goes out as it is because the variants of its project do not come.
VARIANTS_WITHIN = 8.0
#: Seconds of these for all ways of asking for the accelerators, several of which may hang: who
#: hangs costs the kernel's word on the driver no page.
DETECTED_WITHIN = 6.0
#: Seconds of these for the documents that tell what else a client asks for.
REQUEST_KNOWN_WITHIN = 3.0

#: Seconds between two parts of a body, after which the connection is cut.
BODY_GAP = 20.0
#: Longest silence of an origin in the middle of a document, seconds: it is asked to go on, and may
#: be silent as long once more, before the client's gap is over.
ORIGIN_SILENCE = 9.0
#: Seconds that a confirmation by the origin may take: the end of a file waits for it.
CONFIRM_WITHIN = 18.0
