"""A host in the words of the drafts on wheel variants (PEP 817, 825, 850). Pure.

The properties are those of the provider ``nvidia``: each says what a build may demand, best first.
A build that demands a lower bound of CUDA which the driver reaches is, in our words, native; one
within the upper bound runs by minor version compatibility. Unlike the provider, which knows the
most capable GPU alone, all of them are told, the most capable first.
"""

from __future__ import annotations

from headrace.variants.builds import CudaTables
from headrace.variants.compatibility.drivers import cuda_of
from headrace.variants.hosts import Host

__all__ = ["properties"]


def properties(host: Host, tables: CudaTables) -> tuple[tuple[str, str, str], ...]:
    """Return what the host has as (namespace, feature, value), in the provider's order."""
    cuda = cuda_of(host, tables)
    gpus = [gpu for gpu in host.accelerators if gpu.maker == "nvidia"]
    if cuda is None or not gpus:
        return ()
    known = sorted({toolkit.cuda for toolkit in tables.toolkits} | {cuda}, reverse=True)
    lower = [text for each in known if each <= cuda for text in _texts(each)]
    upper = [text for each in reversed(known) if each > cuda for text in _texts(each)]
    # The major alone bounds as its .0 does.
    upper.append(str(cuda[0] + 1))
    capabilities = sorted({gpu.capability for gpu in gpus if gpu.capability}, reverse=True)
    arch = [f"{c[0]}{c[1]}_{form}" for c in capabilities for form in ("real", "virtual")]
    features = (
        ("cuda_version_lower_bound", lower),
        ("cuda_version_upper_bound", upper),
        ("sm_arch", arch),
    )
    return tuple(
        ("nvidia", feature, value)
        for feature, values in features
        for value in dict.fromkeys(values)
    )


def _texts(cuda: tuple[int, int]) -> tuple[str, ...]:
    text = f"{cuda[0]}.{cuda[1]}"
    return (text, str(cuda[0])) if cuda[1] == 0 else (text,)
