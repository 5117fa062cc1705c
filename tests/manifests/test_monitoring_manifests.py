"""What the monitoring stack promises the operator, its nodes and whoever applies it."""

from __future__ import annotations

import copy
import re
import subprocess
from decimal import Decimal

import pytest
import yaml

from tests.cluster import image_programs, monitoring_images
from tests.cluster.cache import default_cache
from tests.manifests.stack_files import FOLDERS, ON_NODES, ROOT, Object, containers, objects, policies, workloads
from trading_dashboards.boards import BOARDS
from trading_operator.desired import scrape

#: Volume types that the `restricted` Pod Security Standard allows.
PLAIN_VOLUMES = {"configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
SERVICES = {
    "prometheus": 9090,
    "alertmanager": 9093,
    "loki": 3100,
    "grafana": 3000,
    "log-agent": 8888,
    "node-exporter": 9100,
}


def breaches(template: Object) -> list[str]:
    """What the `restricted` Pod Security Standard forbids in a pod template."""
    spec = template["spec"]
    pod = spec.get("securityContext", {})
    found = [
        f"volume {each['name']}" for each in spec.get("volumes", []) if not (set(each) - {"name"}) <= PLAIN_VOLUMES
    ]
    found += [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    found += [] if pod.get("runAsNonRoot") and pod.get("runAsUser") else ["runAsNonRoot"]
    found += [] if pod.get("seccompProfile", {}).get("type") == "RuntimeDefault" else ["seccompProfile"]
    for each in containers(template):
        context = each.get("securityContext", {})
        hardened = context.get("allowPrivilegeEscalation") is False and context.get("capabilities") == {"drop": ["ALL"]}
        found += [] if hardened and not context.get("privileged") else [f"securityContext of {each['name']}"]
    return found


@pytest.mark.parametrize("name", sorted(set(FOLDERS) - ON_NODES))
def test_pod_keeps_to_the_restricted_standard_when_it_reads_no_files_of_the_node(name: str) -> None:
    """The namespace allows more for two DaemonSets; nobody else makes use of it."""
    assert breaches(workloads()[name]) == []


def test_pods_on_nodes_breach_the_standard_only_as_reading_the_node_takes() -> None:
    """Host paths for both, the node's network to count it, root to read what only root may."""
    found = {name: breaches(workloads()[name]) for name in ON_NODES}
    assert found["node-exporter"] == ["volume proc", "volume sys", "volume root", "hostNetwork"]
    assert found["log-agent"] == ["volume pods", "volume checkpoints", "runAsNonRoot"]


@pytest.mark.parametrize("name", FOLDERS)
def test_containers_are_bounded_probed_and_read_only(name: str) -> None:
    """Small requests, limits, probes that two busy cores do not miss, nothing written to the image."""
    for each in containers(workloads()[name]):
        assert set(each["resources"]) == {"requests", "limits"}
        assert each["securityContext"]["readOnlyRootFilesystem"] is True
        assert each["imagePullPolicy"] == "IfNotPresent"
    probes = [probe for key, probe in workloads()[name]["spec"]["containers"][0].items() if key.endswith("Probe")]
    assert len(probes) >= 2
    assert all(probe["timeoutSeconds"] >= 5 for probe in probes)


def test_stack_fits_beside_an_engine_on_two_cores() -> None:
    """The control plane asks for 850m of 2000m, an engine for some 25m a pod."""
    asked = [
        each["resources"]["requests"]["cpu"]
        for template in workloads().values()
        for each in template["spec"]["containers"]
    ]
    assert sum(Decimal(cpu.removesuffix("m")) for cpu in asked) <= 200


def test_services_are_where_operator_boards_and_guides_look() -> None:
    """Names and ports are a promise; the pod's label is how Prometheus finds what to scrape."""
    services = {each["metadata"]["name"]: each["spec"] for each in objects() if each["kind"] == "Service"}
    assert {name: spec["ports"][0]["port"] for name, spec in services.items()} == SERVICES
    for name, spec in services.items():
        label = {"app.kubernetes.io/name": name}
        template = workloads()[name]
        assert spec["selector"] == label
        assert label.items() <= template["metadata"]["labels"].items()
        ports = {each["name"]: each["containerPort"] for each in template["spec"]["containers"][0]["ports"]}
        assert ports[spec["ports"][0]["targetPort"]] == SERVICES[name]


def test_images_are_those_that_can_be_built_here() -> None:
    """One version of each, pinned by tag, the same in the manifests and in what is built where no registry answers."""
    named = {each["image"] for template in workloads().values() for each in containers(template)}
    named |= {each["image"] for each in containers(promtail()["template"])}
    grafana = {image for image in named if image.startswith(f"{monitoring_images.GRAFANA}:")}
    built = {image.public for image in (*monitoring_images.DEBIAN, *monitoring_images.ALL)}
    assert len(grafana) == 1
    assert named - grafana == built
    assert all(re.search(r":v?\d+\.\d+\.\d+$", image) for image in named)


@pytest.mark.parametrize(
    ("name", "own", "kind", "theirs"),
    [
        ("prometheus", "prometheus-base", "configMap", scrape.CONFIG_MAP),
        ("alertmanager", "alertmanager-base", "secret", "trading-alertmanager"),
        ("log-agent", "log-agent-base", "configMap", "trading-log-agent"),
    ],
)
def test_operators_configuration_comes_after_the_own_when_there_is_one(
    name: str, own: str, kind: str, theirs: str
) -> None:
    """Of two files of one name a projected volume has the later source's; explicit items would be refused."""
    volumes = {each["name"]: each for each in workloads()[name]["spec"]["volumes"]}
    sources = volumes["config"]["projected"]["sources"]
    assert sources == [{"configMap": {"name": own}}, {kind: {"name": theirs, "optional": True}}]


def test_rules_are_mounted_where_the_configuration_looks() -> None:
    """The operator's configuration and the base one name the same folder."""
    spec = workloads()["prometheus"]["spec"]
    mounts = {each["name"]: each["mountPath"] for each in spec["containers"][0]["volumeMounts"]}
    rules = {"name": "rules", "configMap": {"name": scrape.RULES_CONFIG_MAP, "optional": True}}
    base = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    assert rules in spec["volumes"]
    assert base["rule_files"] == [f"{mounts['rules']}/*.yaml"]
    assert spec["serviceAccountName"] == scrape.ACCOUNT


def test_grafana_mounts_every_board_that_the_operator_writes() -> None:
    """A board that is not listed would never be seen."""
    volumes = {each["name"]: each for each in workloads()["grafana"]["spec"]["volumes"]}
    mounted = {source["configMap"]["name"] for source in volumes["boards"]["projected"]["sources"]}
    assert mounted == {f"trading-board-{board.uid}" for board in BOARDS}


def test_datasources_have_the_uids_that_boards_name() -> None:
    """Boards and links name datasources by uid."""
    found = yaml.safe_load((ROOT / "grafana" / "datasources.yaml").read_text())["datasources"]
    assert {each["uid"]: each["url"] for each in found} == {
        "prometheus": "http://prometheus:9090",
        "loki": "http://loki:3100",
        "alertmanager": "http://alertmanager:9093",
    }


def test_promtail_differs_from_the_collector_in_its_program_only() -> None:
    """Same files, same checkpoints, same rights; labels that keep the two DaemonSets apart, found by one Service."""
    ours, theirs = promtail(), next(each["spec"] for each in objects("log-agent") if each["kind"] == "DaemonSet")
    assert ours["selector"]["matchLabels"] == ours["template"]["metadata"]["labels"]
    assert ours["selector"] != theirs["selector"]
    for each in (ours, theirs):
        assert each["template"]["metadata"]["labels"]["app.kubernetes.io/name"] == "log-agent"
    differing = {"image", "args", "env", "ports"}
    pods = [copy.deepcopy(each["template"]["spec"]) for each in (ours, theirs)]
    for pod in pods:
        for key in differing:
            pod["containers"][0].pop(key, None)
    assert pods[0] == pods[1]


def promtail() -> Object:
    """The spec of the component's DaemonSet."""
    found: Object = yaml.safe_load((ROOT / "promtail" / "promtail.yaml").read_text())["spec"]
    return found


@pytest.mark.parametrize(
    ("name", "callers"),
    [
        ("prometheus", {"grafana", "trading-operator"}),
        ("alertmanager", {"prometheus", "grafana", "trading-operator"}),
        ("loki", {"log-agent", "prometheus", "grafana"}),
        ("grafana", {"prometheus", "trading-operator"}),
        ("log-agent", {"prometheus"}),
    ],
)
def test_policy_lets_in_whom_the_component_serves_and_nobody_else(name: str, callers: set[str]) -> None:
    """Prometheus's port can also reload and end it; only the operator comes from another namespace."""
    policy = policies()[name]
    assert policy["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": name}}
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (rule,) = policy["ingress"]
    peers = {each["podSelector"]["matchLabels"]["app.kubernetes.io/name"]: each for each in rule["from"]}
    assert set(peers) == callers
    for caller, peer in peers.items():
        namespace = peer.get("namespaceSelector", {}).get("matchLabels")
        away = {"kubernetes.io/metadata.name": "trading-operator-system"}
        assert namespace == (away if caller == "trading-operator" else None)
    assert [port["port"] for port in rule["ports"]] == ["metrics" if name == "log-agent" else SERVICES[name]]


def test_every_pod_with_a_network_of_its_own_has_a_policy() -> None:
    """One on the node's network has none: a policy would not hold for it."""
    own = {name for name, template in workloads().items() if not template["spec"].get("hostNetwork")}
    assert set(policies()) == own


def test_base_configurations_are_what_their_programs_accept() -> None:
    """Judged by the programs themselves, the rule files' folder being empty."""
    programs = image_programs.paths(default_cache(), ["promtool", "amtool"])
    commands = [
        [programs["promtool"], "check", "config", "--syntax-only", ROOT / "prometheus" / "prometheus.yml"],
        [programs["amtool"], "check-config", ROOT / "alertmanager" / "alertmanager.yml"],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_retention_is_a_plain_argument_and_below_the_volume() -> None:
    """Prometheus counts blocks only: a tenth of the volume stays for what it is writing."""
    arguments = {name: workloads()[name]["spec"]["containers"][0]["args"] for name in ("prometheus", "loki")}
    stateful = next(each["spec"] for each in objects("prometheus") if each["kind"] == "StatefulSet")
    volume = stateful["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
    size = next(each for each in arguments["prometheus"] if each.startswith("--storage.tsdb.retention.size="))
    assert int(size.partition("=")[2].removesuffix("GB")) <= int(volume.removesuffix("Gi")) * 9 / 10
    assert "--storage.tsdb.retention.time=15d" in arguments["prometheus"]
    assert "-store.retention=168h" in arguments["loki"]
