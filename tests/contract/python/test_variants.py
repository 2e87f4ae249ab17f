"""What plain `pip install torch` gets through the gateway, by driver and GPU."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from headrace.cli.explaining.builds import explain
from headrace.cli.explaining.listed import Listed, listed
from headrace.interface.hookspecs import GatewayAddress
from headrace.variants.choose import decide
from headrace.variants.host_paths import base_of
from headrace.variants.hosts import Host, VariantRequest
from headrace.variants.tables import load
from headrace.variants.target import NOTHING, parse_target
from lib import wheels
from lib.capabilities import lacks
from lib.clients import Pip, Uv
from lib.gpu.explained import context_at
from lib.gpu.torch_family import TAG, Family, family_in
from lib.index import JSON
from lib.world import MakeWorld, World

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info < (3, 11),
    reason=lacks("system", "the stand-in wheels are Linux's"),
)

Torch = tuple[World, Family]
MakeTorch = Callable[..., Torch]
V100 = "driver=550.54.15,gpu=V100"
A100 = "driver=550.54.15,gpu=A100"
K80 = "driver=470.256.02,gpu=K80"
P100 = "driver=580.95.05,gpu=P100"
H100 = "driver=580.95.05,gpu=H100"
RTX5090 = "driver=620.70.06,gpu=RTX 5090"


@pytest.fixture
def torch(world: MakeWorld) -> MakeTorch:
    """Make a world with torch's family, and a host as `target` describes it."""

    def make(target: str = A100, *, settings: dict[str, str] | None = None) -> Torch:
        made = world(settings={"target": target, **(settings or {})})
        return made, family_in(made)

    return make


def installed(pip: Pip) -> dict[str, str]:
    """Return what is there, by project."""
    lines = pip.run("list", "--format", "json").ok().out
    return {each["name"]: each["version"] for each in json.loads(lines)}


@pytest.mark.parametrize(
    ("target", "version"),
    [
        (H100, "2.15.0"),
        (RTX5090, "2.15.0"),
        (A100, "2.14.1+cu126"),
        (V100, "2.14.1+cu126"),
        (P100, "2.14.1+cu126"),
        (K80, "2.7.1+cu118"),
    ],
)
def test_plain_install_brings_what_the_host_can_run(
    torch: MakeTorch, pip: Pip, target: str, version: str
) -> None:
    made, _ = torch(target)
    pip.point_at(made.gateway.index)
    pip.install("torch").ok()
    there = installed(pip)
    assert there["torch"] == version
    cuda = {"2.15.0": "13"}.get(version, version.partition("+cu")[2][:2])
    assert f"nvidia-cuda-runtime-cu{cuda}" in there


@pytest.mark.parametrize(
    ("target", "label", "compiler"),
    [("gpu=gfx1100", "rocm7.2", "triton-rocm"), ("gpu=Arc B580", "xpu", "triton-xpu")],
)
def test_what_only_a_variant_index_has_comes_from_there(
    torch: MakeTorch, pip: Pip, target: str, label: str, compiler: str
) -> None:
    made, _ = torch(target)
    pip.point_at(made.gateway.index)
    pip.install("torch").ok()
    there = installed(pip)
    assert there["torch"].endswith(f"+{label}")
    assert there[compiler] == "3.7.1"


def test_what_other_builds_need_is_as_the_default_index_has_it(torch: MakeTorch, pip: Pip) -> None:
    made, _ = torch(A100)
    made.index.add(wheels.wheel("triton-rocm", "2.1.0", tag=TAG))
    pip.point_at(made.gateway.index)
    pip.install("torch", "triton-rocm").ok()
    assert installed(pip)["triton-rocm"] == "2.1.0"


def test_family_is_of_one_build(torch: MakeTorch, pip: Pip) -> None:
    made, _ = torch(V100)
    pip.point_at(made.gateway.index)
    pip.install("torch", "torchvision", "torchaudio").ok()
    there = installed(pip)
    assert {there[name].partition("+")[2] for name in ("torch", "torchvision", "torchaudio")} == {
        "cu126"
    }


