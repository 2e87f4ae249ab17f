"""The file of authorities that led programs are given."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest

from headrace.cli.runs import leading

ONE = "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----"
OTHER = "-----BEGIN TRUSTED CERTIFICATE-----\nMIIC\n-----END TRUSTED CERTIFICATE-----"


def test_authority_that_stands_in_several_files_is_in_the_bundle_once(tmp_path: Path) -> None:
    one, other, folder = tmp_path / "one.pem", tmp_path / "other.crt", tmp_path / "folder"
    one.write_text(f"# Acme's\nsubject=CN = Acme\n{ONE}\n")
    other.write_bytes(f"{ONE} \n{OTHER}".replace("\n", "\r\n").encode())
    folder.mkdir()
    (folder / "a.pem").write_text(ONE)
    files = [str(each) for each in (one, other, folder, one)]
    assert leading.bundle(files) == f"{ONE}\n{OTHER}\n"


def test_what_is_no_authority_is_in_no_bundle(tmp_path: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
    broken = "-----BEGIN CERTIFICATE-----\nMIID\n"
    (tmp_path / "mixed.pem").write_text(f"{key}{broken}{ONE}\n{broken}")
    assert leading.bundle([str(tmp_path / "mixed.pem")]) == f"{ONE}\n"


def test_usual_authorities_named_once_more_make_the_bundle_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # BuildKit takes no secret of more than 500 KiB; whoever sets three variables names one file.
    monkeypatch.setattr(leading, "_SYSTEMS", (certifi.where(),))
    usual = leading.bundle([""])
    assert usual.count("BEGIN CERTIFICATE") > 50
    assert leading.bundle(["", *[certifi.where()] * 3]) == usual
    assert len(usual) < 500 << 10
