"""What is added to a container's configuration, and what of the image's own stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headrace_docker.builds.oci_runtime import changed, inside

NAMES = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PDM_CA_CERTS"]


@pytest.fixture
def table(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "ours.pem").write_text("OURS")
    (tmp_path / "scratch" / "all.pem").write_text("USUAL OURS")
    return {
        "proxy": "http://headrace:t@10.88.0.1:1",
        "excepted": "",
        "certificate": str(tmp_path / "scratch" / "ours.pem"),
        "authorities": str(tmp_path / "scratch" / "all.pem"),
        "variables": NAMES,
        "scratch": str(tmp_path / "scratch"),
        "environment": {"HTTPS_PROXY": "http://mine", "NO_PROXY": "a"},
    }


def put(root: Path, name: str, text: str) -> None:
    path = root / name.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def led(table: dict[str, Any], root: Path, *env: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables, and what is in the file that each of them names."""
    root.mkdir(exist_ok=True)
    root_of: dict[str, Any] = {"root": {"path": "root"}, "mounts": []}
    config = root_of | {"process": {"env": list(env)}}
    assert changed(config, table, root.parent)
    found = dict(each.partition("=")[::2] for each in config["process"]["env"])
    files = {m["destination"]: Path(m["source"]).read_text() for m in config["mounts"]}
    return found, {name: files[found[name]] for name in NAMES if found.get(name) in files}


def test_a_container_trusts_what_it_has_what_is_usual_and_us(
    table: dict[str, Any], tmp_path: Path
) -> None:
    put(tmp_path / "root", "/etc/ssl/certs/ca-certificates.crt", "COMPANY")
    env, trusted = led(table, tmp_path / "root", "PATH=/bin")
    assert env["HTTPS_PROXY"] == env["https_proxy"] == table["proxy"]
    assert set(trusted) == {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
    assert set(trusted.values()) == {"COMPANY\nUSUAL OURS"}


def test_a_variable_of_the_image_keeps_what_its_file_trusts(
    table: dict[str, Any], tmp_path: Path
) -> None:
    put(tmp_path / "root", "/own.pem", "COMPANY")
    _, trusted = led(table, tmp_path / "root", "PDM_CA_CERTS=/own.pem")
    assert trusted["PDM_CA_CERTS"] == "COMPANY\nOURS"


def test_a_variable_that_names_a_folder_or_nothing_stays(
    table: dict[str, Any], tmp_path: Path
) -> None:
    put(tmp_path / "root", "/certs/one.pem", "COMPANY")
    own = ("REQUESTS_CA_BUNDLE=/certs", "CURL_CA_BUNDLE=/not-there")
    env, _ = led(table, tmp_path / "root", *own)
    assert (env["REQUESTS_CA_BUNDLE"], env["CURL_CA_BUNDLE"]) == ("/certs", "/not-there")


def test_a_proxy_of_the_images_own_is_left_to_it(table: dict[str, Any], tmp_path: Path) -> None:
    config = {"process": {"env": ["https_proxy=http://company"]}, "root": {"path": "root"}}
    before = repr(config)
    assert not changed(config, table, tmp_path)
    assert repr(config) == before


def test_a_container_with_users_of_its_own_is_let_be(table: dict[str, Any], tmp_path: Path) -> None:
    mapped = {"uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}]}
    config = {"process": {"env": []}, "root": {"path": "root"}, "linux": mapped}
    assert not changed(config, table, tmp_path)


def test_the_users_own_proxy_and_exceptions_are_replaced_by_ours(
    table: dict[str, Any], tmp_path: Path
) -> None:
    env, _ = led(table, tmp_path / "root", "HTTPS_PROXY=http://mine", "NO_PROXY=a", "no_proxy=b")
    assert env["HTTPS_PROXY"] == table["proxy"]
    assert "NO_PROXY" not in env
    assert env["no_proxy"] == "b"


@pytest.mark.parametrize("target", ["/secret", "../../../secret", "{host}/secret", "loop"])
def test_no_link_in_an_image_leads_to_a_file_of_this_machines(target: str, tmp_path: Path) -> None:
    put(tmp_path, "/secret", "SECRET")
    root = tmp_path / "root"
    root.mkdir()
    (root / "loop").symlink_to(target.format(host=tmp_path))
    assert inside(root, "/loop") is None


def test_links_within_an_image_are_followed(tmp_path: Path) -> None:
    put(tmp_path / "root", "/usr/share/all.pem", "COMPANY")
    (tmp_path / "root" / "etc").symlink_to("/usr")
    (tmp_path / "root" / "usr" / "own.pem").symlink_to("share/../share/all.pem")
    assert inside(tmp_path / "root", "/etc/own.pem") == b"COMPANY"