def test_what_is_asked_for_exactly_comes_exactly(torch: MakeTorch, pip: Pip) -> None:
    made, _ = torch(A100)
    pip.point_at(made.gateway.index)
    result = pip.install("torch==2.15.0").ok()
    assert installed(pip)["torch"] == "2.15.0"
    assert "headrace: torch 2.15.0 needs driver >= 580" in result.out + result.err
    pip.install("torch==2.10.0").ok()
    # A default that runs stays.
    assert installed(pip)["torch"] == "2.10.0"
    pip.install("torch===2.11.0").ok()
    assert installed(pip)["torch"] == "2.11.0"
    pip.install("torch>=2.12,<2.14").ok()
    assert installed(pip)["torch"] == "2.13.0+cu126"


def test_constraint_holds_for_the_build_that_suits(torch: MakeTorch, pip: Pip) -> None:
    made, _ = torch(A100)
    pip.point_at(made.gateway.index)
    file = pip.environment.write("constraints.txt", "torch==2.12.1\n")
    pip.install("-c", str(file), "torchvision", "torch").ok()
    there = installed(pip)
    assert there["torch"] == "2.12.1+cu126"
    assert there["torchvision"].endswith("+cu126")


def test_hashes_of_the_default_index_bring_its_very_file(torch: MakeTorch, pip: Pip) -> None:
    made, _ = torch(A100)
    pip.point_at(made.gateway.index)
    built = next(f.built for f in made.index.of("torch") if f.built.version == "2.11.0")
    lines = [f"torch==2.11.0 --hash=sha256:{built.sha256}"]
    runtime = next(f.built for f in made.index.of("nvidia-cuda-runtime-cu13"))
    lines.append(f"{runtime.project}==1.0 --hash=sha256:{runtime.sha256}")
    file = pip.environment.write("locked.txt", "\n".join(lines) + "\n")
    pip.install("--require-hashes", "-r", str(file)).ok()
    assert installed(pip)["torch"] == "2.11.0"


def test_a_default_that_runs_stays_and_no_gpu_hides_what_another_runs(
    torch: MakeTorch, newest: Pip
) -> None:
    made, _ = torch("driver=580.95.05,gpu=GTX 1080 Ti,gpu=RTX 4090")
    newest.point_at(made.gateway.index)
    for asked, version in [
        ("torch>=2.15", "2.15.0"),
        ("torch==2.14.1", "2.14.1+cu126"),
        ("torch", "2.15.0"),
    ]:
        newest.install("--force-reinstall", "--no-deps", asked).ok()
        assert installed(newest)["torch"] == version
    (said,) = [
        each["reason"] for each in made.gateway.status()["builds"] if each["project"] == "torch"
    ]
    assert "covers sm_89 (RTX 4090)" in said


def test_on_an_old_driver_the_default_of_its_major_stays(torch: MakeTorch, newest: Pip) -> None:
    made, _ = torch("driver=535,gpu=T4")
    newest.point_at(made.gateway.index)
    for asked in ("torch<2.8", "torch==2.7.1"):
        newest.install("--force-reinstall", "--no-deps", asked).ok()
        assert installed(newest)["torch"] == "2.7.1"


COOLDOWN = ("--uploaded-prior-to", "2025-01-01")


def test_cooldown_brings_the_build_that_suits(torch: MakeTorch, newest: Pip) -> None:
    made, _ = torch(A100)
    newest.point_at(made.gateway.index)
    newest.install(*COOLDOWN, "torch", "torchvision").ok()
    there = installed(newest)
    assert (there["torch"], there["torchvision"][-6:]) == ("2.14.1+cu126", "+cu126")


@pytest.mark.parametrize("said", ["", "yesterday", "2024-01-02"])
def test_what_has_no_time_is_not_put_where_files_have_one(
    torch: MakeTorch, newest: Pip, said: str
) -> None:
    made, variants = torch(A100)
    variants.uploaded = said
    newest.point_at(made.gateway.index)
    newest.install(*COOLDOWN, "torch==2.10.0").ok()
    assert installed(newest)["torch"] == "2.10.0"


