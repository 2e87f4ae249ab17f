"""conda's own configuration, as its versions show it: which hosts become origins."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.interface.hookspecs import CATALOGUE, DiscoveredOrigin
from headrace_conda.channels import configured, known

FORGE = "https://conda.anaconda.org"


def shown(
    location: str | None,
    name: str | None = None,
    *,
    auth: str | None = None,
    token: str | None = None,
    scheme: str | None = "https",
) -> dict[str, Any]:
    """Give a channel as `conda config --show --json` does, from 24.5 to 26.7."""
    return {
        "auth": auth,
        "location": location,
        "name": name,
        "package_filename": None,
        "platform": None,
        "scheme": scheme,
        "token": token,
    }


ALIAS = shown("conda.anaconda.org", "")
#: The keys of a conda that nobody has configured.
PLAIN: dict[str, Any] = {
    "channel_alias": ALIAS,
    "channel_settings": [],
    "channels": ["defaults"],
    "custom_channels": {"pkgs/main": shown("repo.anaconda.com", "pkgs/main")},
    "custom_multichannels": {
        "defaults": [shown("repo.anaconda.com", "pkgs/main"), shown("repo.anaconda.com", "pkgs/r")],
        "local": [],
    },
    "default_channels": [shown("repo.anaconda.com", "pkgs/main")],
    "proxy_servers": {},
    "ssl_verify": True,
}


def found(**settings: Any) -> dict[str, DiscoveredOrigin]:
    """Give what is found beside what the catalogue adds, by URL."""
    told = configured.origins({**PLAIN, **settings})
    return {each.origin.url: each for each in told if each.where != CATALOGUE}


def test_a_plain_conda_has_its_alias_its_defaults_and_the_catalogues_places() -> None:
    told = {each.origin.url: each for each in configured.origins(PLAIN)}
    assert told[FORGE].where == "conda's channel_alias"
    assert told["https://repo.anaconda.com"].where == "conda's custom_channels"
    assert told["https://prefix.dev"].where == CATALOGUE
    assert all(each.fronted and not each.origin.private for each in told.values())
    assert {each.origin.name for each in told.values()} == set(known.origin_names())
    assert all(each.credential is None for each in told.values())


def test_a_host_of_the_users_own_is_told_and_not_fronted() -> None:
    told = found(channels=["https://conda.corp.example/a", "https://conda.corp.example/b"])
    one = told["https://conda.corp.example"]
    assert (one.where, one.fronted, one.origin.private) == ("conda's channels", False, True)


@pytest.mark.parametrize(
    "settings",
    [
        {"channels": ["https://u:pw@c.example/x"]},
        {"channels": ["https://c.example/t/<TOKEN>/x"]},
        {"channels": ["https://c.example/t/to-ken/x"]},
        {"channel_alias": shown("c.example/conda", "", auth="u:pw")},
        {"channel_alias": shown("c.example", "", token="aa-bb")},
        {"channel_alias": "https://c.example/t/aa-bb/"},
        {"custom_channels": {"x": shown("c.example", "x", token="aa-bb")}},
        {"custom_channels": {"x": shown("c.example/a", "x", auth="me:pw")}},
        {"custom_channels": {"x": "https://me:pw@c.example"}},
        {"default_channels": [shown("c.example", "x", auth="u:pw", token="aa-bb")]},
        {"custom_multichannels": {"all": [shown("c.example", "x", token="aa-bb")]}},
    ],
)
def test_a_token_or_a_password_never_becomes_an_origin(settings: dict[str, Any]) -> None:
    told = configured.origins({**PLAIN, **settings})
    assert not [each for each in told if "c.example" in each.origin.url]
    assert not any(secret in repr(told) for secret in ("pw", "aa-bb", "to-ken", "TOKEN"))


@pytest.mark.parametrize(
    "settings",
    [
        {"channels": ["conda-forge", "local", "nodefaults", "./rel", "/abs", "~/home"]},
        {"channels": ["file:///tmp/chan"]},
        {"custom_channels": {"loc": shown("/tmp", "loc", scheme="file")}},
        {"custom_multichannels": {"local": [shown("/opt/conda", "conda-bld", scheme="file")]}},
        {"default_channels": [shown(None, "<unknown>", scheme=None)]},
        {"default_channels": [shown("", "")]},
        {"channels": ["s3://bucket/chan", "ftp://ftp.example/chan"]},
        {"channels": None, "custom_channels": None, "custom_multichannels": [], "proxy_servers": 1},
        {"channels": ["https://[bad"]},
    ],
)
def test_names_folders_and_nonsense_are_no_origins(settings: dict[str, Any]) -> None:
    assert {each.origin.name for each in configured.origins({**PLAIN, **settings})} == set(
        known.origin_names()
    )


def test_a_mirror_of_the_catalogue_is_public() -> None:
    tuna = "https://mirrors.tuna.tsinghua.edu.cn"
    told = found(
        custom_channels={"conda-forge": shown(f"{tuna[8:]}/anaconda/cloud", "conda-forge")}
    )
    assert told[tuna].fronted
    assert not told[tuna].origin.private


def test_of_several_channels_on_a_host_a_known_one_makes_it_public() -> None:
    tuna = "https://mirrors.tuna.tsinghua.edu.cn"
    for urls in (
        [f"{tuna}/private", f"{tuna}/anaconda/cloud/conda-forge"],
        [f"{tuna}/anaconda/cloud/conda-forge", f"{tuna}/private"],
    ):
        assert found(channels=urls)[tuna].fronted


def test_a_port_and_plain_http_stay_in_the_origin() -> None:
    told = found(channels=["http://127.0.0.1:8080/conda-forge"])
    assert told["http://127.0.0.1:8080"].origin.name == "http+127.0.0.1:8080"


def test_channels_as_they_are_written_get_their_name() -> None:
    told = dict(configured.urls({"custom_channels": {"mine": "https://corp.example/a/"}}))
    assert told["https://corp.example/a/mine"] == "custom_channels"


def test_condas_own_certificates_and_proxies_go_to_the_gateway() -> None:
    told = found(
        ssl_verify="/etc/corp.pem",
        proxy_servers={
            "http": "http://p.example:1",
            "https": "http://p.example:2",
            "http://127.0.0.1": "",
            "https://x.example": "http://q.example:3",
        },
    )
    assert {each.authorities for each in told.values()} == {"/etc/corp.pem"}
    assert told[FORGE].surroundings == {
        "HTTP_PROXY": "http://p.example:1",
        "HTTPS_PROXY": "http://p.example:2",
    }


@pytest.mark.parametrize("verify", [True, False, "truststore", "<true>"])
def test_what_is_no_file_of_certificates_is_left_out(verify: object) -> None:
    assert found(ssl_verify=verify)[FORGE].authorities == ""


def test_the_catalogues_places_are_found_without_any_conda() -> None:
    told = configured.known_origins()
    assert {each.where for each in told} == {CATALOGUE}
    assert FORGE in {each.origin.url for each in told}
