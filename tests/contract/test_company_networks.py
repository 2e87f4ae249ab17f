"""Company networks: own certificate authority, outgoing proxy, an index that wants a password."""

from __future__ import annotations

from pathlib import Path

from lib import wheels
from lib.clients import Installer, Pip
from lib.gateway import Gateway
from lib.serving.certificates import authority
from lib.serving.proxies import RecordingProxy
from lib.world import MakeWorld, World

SECRET = ("build bot", "p@ss/word:1")
BASIC = "Basic YnVpbGQgYm90OnBAc3Mvd29yZDox"


def test_origin_with_a_company_certificate(
    world: MakeWorld, client: Installer, tmp_path: Path
) -> None:
    made_ca = authority(tmp_path / "ca")
    made = world(tls=made_ca.server, env={"SSL_CERT_FILE": str(made_ca.certificate)})
    built = wheels.wheel("thing", "1.0", size=200_000)
    made.index.add(built)
    client.point_at(made.gateway.index)
    client.install("thing").ok()
    assert client.environment.holds(built.files())
    made.assert_polite()


def test_origin_whose_certificate_is_not_trusted_is_not_believed(
    world: MakeWorld, newest: Pip, tmp_path: Path
) -> None:
    made = world(tls=authority(tmp_path / "ca").server)
    made.index.add(wheels.wheel("thing", "1.0"))
    newest.point_at(made.gateway.index)
    newest.install("thing").failed()
    assert made.pages.requests() == []


def test_outgoing_proxy_is_used_for_every_upstream(world: MakeWorld, newest: Pip) -> None:
    with RecordingProxy() as proxy:
        # These names mean nothing here: whoever does not ask the proxy reaches nobody.
        made = world(domain="far.test", env={"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url})
        built = wheels.wheel("thing", "1.0", size=9_000_000)
        made.index.add(built)
        newest.point_at(made.gateway.index)
        newest.install("thing").ok()
        assert newest.environment.holds(built.files())
        assert made.at_mirrors("*.whl")
        through = {passed.target.split("/")[2] for passed in proxy.passed}
        assert f"pages.far.test:{made.pages.port}" in through
        assert {f"{s.name}.far.test:{s.port}" for s in made.servers if s.seen} <= through


def test_tls_goes_through_the_proxy_without_being_opened(
    world: MakeWorld, newest: Pip, tmp_path: Path
) -> None:
    # The certificate is for 127.0.0.1, so a name that only the proxy knows must be refused.
    trusted = authority(tmp_path / "ca")
    with RecordingProxy() as proxy:
        made = world(
            tls=trusted.server,
            domain="far.test",
            env={"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(trusted.certificate)},
        )
        made.index.add(wheels.wheel("thing", "1.0"))
        newest.point_at(made.gateway.index)
        newest.install("thing").failed()
        assert {passed.method for passed in proxy.passed} == {"CONNECT"}
        assert made.pages.seen == []


def test_loopback_and_no_proxy_are_reached_directly(world: MakeWorld, newest: Pip) -> None:
    with RecordingProxy() as proxy:
        made = world(env={"HTTP_PROXY": proxy.url, "NO_PROXY": "127.0.0.1,localhost"})
        made.index.add(wheels.wheel("thing", "1.0"))
        newest.point_at(made.gateway.index)
        newest.install("thing").ok()
        assert proxy.passed == []


def company(world: MakeWorld) -> World:
    made = world(one_host=True)
    made.pages.credential = SECRET
    made.index.add(wheels.wheel("secret-app", "1.0", ["secret-lib"], size=9_000_000))
    made.index.add(wheels.wheel("secret-lib", "1.0"))
    return made


def assert_private(made: World, client: Installer) -> None:
    client.point_at(made.gateway.index)
    client.install("secret-app").ok()
    assert {"secret_app-1.0", "secret_lib-1.0"} <= client.environment.distributions()
    # Not one request: the names themselves are the company's.
    assert made.at_mirrors() == []
    assert all(seen.headers.get("authorization") in (BASIC, None) for seen in made.pages.seen)
    log = made.gateway.told()
    assert SECRET[1] not in log
    assert "p%40ss" not in log
    assert "YnVpbGQ" not in log


def test_company_index_with_a_password_in_its_url(world: MakeWorld, client: Installer) -> None:
    made = company(world)
    made.origin = made.origin.replace("://", "://build%20bot:p%40ss%2Fword%3A1@")
    assert_private(made, client)


def test_company_index_with_a_password_in_netrc(world: MakeWorld, newest: Pip) -> None:
    made = company(world)
    simple = ("builder", "pass-word-1")
    made.pages.credential = simple
    home = made.root / "gateway" / "home"
    home.mkdir(parents=True)
    netrc = home / ".netrc"
    netrc.write_text(f"machine 127.0.0.1\nlogin {simple[0]}\npassword {simple[1]}\n", "utf-8")
    netrc.chmod(0o600)
    newest.point_at(made.gateway.index)
    newest.install("secret-app").ok()
    assert "secret_app-1.0" in newest.environment.distributions()
    assert made.at_mirrors() == []
    assert simple[1] not in made.gateway.told()


def test_company_index_without_a_password_fails_cleanly(world: MakeWorld, newest: Pip) -> None:
    made = company(world)
    newest.point_at(made.gateway.index)
    newest.run("install", "--no-input", "secret-app").failed()
    assert made.at_mirrors() == []


def test_files_on_another_host_do_not_see_the_password(world: MakeWorld, newest: Pip) -> None:
    made = world()
    made.pages.credential = SECRET
    made.index.add(wheels.wheel("thing", "1.0", size=100_000))
    made.origin = made.origin.replace("://", "://build%20bot:p%40ss%2Fword%3A1@")
    newest.point_at(made.gateway.index)
    newest.install("thing").ok()
    assert made.files.seen
    assert not any("authorization" in seen.headers for seen in made.files.seen)
    assert made.at_mirrors() == []


def test_gateway_that_is_not_up_leaves_a_held_port_or_a_plain_refusal(tmp_path: Path) -> None:
    # What the tests above stand on: a gateway that was never started answers nobody.
    gateway = Gateway(tmp_path / "g", origins=["http://127.0.0.1:9/simple"])
    try:
        gateway.get("/healthz")
    except ConnectionRefusedError:
        return
    raise AssertionError("somebody else answers on that port")
