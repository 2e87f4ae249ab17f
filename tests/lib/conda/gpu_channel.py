"""A channel with builds for GPUs, shaped as conda-forge's is, and hosts that ask for them.

Numbers, names and conditions are those of its feedstocks of 2026: a build for CUDA has 200 more
than one for processors, ``mkl`` 100; the driver is a matter of ``cuda-version``, which constrains
``__cuda`` and does not depend on it; ``cuda-arch`` does so for ``__cuda_arch``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from lib.conda.channels import Channel, Package, package

__all__ = ["CASES", "Case", "channel"]

GLIBC = "__glibc >=2.17,<3.0.a0"


@dataclass(frozen=True, slots=True)
class Case:
    """A host, a request, and what conda takes; `build` empty: nothing."""

    spec: str
    build: str
    cuda: str = ""
    """``__cuda``; empty: there is none."""
    arch: str = ""
    glibc: str = "2.36"

    @property
    def name(self) -> str:
        """Give it a name that can stand in a test's."""
        return f"{self.spec}, cuda {self.cuda or 'none'}, arch {self.arch or 'none'}, {self.glibc}"

    @property
    def variables(self) -> dict[str, str]:
        """Return what makes conda and rattler take this machine for the host."""
        return {
            "CONDA_OVERRIDE_CUDA": self.cuda,
            "CONDA_OVERRIDE_CUDA_ARCH": self.arch,
            "CONDA_OVERRIDE_GLIBC": self.glibc,
        }


CASES = (
    # pytorch: the driver decides by cuda-version's constraint.
    Case("pytorch", "2.13.0 cpu_mkl_h2_100"),
    Case("pytorch", "2.13.0 cpu_mkl_h2_100", "11.8"),
    Case("pytorch", "2.13.0 cuda129_mkl_h3_300", "12.0"),
    Case("pytorch", "2.13.0 cuda129_mkl_h3_300", "12.9", "7.0"),
    Case("pytorch", "2.13.0 cuda130_mkl_h4_300", "13.0", "7.0"),
    Case("pytorch", "2.13.0 cuda130_mkl_h4_300", "13.2", "12.0"),
    Case("pytorch=2.12", "2.12.0 cuda129_mkl_h3_300", "13.0"),
    Case("pytorch=*=cpu*", "2.13.0 cpu_mkl_h2_100", "13.0"),
    Case("pytorch=*=cuda*", "", "11.8"),
    Case("pytorch>=2.12,<2.13", "2.12.0 cpu_mkl_h2_100", "11.8"),
    Case("pytorch==2.13.0", "2.13.0 cuda129_mkl_h3_300", "12.4"),
    Case("pytorch>=9", "", "12.4"),
    # A direct need of a driver, a newer one each time.
    Case("driven", "3.0 h_0", "12.9"),
    Case("driven", "2.0 h_0", "12.4"),
    Case("driven", "1.0 h_0"),
    # The capability of the oldest GPU, by cuda-arch.
    Case("kernels", "1.0 sm90_h_2", "13.0", "9.0"),
    Case("kernels", "1.0 sm70_h_1", "13.0", "7.5"),
    Case("kernels", "", "13.0", "6.1"),
    # The C library, and a feature that makes conda take others first.
    Case("modern", "1.0 h_0", glibc="2.17"),
    Case("modern", "2.0 h_0", glibc="2.28"),
    Case("tracked", "1.0 plain_0"),
    Case("layered", "1.0 cpu_0", "11.8"),
    Case("layered", "1.0 gpu_1", "12.4"),
)


@functools.cache
def channel() -> Channel:
    """Give the channel."""
    return Channel("conda-forge", [*_toolkits(), *_pytorch(), *_others()])


def _toolkits() -> list[Package]:
    made = [
        package(
            "cuda-version",
            version,
            "h_3",
            constrains=[
                f"__cuda >={version.partition('.')[0]}",
                f"cudatoolkit {version}|{version}.*",
            ],
        )
        for version in ("11.8", "12.4", "12.9", "13.0")
    ]
    made += [
        package("cuda-arch", version, "h_0", depends=[f"__cuda_arch >={version}"])
        for version in ("7.0", "9.0")
    ]
    return made


def _pytorch() -> list[Package]:
    def one(version: str, build: str, *depends: str, only: str = "") -> Package:
        constrains = [f"{only} ={version}" if only == "pytorch-cpu" else f"{only} <0.0a0"]
        needs = [GLIBC, *depends]
        return package(
            "pytorch", version, build, depends=needs, constrains=constrains, subdir="linux-64"
        )

    made = []
    for version in ("2.12.0", "2.13.0"):
        newest = version == "2.13.0"
        made += [
            one(version, "cpu_generic_h1_0", only="pytorch-cpu"),
            one(version, "cpu_mkl_h2_100", only="pytorch-gpu"),
            one(
                version,
                "cuda129_mkl_h3_300",
                "__cuda",
                "cuda-version >=12.9,<13",
                only="pytorch-cpu",
            ),
        ]
        if newest:
            needs = ("__cuda", "cuda-version >=13.0,<14")
            made.append(one(version, "cuda130_mkl_h4_300", *needs, only="pytorch-cpu"))
    return made


def _others() -> list[Package]:
    driven = {"1.0": [], "2.0": ["__cuda >=12.0"], "3.0": ["__cuda >=12.9"]}
    made = [package("driven", version, "h_0", depends=needs) for version, needs in driven.items()]
    made += [
        package(
            "kernels", "1.0", f"sm{arch.replace('.', '')}_h_{number}", depends=[f"cuda-arch {arch}"]
        )
        for number, arch in ((1, "7.0"), (2, "9.0"))
    ]
    made += [
        package("modern", v, "h_0", depends=[f"__glibc >={c}"])
        for v, c in (("1.0", "2.17"), ("2.0", "2.28"))
    ]
    made += [package("tracked", "1.0", "plain_0")]
    made += [
        package("liblayered", "1.0", "cpu_0"),
        package(
            "liblayered", "1.0", "gpu_1", depends=["cuda-version >=12.4,<13"], subdir="linux-64"
        ),
        package("layered", "1.0", "cpu_0", depends=["liblayered 1.0 cpu_0"]),
        package("layered", "1.0", "gpu_1", depends=["liblayered 1.0 gpu_1"]),
    ]
    return made
