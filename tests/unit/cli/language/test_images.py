"""What is said of images: each sentence that can come of a pull, of a trial, of a look for secrets
is Chinese in its finished form, as it stands in a line among others.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest

from headrace.cli.language.sentences import Sentences
from headrace.cli.upkeep.shown.folding import columns_of
from headrace.interface import Accelerator, Host, ImageCame
from headrace_docker.leaks.held import leaks_in_configuration, leaks_in_files
from headrace_docker.pulling import failures, pull
from headrace_docker.smoke import nvidia_smi
from headrace_docker.smoke.report import Framework, Printed, Report
from headrace_docker.smoke.trial import Tried
from headrace_docker.smoke.verdict import Check, Found, judge
from lib.translations.kept import CATALOGUES, read

#: What another program said: nobody has other words for that.
SAID = "Error: the thing is not to be had, and nobody knows why (code: 5); try it again."
#: Names and commands, of which nothing else in small letters may be left.
NAMES = re.compile(
    r"`[^`]*`|--[a-z-]+(?: all)?|/dev/\S+|\b(?:torch|tensorflow|jax|vllm|python|podman|docker"
    r"|doctor|tuna|lib\w+\.so\S*|nvidia-smi|no-cgroups|root|netrc|hf\.example|cu126|cuInit"
    r"|x\.so|1g\.10gb|label)"
    r"(?![a-z])|\b(?:MB|GB|cuDNN)\b"
)
NVIDIA, AMD = Accelerator("nvidia", "NVIDIA A100", (8, 0)), Accelerator("amd", "MI300")
HOSTS = [
    Host(platform="linux", machine="x86_64", accelerators=gpus)
    for gpus in ((), (NVIDIA,), (NVIDIA, NVIDIA), (AMD,))
]
TABLE = (
    "| NVIDIA-SMI 550.54   Driver Version: 550.54.14   CUDA Version: 12.4 |\n"
    "|   0  NVIDIA A100       On  | 00000\n"
)
LISTED = "GPU 0: NVIDIA A100 (UUID: GPU-1)\n  MIG 1g.10gb     Device  0: (UUID: MIG-1)\n"


@pytest.fixture(scope="module")
def say() -> Sentences:
    (path,) = CATALOGUES
    return Sentences(
        {
            f"{each.context}\x04{each.id}" if each.context else str(each.id): str(each.string)
            for each in read(path)
            if each.id
        }
    )


def left(said: str) -> list[str]:
    """Words that are neither names nor what another program said."""
    return re.findall(r"[A-Za-z]*[a-z]{2,}[A-Za-z]*", NAMES.sub("", said.replace(SAID, "")))


def frameworks() -> Iterator[Framework]:
    for cuda, rocm, cpu, nccl in itertools.product(
        ("", "12.6"), ("", "6.4"), (None, True, False, SAID), ("", "2.27.5")
    ):
        yield Framework("torch", "2.9.1+cu126", cuda=cuda, rocm=rocm, cpu=cpu, nccl=nccl)
    for available, why in ((False, ""), (False, SAID), (True, "")):
        for cuda in ("", "12.6"):
            yield Framework("jax", "0.7", cuda=cuda, available=available, why=why, cudnn="9.10.2")
    for product in (True, False, SAID):
        yield Framework(
            "torch", "2.9", available=True, devices=("NVIDIA A100",), products=(product,)
        )
    for error in (
        SAID,
        "it took longer than 180 s",
        "it ended with status -11",
        f"it ended with status 1: {SAID}",
    ):
        yield Framework("vllm", error=error)


def reports() -> Iterator[Report]:
    yield Report()
    for each in frameworks():
        for asked in (None, "", "0,1"):
            variables = {} if asked is None else {"CUDA_VISIBLE_DEVICES": asked}
            yield Report("3.11", variables=variables, frameworks=(each,))
    printed = [
        *(Printed(1, word) for words, *_ in nvidia_smi._FAILURES for word in words),
        *(Printed(9, SAID), Printed(0, TABLE), Printed(0, TABLE.replace("CUDA Version", ""))),
    ]
    for one in printed:
        for listed in (None, Printed(0, LISTED)):
            yield Report("3.11", nvidia_smi=one, listed=listed)
    for driver in ({}, {"init": 0, "count": 1}, {"init": 0, "count": 2}, {"init": 100}):
        yield Report("3.11", driver=driver, driver_error=SAID)
    yield Report("3.11", opened=12, closed={"x.so": "libcuda.so.1: no", "y": "libib.so: no"})
    yield Report("3.11", closed={f"lib{n}.so": "libcuda.so.1: no" for n in range(5)})
    yield Report("3.11", closed={f"{n}.so": f"lib{n}.so: no" for n in range(5)})


def test_every_outcome_of_a_trial_is_said_in_chinese(say: Sentences) -> None:
    lines = {
        line: None
        for report in reports()
        for host in HOSTS
        for line in Tried(tuple(judge(report, host))).lines()
    }
    assert len(lines) > 70
    wrong = {line: say.translated(line) for line in lines if left(say.translated(line))}
    assert not wrong, "\n".join(f"{line}\n{said}" for line, said in wrong.items())
    starts = {columns_of(re.match(r"\S+ +", say.translated(line))[0]) for line in lines}  # type: ignore[index]
    assert len(starts) == 1, "what is said of each stands in one column"


def test_what_another_program_said_stands_there_as_it_was_said(say: Sentences) -> None:
    for line in (
        *(f"nvidia-smi: it ended with status 9: {SAID}", f"torch: cannot be loaded: {SAID}"),
        *(f"podman does not answer: {SAID}", f"again in 4 s, from 3.21 GB on: {SAID}"),
        f"docker gave up 6 times, with 3.2 MB here: {SAID}",
        f"docker cannot call it docker/torch:1: {SAID}",
    ):
        said = say.translated(line)
        assert said.endswith(SAID)
        assert not left(said), said


def test_why_a_pull_ended_for_good_is_said_in_chinese_and_quotes_the_engine(say: Sentences) -> None:
    for words, *_ in failures._LASTING:
        error = failures.lasting(words[0], SAID)
        assert error is not None
        assert error.message.endswith(SAID)
        for text in (error.message, error.hint, error.fault_of):
            assert not left(say.translated(text or "")), text


@pytest.mark.parametrize("size", [24_000_000, 3_240_000_000])
@pytest.mark.parametrize("sources", [{}, {"tuna": 23_000_000, "origin": 1_500_000}])
def test_where_the_bytes_came_from_is_said_in_chinese(
    say: Sentences, size: int, sources: dict[str, int]
) -> None:
    for had in (False, True):
        came = ImageCame(23_500_000 if sources else 0, sources, seen=bool(sources))
        for line in pull._told(came, size, had=had):
            assert not left(say.translated(line)), say.translated(line)


def test_secrets_are_named_in_chinese(say: Sentences) -> None:
    secret = "aB3dE6gH9" * 4
    held = [
        *leaks_in_configuration(
            {
                "config": {"Env": [f"HF_TOKEN={secret}"], "Labels": {"label": f"hf_{secret}"}},
                "history": [{"created_by": f"RUN pip --index https://me:{secret}@hf.example/x"}],
            }
        ),
        *leaks_in_files(
            [
                ("/A/.netrc", f"machine x login y password {secret}".encode()),
                ("/A/.env", f"TOKEN={secret}".encode()),
                ("/A/.docker/config.json", b'{"auths": {"hf.example": {"auth": "aB3dE6gH9"}}}'),
                ("/A/X", f"-----BEGIN PRIVATE KEY-----\n{secret}\n".encode()),
                ("/A/.huggingface/token", secret.encode()),
            ]
        ),
    ]
    assert len(held) == 8
    for each in held:
        for text in (
            f"{each.what}, in {each.place}: whoever pulls the image can read it",
            f"{each.place}: {each.what}, and every build is sent it",
        ):
            check = Check("secret", Found.WRONG, text)
            (line,) = Tried((check,)).lines()
            said = say.translated(line).replace(each.place, "")
            assert not left(said), said
