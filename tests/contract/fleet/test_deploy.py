"""`deploy/`: what it comes to by Helm itself, against the schemas of those who read it, and against
what headrace takes and tells.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from headrace.cli.command_line import parsers
from headrace.gateway.activity import Activity
from headrace.gateway.serving.metrics import ServeMetrics
from headrace.serve_settings import ServeSettings
from lib.capabilities import lacks
from lib.fleet.charts import BASES, CHART, DEPLOY, Object, base, kustomized, refusal, rendered
from lib.fleet.charts import linted as lint
from lib.serving.schemas import KUBERNETES, Validate, compose_validator, kubernetes_validator

#: Everything that can be switched on, at once.
ALL: dict[str, Any] = {
    "pythonIndex": "https://index.example/simple/",
    "certificate": {"enabled": True},
    "gateway": {"enabled": True},
    "serviceMonitor": {"enabled": True, "tokenSecret": "prometheus"},
    "prometheusRule": {"enabled": True},
    "dashboard": {"enabled": True},
    "nodeAgent": {
        "enabled": True,
        "engines": ["containerd", "podman", "k3s", "rke2"],
        "authoritiesConfigMap": "lab-ca",
    },
    "clients": {"enabled": True, "authoritiesConfigMap": "lab-ca"},
    "warm": {"enabled": True, "images": ["docker.io/library/debian:12"]},
    "serve": {"shared_state": "valkey://valkey:6379/0", "store": "s3://bucket/prefix"},
    "settings": 'documents = "origin"\n',
    "tls": {"clientAuthorities": "lab-clients"},
    "tokensSecret": "tokens",
    "replicaSecret": "replicas",
    "environmentSecrets": ["bucket"],
    "cache": {"storageClass": "fast", "size": "100Gi"},
    "image": {"digest": "sha256:" + "0" * 64},
    "networkPolicy": {"egress": [{"ports": [{"port": 6379}]}]},
    "imagePullSecrets": [{"name": "registry"}],
}
BEHIND = {
    "tls": {"endedBy": "proxy"},
    "ingress": {"enabled": True, "annotations": {"a.example/b": "c"}},
    "gateway": {"enabled": True, "sectionName": "https"},
    "autoscaling": {"enabled": False},
    "networkPolicy": {"enabled": False},
}
#: What Kubernetes knows only where somebody has installed it, and what such an object must have.
CUSTOM = {
    ("cert-manager.io/v1", "Certificate"): ("secretName", "dnsNames", "issuerRef"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): ("parentRefs", "hostnames", "rules"),
    ("gateway.networking.k8s.io/v1alpha2", "TLSRoute"): ("parentRefs", "hostnames", "rules"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): ("selector", "endpoints"),
    ("monitoring.coreos.com/v1", "PrometheusRule"): ("groups",),
}
LAB = DEPLOY / "kustomize" / "overlays" / "lab"


@pytest.fixture(scope="module")
def everything() -> dict[str, list[Object]]:
    found = {"plain": rendered({}), "all": rendered(ALL), "behind a proxy": rendered(BEHIND)}
    return found | {"kustomize": kustomized(LAB), **{f"base {b}": of_base(b) for b in BASES}}


def of_base(name: str) -> list[Object]:
    return kustomized(DEPLOY / "kustomize" / name)


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_one_that_kubernetes_takes(
    everything: dict[str, list[Object]], version: str
) -> None:
    validate = kubernetes_validator(version)
    kinds = set()
    for objects in everything.values():
        for each in objects:
            kind = (each["apiVersion"], each["kind"])
            kinds.add(kind)
            if kind in CUSTOM:
                assert set(CUSTOM[kind]) <= set(each["spec"]), each
            else:
                validate(each)
    assert set(CUSTOM) <= kinds
    broken = copy.deepcopy(one(everything["plain"], "Deployment"))
    broken["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(jsonschema.ValidationError):
        validate(broken)


def one(objects: list[Object], kind: str, part: str = "") -> Object:
    (found,) = [e for e in objects if e["kind"] == kind and part in e["metadata"]["name"]]
    return found


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    for each in objects:
        if each["kind"] in ("Deployment", "DaemonSet"):
            yield each["kind"], each["spec"]["template"]["spec"]
        elif each["kind"] == "CronJob":
            yield each["kind"], each["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_no_container_has_more_than_it_needs(everything: dict[str, list[Object]]) -> None:
    for name, objects in everything.items():
        for kind, pod in pods(objects):
            assert pod["automountServiceAccountToken"] is False, name
            assert ("hostNetwork" in pod) is (kind == "DaemonSet")
            paths = {v["hostPath"]["path"] for v in pod["volumes"] if "hostPath" in v}
            assert bool(paths) is (kind == "DaemonSet")
            assert not paths & {"/", "/etc"}
            volumes = {each["name"] for each in pod["volumes"]}
            for each in (*pod.get("initContainers", ()), *pod["containers"]):
                context = each["securityContext"]
                assert context["readOnlyRootFilesystem"] is True
                assert context["allowPrivilegeEscalation"] is False
                assert context["capabilities"] == {"drop": ["ALL"]}
                assert {"cpu", "memory"} <= set(each["resources"]["limits"])
                assert {"cpu", "memory"} <= set(each["resources"]["requests"])
                assert {mount["name"] for mount in each["volumeMounts"]} <= volumes
            if kind != "DaemonSet":
                assert pod["securityContext"]["runAsNonRoot"] is True
        assert not [each for each in objects if "Role" in each["kind"]]


def test_every_command_is_one_of_headraces(everything: dict[str, list[Object]]) -> None:
    for objects in everything.values():
        for _, pod in pods(objects):
            for each in pod["containers"]:
                parser, _ = parsers(each["args"])
                parser.parse_args(each["args"])


def settings_in(objects: list[Object]) -> Iterator[str]:
    for each in objects:
        if each["kind"] == "ConfigMap" and "[serve]" in each["data"].get("config.toml", ""):
            yield each["data"]["config.toml"]


def test_settings_are_those_that_headrace_reads(everything: dict[str, list[Object]]) -> None:
    found = [text for objects in everything.values() for text in settings_in(objects)]
    found += [path.read_text("utf-8") for path in sorted(DEPLOY.glob("*/config.toml"))]
    assert len(found) == 4 + 1 + 3
    for text in found:
        settings, mistakes = ServeSettings.parse(tomllib.loads(text)["serve"], Path("x"))
        assert not mistakes, text
        assert settings.certificate or settings.behind_proxy
        assert settings.networks
    (all_of_it,) = settings_in(everything["all"])
    assert tomllib.loads(all_of_it)["documents"] == "origin"
    assert 'advertise = "https://POD_IP:8443"' in all_of_it


def test_the_charts_schema_has_every_setting_of_serve() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    (line,) = [
        text
        for text in (CHART / "templates/_helpers.tpl").read_text("utf-8").splitlines()
        if "$own := list" in text
    ]
    own = set(re.findall(r'"(\w+)"', line))
    known = {each.name for each in fields(ServeSettings)}
    assert set(schema["properties"]["serve"]["properties"]) | own == known


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"replica": 3}, "replica"),
        ({"url": "http://headrace.lab.example"}, "url"),
        ({"url": "https://headrace.lab.example/path"}, "url"),
        ({"replicas": 0}, "replicas"),
        ({"origins": []}, "origins"),
        ({"origins": ["python=https://me:secret@index.example/simple"]}, "origins"),
        ({"serve": {"store": "nfs://there"}}, "store"),
        ({"serve": {"networks": "10.0.0.0/8"}}, "networks"),
        ({"serve": {"listen": "0.0.0.0:1"}}, "listen"),
        ({"pythonIndex": "https://me:secret@index.example/simple/"}, "pythonIndex"),
        ({"image": {"digest": "sha256:1"}}, "digest"),
        ({"resources": {"limits": {"cpu": "1", "memory": "much"}}}, "memory"),
        ({"nodeAgent": {"engines": ["docker"]}}, "engines"),
        ({"warm": {"enabled": True}}, "images"),
        ({"warm": {"schedule": "daily"}}, "schedule"),
        ({"ingress": {"enabled": True}}, "tls.endedBy"),
        ({"tls": {"endedBy": "nobody"}}, "endedBy"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any], part: str) -> None:
    assert part in refusal(values)


def test_right_values_are_taken_and_helm_finds_nothing_wrong() -> None:
    assert [refusal(each) for each in ({}, ALL, BEHIND)] == ["", "", ""]
    assert lint() == []


def test_the_kustomize_bases_are_what_the_chart_says() -> None:
    for name in BASES:
        text = (DEPLOY / "kustomize" / name / "objects.yaml").read_text("utf-8")
        assert text == base(name), "PYTHONPATH=tests python -m lib.fleet.charts"
    lab = kustomized(LAB)
    images = {c["image"] for _, pod in pods(lab) for c in pod["containers"]}
    assert images == {"registry.lab.example/headrace:0.1.0"}
    assert "10.20.0.0/16" in next(settings_in(lab))


def test_rules_and_dashboard_ask_for_what_is_told(everything: dict[str, list[Object]]) -> None:
    told = ServeMetrics(Activity(), dict).exposition()[1].decode()
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", told, re.MULTILINE))
    names = set(kinds) | {f"{name}_bucket" for name, kind in kinds.items() if kind == "histogram"}
    rule = one(everything["all"], "PrometheusRule")
    expressions = [each["expr"] for group in rule["spec"]["groups"] for each in group["rules"]]
    dashboard = json.loads(
        one(everything["all"], "ConfigMap", "dashboard")["data"]["headrace.json"]
    )
    expressions += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = set(re.findall(r"\b((?:headrace|process)_\w+)", " ".join(expressions)))
    assert asked
    assert asked <= names
    scaler = one(everything["all"], "HorizontalPodAutoscaler")
    assert scaler["spec"]["metrics"][0]["pods"]["metric"]["name"] in names


def test_compose_and_swarm_are_files_by_the_specification() -> None:
    validate: Validate = compose_validator()
    for name in ("compose/compose.yaml", "swarm/stack.yaml"):
        document = yaml.load((DEPLOY / name).read_text("utf-8"), yaml.CSafeLoader)
        validate(document)
        service = document["services"]["headrace"]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        drain = ServeSettings().drain + ServeSettings().drain_delay
        assert int(service["stop_grace_period"].removesuffix("s")) > drain
        document["services"]["headrace"]["read_onley"] = True
        with pytest.raises(jsonschema.ValidationError):
            validate(document)


def test_nginx_takes_its_file(tmp_path: Path) -> None:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if nginx is None:
        pytest.skip(lacks("programs", "nginx is not installed here"))
    text = (DEPLOY / "systemd" / "nginx.conf").read_text("utf-8")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x"
    keys = ["-keyout", "tls.key", "-out", "tls.crt"]
    subprocess.run(["openssl", *words.split(), *keys], cwd=tmp_path, check=True)
    text = text.replace("/etc/headrace", str(tmp_path))
    around = f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ {text} }}"
    (tmp_path / "nginx.conf").write_text(around, "utf-8")
    words_of = [nginx, "-t", "-q", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)]
    done = subprocess.run(words_of, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_takes_its_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip(lacks("programs", "systemd-analyze is not installed here"))
    text = (DEPLOY / "systemd" / "headrace-serve.service").read_text("utf-8")
    unit = tmp_path / "headrace-serve.service"
    text = text.replace("/opt/headrace/bin/headrace", "/bin/true").replace("man:headrace(1)", "")
    unit.write_text(text, "utf-8")
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []


@pytest.mark.parametrize("name", ["requirements.txt", "build.txt"])
def test_the_image_has_files_by_their_digests_alone(name: str) -> None:
    text = (DEPLOY / "image" / name).read_text("utf-8")
    entries = [e for e in text.replace("\\\n", " ").splitlines() if e and not e.startswith("#")]
    assert entries
    assert all("==" in each and "--hash=sha256:" in each for each in entries)
    assert "://" not in text


def test_the_image_has_what_the_project_wants() -> None:
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["fleet"]]
    names = {re.split(r"[\[><=; ]", each)[0].replace(".", "-") for each in wanted}
    text = (DEPLOY / "image" / "requirements.txt").read_text("utf-8")
    there = set(re.findall(r"^([a-z0-9.-]+)==", text, re.MULTILINE))
    assert names <= {each.replace(".", "-") for each in there}
