"""Go programs built once from the Go module proxy: `paths()` gives them from the cache, building what is missing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import process
from tests.cluster.cache import Cache, digest_of, digest_of_folder
from tests.cluster.errors import ClusterError

MODULES = Path(__file__).parent / "modules"
GO_MINIMUM = (1, 26)
STRIP = "-s -w"


@dataclass(frozen=True)
class Program:
    """One program: where its main package is, which requirement gives its version, how long it takes on two cores."""

    name: str
    module: str
    package: str
    requirement: str
    expected_seconds: float

    @property
    def folder(self) -> Path:
        """The Go module that pins it and everything it needs."""
        return MODULES / self.module

    @property
    def version(self) -> str:
        """Its version as the module's go.mod requires it, without the v."""
        return required_version((self.folder / "go.mod").read_text(), self.requirement)

    @property
    def key(self) -> str:
        """Changes with anything that changes the program."""
        digest = digest_of([digest_of_folder(self.folder).encode(), ldflags(self).encode()])
        return f"{self.name}-{self.version}-{digest}"


KUBERNETES = "k8s.io/kubernetes"
# Promtail is no part of Loki's releases after 3.5: two versions of one module.
LOKI = "github.com/grafana/loki/v3"


def _kubernetes(name: str, expected_seconds: float) -> Program:
    return Program(name, "kubernetes", f"{KUBERNETES}/cmd/{name}", KUBERNETES, expected_seconds)


PROGRAMS = {
    program.name: program
    for program in (
        Program("etcd", "etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3", 75),
        _kubernetes("kube-apiserver", 320),
        _kubernetes("kubectl", 40),
        Program("kind", "kind", "sigs.k8s.io/kind", "sigs.k8s.io/kind", 10),
        _kubernetes("kube-controller-manager", 95),
        _kubernetes("kube-scheduler", 10),
        _kubernetes("kubelet", 35),
        _kubernetes("kube-proxy", 10),
        _kubernetes("kubeadm", 20),
        Program("coredns", "coredns", ".", "github.com/coredns/coredns", 90),
        Program("pause", "pause", ".", "", 5),
        Program(
            "local-path-provisioner",
            "local-path-provisioner",
            "github.com/rancher/local-path-provisioner",
            "github.com/rancher/local-path-provisioner",
            60,
        ),
        Program("otelcol", "otelcol", ".", "go.opentelemetry.io/collector/otelcol", 105),
        Program("loki", "loki", f"{LOKI}/cmd/loki", LOKI, 300),
        Program("promtail", "promtail", f"{LOKI}/clients/cmd/promtail", LOKI, 240),
    )
}
API_SERVER_PROGRAMS = ("etcd", "kube-apiserver", "kubectl")


def required_version(go_mod: str, requirement: str) -> str:
    """The version of a requirement in a go.mod, or "1" for a program of our own."""
    if not requirement:
        return "1"
    found = re.search(rf"^\s*(?:require )?{re.escape(requirement)} v(\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise ClusterError(f"go.mod does not require {requirement}")
    return found.group(1)


def ldflags(program: Program) -> str:
    """Stripped, and for Kubernetes with the version that its programs compare with each other."""
    if program.module != "kubernetes":
        return STRIP
    major, minor, _ = program.version.split(".")
    base = "k8s.io/component-base/version"
    values = {"gitVersion": f"v{program.version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join([STRIP, *(f"-X {base}.{key}={value}" for key, value in values.items())])


def build_command(program: Program, target: Path) -> list[str]:
    """The command that builds one program inside its module's folder."""
    return ["go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", ldflags(program),
            "-o", str(target), program.package]  # fmt: skip


def go_is_new_enough(version: str) -> bool:
    """Whether what `go env GOVERSION` printed is recent enough."""
    found = re.match(r"go(\d+)\.(\d+)", version.strip())
    return found is not None and (int(found.group(1)), int(found.group(2))) >= GO_MINIMUM


def path_of(cache: Cache, name: str) -> Path:
    """Where a program is, or will be once built."""
    return cache.programs / PROGRAMS[name].key / name


def paths(cache: Cache, names: Iterable[str]) -> dict[str, Path]:
    """Every program's path, built first where the cache does not have it."""
    wanted = {name: path_of(cache, name) for name in names}
    if not all(path.exists() for path in wanted.values()):
        with cache.locked("programs"):
            _build([PROGRAMS[name] for name, path in wanted.items() if not path.exists()], cache)
    return wanted


def path_or_installed(cache: Cache, name: str) -> Path:
    """The cached program, else one that this machine has anyway, else a newly built one."""
    cached, installed = path_of(cache, name), shutil.which(name)
    if installed and not cached.exists():
        return Path(installed)
    return paths(cache, [name])[name]


def _go_problem(folder: Path) -> str:
    wanted = ".".join(map(str, GO_MINIMUM))
    try:
        version = process.output(["go", "env", "GOVERSION"], {"GOFLAGS": ""}, folder)
    except ClusterError as error:
        return f"Go {wanted} or newer is needed to build programs; install it from https://go.dev/dl/ ({error})"
    if go_is_new_enough(version):
        return ""
    return f"Go {wanted} or newer is needed to build programs; `go` here is {version.strip()}: see https://go.dev/dl/"


def _build(programs: list[Program], cache: Cache) -> None:
    if not programs:  # another run built them while this one waited
        return
    problem = _go_problem(programs[0].folder)
    if problem:
        raise ClusterError(problem)
    go_cache = cache.temporary / "go-build"
    go_cache.mkdir(parents=True, exist_ok=True)
    total = sum(program.expected_seconds for program in programs)
    process.say(f"building {len(programs)} programs, about {max(1, round(total / 60))} min on two idle cores, once")
    for program in programs:
        _build_one(program, cache, go_cache)
    shutil.rmtree(go_cache, ignore_errors=True)


def _build_one(program: Program, cache: Cache, go_cache: Path) -> None:
    final = cache.programs / program.key
    with cache.building(final) as folder:
        process.run(
            process.Job(
                title=f"{program.name} {program.version}",
                command=build_command(program, folder / program.name),
                log=cache.logs / f"{program.key}.log",
                expected_seconds=program.expected_seconds,
                folder=program.folder,
                environment={"GOCACHE": str(go_cache), "CGO_ENABLED": "0", "GOFLAGS": ""},
            )
        )
