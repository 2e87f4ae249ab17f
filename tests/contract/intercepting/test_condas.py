"""conda without its plugin, and py-rattler: they believe to talk to their channels' origin, so all
that they write down is what it would be alone.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from conda_package_streaming import package_streaming

from lib.clients import Result, tool
from lib.conda.channels import Channel, Package, package
from lib.conda.clients import Conda, Rattler, _run
from lib.conda.world import (
    CONDAS,
    NEWEST,
    PACKAGE_FAULTS,
    RETRY_WORDS,
    World,
    large,
    make_client,
    make_world,
)
from lib.gateway import free_port, headrace
from lib.holders import none_left
from lib.serving.certificates import authority
from lib.serving.servers import RecordingServer
from lib.waiting import HANG, until

SMALL = package("small", depends=["large"], size=40_000)
#: So that conda sees nothing of the settings that lead it elsewise.
BARE = ("env", "-u", "CONDARC", "-u", "PYTHONPATH", "-u", "HEADRACE_CONDA_GATEWAY")
TOKEN = "tk-0123456789-abcdef"


def cases(*by_day: str, of: Iterable[str] = (*CONDAS, "py-rattler")) -> list[object]:
    """Give all of them; what is not named is for the night: a conda takes its seconds."""
    return [pytest.param(n, marks=() if n in by_day else pytest.mark.nightly) for n in of]


@dataclass(slots=True)
class LedChannel:
    """A channel at its https origin, its mirrors, and whoever is led at it."""

    root: Path
    world: World
    certificate: Path

    def client(self, name: str, home: str) -> Conda | Rattler:
        """Make a client that knows the origin alone, in a home of its own, or skip the test."""
        made = make_client(name, self.root / home)
        made.variables |= {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HEADRACE_HOME": str(self.root / "headrace"),
            "HEADRACE_PORT": str(free_port()),
            "HEADRACE_CONDA_BASE": str(self.root / "no-conda"),
            "SSL_CERT_FILE": str(self.certificate),
            "REQUESTS_CA_BUNDLE": str(self.certificate),
        }
        if isinstance(made, Conda):
            made.configure(channels=[self.world.url])
            made.variables["HEADRACE_CONDA_BASE"] = str(made.base.root)
        return made

    def led(
        self, client: Conda | Rattler, *urls: str, specs: tuple[str, ...] = ("small",)
    ) -> Result:
        """Have it install from a channel, the public one unless said, as ``run`` leads a script."""
        return self.led_script(client, creating(client, *(urls or (self.world.url,)), specs=specs))

    def led_script(self, client: Conda | Rattler, command: Sequence[str]) -> Result:
        """Have a script run a command, as ``run`` leads it."""
        script = client.home / "script.sh"
        script.write_text(shlex.join((*BARE, *command)), "utf-8")
        return _run((*headrace(), "run", "--", "sh", script), client.variables, client.home, HANG)

    def left(self) -> list[Path]:
        """What runs have made for themselves and not yet taken away."""
        state = self.root / "headrace" / "state"
        return [*state.glob("run/*/now"), *state.rglob("interceptions/*.json")]


def creating(
    client: Conda | Rattler, *urls: str, specs: tuple[str, ...] = ("small",)
) -> tuple[str, ...]:
    """Give the command line that makes an environment."""
    if isinstance(client, Conda):
        channels = [word for url in urls for word in ("-c", url)]
        options = ("-y", "-q", "-n", "env", "--override-channels", *channels)
        return client.command("create", *options, *specs)
    return client.command("env", *specs, channel=urls)


MakeChannel = Callable[..., LedChannel]


@pytest.fixture
def make_channel(tmp_path: Path) -> Iterator[MakeChannel]:
    """Make channels; nothing of a run may be left in the end."""
    made: list[LedChannel] = []
    with contextlib.ExitStack() as stack:

        def make(*packages: Package, **rest: object) -> LedChannel:
            company = authority(tmp_path / "authority")
            world = make_world(tmp_path, stack, *packages, tls=company.server, **rest)  # type: ignore[arg-type]
            lines = ["catalogue = false", f'public_origins = ["{world.origin.url}"]']
            lines += [f'origins = ["conda/own={world.origin.url}"]']
            for mirror in world.described:
                lines += ["[[mirror]]", f'id = "{mirror.id}"', 'ecosystem = "conda"']
                lines += [f'url = "{mirror.url}"', f'layout = "{mirror.layout}"']
            path = tmp_path / "headrace" / "config" / "config.toml"
            path.parent.mkdir(parents=True)
            path.write_text("\n".join(lines) + "\n", "utf-8")
            made.append(LedChannel(tmp_path, world, company.certificate))
            return made[-1]

        yield make
    none_left(str(tmp_path))
    until(lambda: not any(each.left() for each in made), lambda: [each.left() for each in made])


def both(channel: LedChannel, name: str) -> tuple[Conda | Rattler, Conda | Rattler]:
    """Have one client install alone, and then one that is led."""
    plain, ours = channel.client(name, "without"), channel.client(name, "with")
    _run(creating(plain, channel.world.url), plain.variables, plain.home, HANG).ok()
    channel.world.origin.forget()
    channel.led(ours).ok()
    return plain, ours


def agents(channel: LedChannel, match: str) -> set[str]:
    seen = channel.world.origin.requests(match)
    return {each.headers["user-agent"].partition("/")[0] for each in seen}


@pytest.mark.parametrize("name", cases(NEWEST))
def test_records_are_the_plain_ones_and_packages_come_from_mirrors(
    make_channel: MakeChannel, name: str
) -> None:
    channel = make_channel(large(), SMALL)
    plain, ours = both(channel, name)
    assert ours.prefix_tree("env") == plain.prefix_tree("env")
    assert set(ours.meta("env")) == {"large", "small"}
    for record in ours.meta("env").values():
        assert record["url"].startswith(f"{channel.world.url}/")
    if isinstance(ours, Conda) and isinstance(plain, Conda):
        assert ours.package_cache() == plain.package_cache()
        # An older conda writes the other digest alone.
        newer = "--sha256" in ours.run("list", "--help").ok().out
        for options in ((), ("--sha256" if newer else "--md5",)):
            told = [each.list_explicit("env", *options) for each in (ours, plain)]
            assert told[0] == told[1]
            assert len(told[0]) == 2
        assert ours.export("env") == plain.export("env")
    assert agents(channel, "*.conda") | agents(channel, "*repodata*") == {"headrace"}
    assert channel.world.origin.bytes_sent("*.conda") < len(large().data) / 2
    channel.world.assert_polite()


@pytest.mark.parametrize("name", cases("py-rattler"))
@pytest.mark.parametrize("fault", cases("swapped-same-size", of=PACKAGE_FAULTS))
def test_fault_of_a_mirror_in_the_middle_of_a_package_is_not_noticed(
    make_channel: MakeChannel, name: str, fault: str
) -> None:
    channel = make_channel(large(), SMALL)
    PACKAGE_FAULTS[fault](channel.world.mirrors[0], channel.world)
    client = channel.client(name, "home")
    result = channel.led(client).ok()
    assert large().installed_in(client.prefix("env"))
    # What `run` itself says in the end names each failure of a source.
    lines = (result.out + result.err).lower().splitlines()
    said = "\n".join(line for line in lines if not line.startswith("headrace: "))
    assert not [word for word in RETRY_WORDS if word in said]
    assert agents(channel, "*.conda") == {"headrace"}


@pytest.mark.parametrize("name", cases())
def test_channel_with_a_token_is_asked_as_it_stands_and_its_token_is_kept_nowhere(
    make_channel: MakeChannel, name: str
) -> None:
    channel = make_channel(large(), SMALL)
    own = Channel("company", [package("small", size=40_000)])
    url = own.mount_origin(channel.world.origin, prefix=f"/t/{TOKEN}")
    client = channel.client(name, "home")
    channel.led(client, url).ok()
    assert set(client.meta("env")) == {"small"}
    # By its client alone, and nobody else heard of it.
    assert channel.world.origin.requests(f"/t/{TOKEN}/company/*.conda")
    assert "headrace" not in agents(channel, "/t/*")
    assert not channel.world.at_mirrors()
    state = [path for path in (channel.root / "headrace").rglob("*") if path.is_file()]
    assert state
    assert not [path for path in state if TOKEN.encode() in path.read_bytes()]


@pytest.mark.parametrize("name", cases())
def test_private_channel_at_a_host_of_its_own_is_tunnelled(
    make_channel: MakeChannel, name: str
) -> None:
    channel = make_channel(large(), package("small", size=40_000))
    own = Channel("company", [package("ours", depends=["small"])])
    with RecordingServer(name="company", tls=channel.world.origin.tls) as company:
        url = own.mount_origin(company)
        client = channel.client(name, "home")
        channel.led(client, url, channel.world.url, specs=("ours",)).ok()
        assert set(client.meta("env")) == {"ours", "small"}
        seen = {each.headers["user-agent"].partition("/")[0] for each in company.seen}
    assert seen
    assert "headrace" not in seen
    others = [*channel.world.at_mirrors(), *channel.world.origin.seen]
    assert not [each for each in others if "ours" in each.path or "company" in each.path]
    assert agents(channel, "*/small-*.conda") <= {"headrace"}


#: Builds a package; what its host environment needs comes from a channel.
_BUILDING = """
import sys
from pathlib import Path
from rattler_build import Stage0Recipe