def test_cooldown_works_at_a_variant_index_too(torch: MakeTorch, newest: Pip) -> None:
    made, variants = torch(A100)
    newest.point_at(f"{made.gateway.url}/pytorch/cu126/simple/")
    newest.install("--no-deps", *COOLDOWN, "torch").ok()
    assert installed(newest)["torch"] == "2.14.1+cu126"
    # A word that is no time ends no installation that does not ask for times.
    variants.uploaded = "yesterday"
    newest.install("--no-deps", "torchvision").ok()
    assert installed(newest)["torchvision"].endswith("+cu126")


def test_upgrade_of_a_build_that_cannot_run_mends_it(torch: MakeTorch, newest: Pip) -> None:
    made, _ = torch(A100)
    newest.point_at(made.gateway.index)
    newest.install("torch===2.14.1").ok()
    newest.install("-U", "torch").ok()
    assert installed(newest)["torch"] == "2.14.1+cu126"


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        ({"variants": "off"}, "2.15.0"),
        ({"variants": "cpu"}, "2.15.0+cpu"),
        ({"variants": "cu130"}, "2.15.0+cu130"),
        ({"target": "gpu=none"}, "2.15.0"),
    ],
)
def test_user_decides(
    torch: MakeTorch, newest: Pip, settings: dict[str, str], version: str
) -> None:
    made, _ = torch(settings=settings)
    newest.point_at(made.gateway.index)
    newest.install("torch").ok()
    assert installed(newest)["torch"] == version


def test_one_gateway_chooses_for_several_hosts_by_path(torch: MakeTorch, newest: Pip) -> None:
    """Which host commands install for is in their URLs; the wheels have one URL for all."""
    made, _ = torch(A100)
    for env, version in (
        ({}, "2.14.1+cu126"),
        ({"HEADRACE_TARGET": K80}, "2.7.1+cu118"),
        ({"HEADRACE_CUDA": "off"}, "2.15.0"),
        ({"HEADRACE_CUDA": "cpu"}, "2.15.0+cpu"),
    ):
        gateway = GatewayAddress("127.0.0.1", made.gateway.port, base=base_of(env))
        newest.point_at(gateway.url(f"{gateway.base}/simple/"))
        newest.install("--upgrade", "--force-reinstall", "--no-deps", "torch").ok()
        assert installed(newest)["torch"] == version, env
    # For a pool of nodes, whose URL somebody writes into its settings by hand.
    for host, version in ((K80, "2.7.1+cu118"), ("driver=580,gpu=A100", "2.15.0")):
        newest.point_at(made.gateway.url + f"/pytorch/auto/{quote(host, '=,')}/simple/")
        newest.install("--upgrade", "--force-reinstall", "--no-deps", "torch").ok()
        assert installed(newest)["torch"] == version, host
    for host, says in (
        ("gup=A100", "did you mean 'gpu'?"),
        ("gpu=A100", "which driver"),
        ("nonsense", "is none of"),
    ):
        status, _, body = made.gateway.get(f"/pytorch/auto/{host}/simple/torch/")
        assert status == 404
        assert says in body.decode(), body
    assert not [seen for seen in made.pages.seen if "/for/" in seen.path]
    for path in ("/for/Zm9v/simple/torch/", "/for//simple/torch/", "/for/"):
        assert made.gateway.get(path)[0] in (400, 404), path


def test_wheels_come_from_mirrors_and_pages_from_their_origin(
    torch: MakeTorch, newest: Pip
) -> None:
    made, _ = torch(A100)
    newest.point_at(made.gateway.index)
    newest.install("torch").ok()
    assert made.pages.requests("/whl/cu126/torch/")
    assert not made.at_mirrors("*/torch/")
    builds = [each["reason"] for each in made.gateway.status()["builds"]]
    assert any(reason.startswith("torch 2.14.1+cu126") for reason in builds), builds


def test_where_the_default_runs_no_variant_index_is_asked(torch: MakeTorch, newest: Pip) -> None:
    made, _ = torch(H100)
    newest.point_at(made.gateway.index)
    newest.install("torch").ok()
    assert not made.pages.requests("/whl/*")


