"""`headrace on` for the engines alone, with whoever listens on the port as the gateway.

Prints what became of it as JSON.
"""

from __future__ import annotations

import json
import os
import sys

from headrace.cli.context import Context
from headrace.cli.setup import planned_edits
from headrace.interface.hookspecs import GatewayAddress, Scope
from headrace.system.edits import apply
from headrace_docker.registry_api.registries import known_registries


def main(scope: str, port: str) -> None:
    """Switch on."""
    context = Context(dict(os.environ), Scope(scope))
    address = GatewayAddress("127.0.0.1", int(port))
    origins = [registry.origin for registry in known_registries()]
    planned_edits.adopt_leftovers(context, address, origins)
    result = planned_edits.wanted(context, address, origins)
    mine = [each for each in result.edits if each[0] not in ("pip", "conda", "uv")]
    tools = [activation.tool for activation in context.plugins.activations()]
    applied = apply.apply(context, mine, of=tools)
    context.state.record_gateway(address)
    told = {
        "changed": [str(edit.path) for edit in applied.changed],
        "told": applied.told,
        "refused": [f"{tool}: {error}" for tool, error in applied.refused],
        "left_out": [f"{tool}: {error}" for tool, error in result.left_out],
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:3])
