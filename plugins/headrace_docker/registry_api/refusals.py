"""How a registry refuses: JSON with a code that engines know (distribution-spec 1.1). Pure."""

from __future__ import annotations

import json

from headrace.interface import Response

__all__ = ["NOT_FRONTED", "phrased"]

#: Of what the gateway itself has no registry for.
NOT_FRONTED = "no such path, or a registry that this gateway does not front"

#: By status, where the path does not say more.
_CODES = {
    400: "NAME_INVALID",
    401: "UNAUTHORIZED",
    403: "DENIED",
    404: "NAME_UNKNOWN",
    405: "UNSUPPORTED",
    429: "TOOMANYREQUESTS",
}
_UNKNOWN = {"/manifests/": "MANIFEST_UNKNOWN", "/blobs/": "BLOB_UNKNOWN"}


def phrased(status: int, words: str, path: str) -> Response:
    """Say `words` to an engine that asked for `path`."""
    code = _CODES.get(status, "UNSUPPORTED")
    if status == 404:
        code = next((known for part, known in _UNKNOWN.items() if part in path), code)
    body = json.dumps({"errors": [{"code": code, "message": words}]}) + "\n"
    headers = {
        "content-type": "application/json; charset=utf-8",
        "docker-distribution-api-version": "registry/2.0",
    }
    return Response(status, headers, body.encode())