def test_variant_index_that_fails_leaves_the_default(torch: MakeTorch, newest: Pip) -> None:
    made, _ = torch(A100)
    made.named["pytorch"] = "http://127.0.0.1:9/whl"
    newest.point_at(made.gateway.index)
    newest.install("torch").ok()
    assert installed(newest)["torch"] == "2.15.0"
    (choice,) = made.gateway.status()["builds"]
    assert choice["trouble"]


def test_wheel_that_is_not_what_its_index_says_is_refused_by_name(
    torch: MakeTorch, newest: Pip
) -> None:
    made, variants = torch(A100)
    built = next(each for each in variants.files["cu126"] if each.name.startswith("torch-2.14.1"))
    variants.claimed[built.name] = "0" * 64
    newest.point_at(made.gateway.index)
    newest.install("torch").failed()
    path = next(
        each["url"]
        for each in json.loads(
            made.gateway.get("/pytorch/cu126/simple/torch/", {"accept": JSON})[2]
        )["files"]
        if each["filename"] == built.name
    )
    status, _, body = made.gateway.get(path)
    assert status == 404
    assert b"has not the digest" in body or b"digest" in body


def test_wheel_without_a_digest_comes_from_its_origin_alone(torch: MakeTorch, newest: Pip) -> None:
    made, variants = torch(A100)
    built = next(each for each in variants.files["cu126"] if each.name.startswith("torch-2.14.1"))
    variants.claimed[built.name] = ""
    newest.point_at(made.gateway.index)
    newest.install("torch").ok()
    assert installed(newest)["torch"] == "2.14.1+cu126"
    assert not made.at_mirrors(f"*{built.name}")


def test_uv_gets_the_page_as_the_index_has_it(torch: MakeTorch, uv: Uv) -> None:
    made, _ = torch(A100)
    uv.point_at(made.gateway.index)
    uv.install("torch").ok()
    assert "torch==2.15.0\n" in uv.run("pip", "freeze").ok().out
    assert not made.pages.requests("/whl/*")


def test_variant_index_is_an_index_like_any_other(torch: MakeTorch, uv: Uv) -> None:
    made, _ = torch(A100)
    index = f"{made.gateway.url}/pytorch/cu126/simple/"
    uv.point_at(made.gateway.index)
    uv.install("--extra-index-url", index, "torch==2.13.0").ok()
    assert "torch==2.13.0+cu126\n" in uv.run("pip", "freeze").ok().out


def test_variant_index_is_for_pip_what_it_is_at_its_origin(torch: MakeTorch, newest: Pip) -> None:
    made, _ = torch(H100)
    index = f"{made.gateway.url}/pytorch/cu126/simple/"
    newest.install("--index-url", index, "--no-deps", "torch").ok()
    assert installed(newest)["torch"] == "2.14.1+cu126"
    status, headers, body = made.gateway.get("/pytorch/cu126/simple/torch/", {"accept": JSON})
    assert (status, headers["content-type"]) == (200, JSON)
    assert all(each["url"].startswith("/pytorch/cu126/") for each in json.loads(body)["files"])
    assert made.gateway.get("/pytorch/cu126/simple/numpy/")[0] == 404
    assert made.gateway.get("/pytorch/nothing/simple/torch/")[0] == 404


SPECIFIERS = ("", "==2.15.0", ">=2.12,<2.14", "===2.11.0")
MORE = (
    "==2.10.0",
    "==2.14.1+cu126",
    "~=2.13.0",
    "<2.9",
    "!=2.15.0",
    "==2.12.*",
    ">2.14.0",
    "==9.9",
)


