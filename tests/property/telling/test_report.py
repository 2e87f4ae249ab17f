"""Whatever secret or name this machine has, in whatever form it stands: no report shows it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

from hypothesis import assume, given
from hypothesis import strategies as st

from headrace.cli.mending.redaction import FILES, Redaction

#: No word of the texts around it.
SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Z"]), min_size=8)
LABEL = st.from_regex(r"[a-z][a-z0-9]{3,8}[a-z0-9]", fullmatch=True)
TOP = st.from_regex(r"[a-z]{2,12}", fullmatch=True)
HOSTS = st.builds(
    lambda labels, top: ".".join([*labels, top]), st.lists(LABEL, min_size=1, max_size=3), TOP
)
#: How a secret comes into a text.
FORMS: dict[str, Callable[[str], str]] = {
    "bare": lambda secret: secret,
    "in a URL": lambda secret: f"http://me:{quote(secret, safe='')}@127.0.0.1:17223/simple/",
    "in a proxy": lambda secret: f"HTTPS_PROXY=me:{quote(secret, safe='')}@10.0.0.1:3128",
    "in a path": lambda secret: f"https://conda.example/t/{quote(secret, safe='')}/main",
    "in a query": lambda secret: f"https://h.example/x?token={quote_plus(secret)}&a=1",
    "escaped": lambda secret: f"field {quote(secret, safe='')} end",
    "in JSON": lambda secret: json.dumps({"words": [secret]}),
    "in Python": repr,
    "in base64": lambda secret: f"blob {base64.b64encode(secret.encode()).decode()} end",
}
#: How a host does.
PLACES = {
    "a URL": "could not fetch {}: https://{}/simple/our-project/",
    "a port": "connection to {}:8443 refused",
    "an image": "pulling {}/team/app:1.0 failed",
    "an end": "no address for {}.",
    "capitals": "NO ADDRESS FOR {}",
}
AROUND = "2026-11-30 12:00:00 headrace.upstream: WARNING: numpy-2.1.0-cp311-none-any.whl {} (429)"


@given(SECRETS, st.sampled_from(sorted(FORMS)))
def test_no_form_of_a_known_secret_is_shown(secret: str, form: str) -> None:
    assume(secret not in AROUND)
    assume(secret not in "https://private-1/***")
    text = AROUND.format("{}").replace("{}", FORMS[form](secret))
    shown = Redaction(secrets=[secret])(text)
    plain = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    plain.add(base64.b64encode(secret.encode()).decode())
    assert not [each for each in plain if each in shown]
    assert "numpy-2.1.0-cp311-none-any.whl" in shown
    assert "(429)" in shown or form == "in a query"  # of a setting all of the line is hidden


@given(HOSTS, st.sampled_from(sorted(PLACES)), st.booleans())
def test_no_private_host_is_shown_and_the_same_has_one_number(
    host: str, place: str, known: object
) -> None:
    assume(host.rpartition(".")[2] not in FILES)
    text = PLACES[place].replace("{}", host)
    text = text.upper() if place == "capitals" else text
    if place == "capitals" and not known:
        return  # what only its letters tell is told by small ones
    shown = Redaction(hosts=[host] if known else [])(text)
    assert host not in shown.lower()
    assert "our-project" not in shown
    assert "private-1" in shown
    assert "private-2" not in shown


@given(
    LABEL, st.sampled_from(["/home/{}/x", "C:\\Users\\{}\\x", "/Users/{}", "/srv/{}/a", "of {}"])
)
def test_no_name_of_a_user_is_shown(name: str, place: str) -> None:
    assume(name not in "home users srv user")
    shown = Redaction(people=[name], home="/srv/homes/x")(place.replace("{}", name))
    assert name not in shown


@given(st.text(max_size=300))
def test_any_text_is_redacted_and_none_is_redacted_further(text: str) -> None:
    redacted = Redaction(secrets=["a secret"], hosts=["corp"], people=["alice"], home="/home/alice")
    once = redacted(text)
    assert "alice" not in once
    redacted(once)


def test_what_everybody_knows_stays() -> None:
    text = (
        "https://conda.anaconda.org/conda-forge/linux-64/repodata.json from files.example.org "
        "http://127.0.0.1:17223/simple/ [::1]:80 at 12:34:56, ~/.config/pip/pip.conf, config.toml, "
        "headrace.service, torch 2.7.1.post1 alpha-1.0-0.conda"
    )
    assert Redaction(public=["conda.anaconda.org", "example.org"], files=["conda"])(text) == text