out, url = sys.argv[1:]
recipe = Stage0Recipe.from_yaml(Path("recipe.yaml").read_text())
recipe.run_build(output_dir=out, channels=[url], no_build_id=True)
"""
_RECIPE = """
package: {name: made, version: "1.0"}
build: {number: 0, noarch: generic, script: "cp $PREFIX/share/small/note.txt $PREFIX/made.txt"}
requirements: {host: [small], run: [small]}
"""


@pytest.mark.nightly
def test_what_rattler_build_writes_down_of_a_build_is_what_it_writes_alone(
    make_channel: MakeChannel,
) -> None:
    channel = make_channel(large(), SMALL)
    library = f"PYTHONPATH={tool('py-rattler-build', '0.73.0')}"
    told = []
    # As long as each other: what rattler-build writes down is padded to a length.
    for home in ("alone", "drawn"):
        client = channel.client("py-rattler", home)
        (client.home / "recipe.yaml").write_text(_RECIPE, "utf-8")
        words = ("env", library, sys.executable, "-c", _BUILDING, "out", channel.world.url)
        channel.world.origin.forget()
        if home == "alone":
            _run(words, client.variables, client.home, HANG).ok()
        else:
            channel.led_script(client, words).ok()
        (built,) = (client.home / "out").rglob("made-*.conda")
        told.append(recorded(built, client.home))
    assert f"{channel.world.url}/noarch/small-1.0-0.conda" in told[0]
    assert told[0] == told[1]
    assert agents(channel, "*.conda") == {"headrace"}
    assert channel.world.origin.bytes_sent("*.conda") < len(large().data) / 2


def recorded(built: Path, home: Path) -> str:
    """Give what a package says of how it was built, apart from when and where."""
    text = ""
    for tar, member in package_streaming.stream_conda_info(built):
        if member.name == "info/recipe/rendered_recipe.yaml" and (file := tar.extractfile(member)):
            text = file.read().decode()
    lines = text.replace(str(home), "HOME").splitlines()
    return "\n".join(line for line in lines if "timestamp" not in line)