@pytest.mark.parametrize(
    ("target", "specifiers"),
    [
        (A100, SPECIFIERS),
        pytest.param(A100, MORE, marks=pytest.mark.nightly),
        *(
            pytest.param(target, (*SPECIFIERS, *MORE), marks=pytest.mark.nightly)
            for target in (V100, P100, K80, H100, RTX5090, "driver=550", "gpu=none")
        ),
    ],
)
def test_explain_says_what_pip_then_takes(
    torch: MakeTorch, newest: Pip, tmp_path: Path, target: str, specifiers: tuple[str, ...]
) -> None:
    made, _ = torch(target)
    newest.point_at(made.gateway.index)
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    context = context_at(made, tmp_path)
    address = GatewayAddress("127.0.0.1", made.gateway.port)
    for project in ("torch", "torchvision"):
        for specifier in specifiers if project == "torch" else ("",):
            asked = f"{project}{specifier}"
            words = ("--dry-run", "--quiet", "--no-deps", "--report", "-", asked)
            ran = newest.run("install", *words)
            table = explain(project, specifier, context, address, target, python=python)
            assert table is not None
            (path,) = table.paths or ("",)
            url = ""
            if ran.code == 0:
                url = json.loads(ran.out)["install"][0]["download_info"]["url"]
            assert url.removeprefix(made.gateway.url) == path, (asked, table.lines)


def test_explain_tells_what_the_indexes_list_now(torch: MakeTorch, tmp_path: Path) -> None:
    made, variants = torch(A100)
    newer = wheels.wheel("torch", "2.14.2+cu126", tag=TAG)
    variants.files["cu126"].append(newer)
    made.index.add(wheels.wheel("torch", "2.14.2", tag=TAG))
    tables = load()
    host = parse_target(A100, tables, Host(libc=(2, 36)))
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    address = GatewayAddress("127.0.0.1", made.gateway.port)
    context = context_at(made, tmp_path)
    request = VariantRequest("torch", python)

    def ask(gateway: GatewayAddress | None) -> Listed:
        return listed(request, tables, context, gateway, host=host, override=NOTHING)

    live = ask(address)
    decision = decide(host, request, live.candidates, tables)
    assert decision.name == "2.14.2+cu126"
    assert live.source == "what is listed is as the indexes have it now"
    assert decision.candidate is not None
    path = live.path_of(decision.candidate, host, python)
    assert path is not None
    assert made.gateway.get(path)[2] == newer.data
    assert "told by headrace's tables" in ask(None).source


def torch_of(label: str, version: str) -> wheels.Built:
    return wheels.wheel("torch", f"{version}+{label}", [], tag=TAG)


def asked_for(made: World, label: str) -> int:
    return len(made.pages.requests(f"/whl/{label}/*"))


def test_a_label_that_the_user_names_is_asked_for_whatever_the_tables_say(
    torch: MakeTorch, pip: Pip
) -> None:
    made, variants = torch(RTX5090, settings={"variants": "cu140"})
    variants.files["cu140"] = [torch_of("cu140", "2.16.0")]
    pip.point_at(made.gateway.index)
    pip.install("torch").ok()
    assert installed(pip)["torch"] == "2.16.0+cu140"


def test_a_label_that_is_named_and_not_there_is_asked_for_once(torch: MakeTorch, pip: Pip) -> None:
    made, _ = torch(RTX5090, settings={"variants": "cu140"})
    pip.point_at(made.gateway.index)
    pip.install("torch").ok()
    assert installed(pip)["torch"] == "2.15.0"
    assert asked_for(made, "cu140") == 1
    made.gateway.close()
    made.gateway.start()
    pip.point_at(made.gateway.index)
    pip.install("--upgrade", "torch").ok()
    assert asked_for(made, "cu140") == 1


def test_labels_after_the_tables_are_asked_for_where_a_release_is_after_them(
    torch: MakeTorch, pip: Pip
) -> None:
    made, variants = torch(P100)
    made.index.add(wheels.wheel("torch", "2.16.0", [], tag=TAG))
    variants.files["cu134"] = [torch_of("cu134", "2.16.0")]
    pip.point_at(made.gateway.index)
    for _ in range(2):
        pip.install("--upgrade", "torch").ok()
        # CUDA 13 has no kernels for this one, whatever its minor version.
        assert installed(pip)["torch"] == "2.14.1+cu126"
    assert [asked_for(made, label) for label in ("cu133", "cu135", "cu140")] == [1, 1, 0]
    assert asked_for(made, "cu134")
