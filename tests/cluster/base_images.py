"""The images that our own are built on and beside: public ones, or the same from Debian packages where none answers.

The local ones mimic the official ones' paths, users and entrypoints, so that manifests differ by the name only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import registry, root_file_system
from tests.cluster.cache import Cache, digest_of
from tests.cluster.engine import Engine
from tests.cluster.root_file_system import RootFileSystem

FILES = Path(__file__).parent / "files" / "postgres"
POSTGRES_BIN = "/usr/lib/postgresql/15/bin"
POSTGRES_SHARE = "/usr/share/postgresql/15"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class BaseImage:
    """One image under its two names, and how the local one is made."""

    variable: str
    public: str
    local: str
    root: RootFileSystem
    changes: tuple[str, ...]

    @property
    def key(self) -> str:
        """Changes with anything that changes the local image."""
        return digest_of(part.encode() for part in (self.root.key, *self.changes))


PYTHON = BaseImage(
    variable="PYTHON_IMAGE",
    public="docker.io/library/python:3.11-slim",
    local="localhost/trading/python:3.11-bookworm",
    root=RootFileSystem(
        name="python",
        packages=("python3", "python3-pip", "python3-venv", "ca-certificates", "tini", "libgomp1", "netbase", "tzdata"),
        expected_seconds=30,
        after=(
            "ln -s /usr/bin/python3 $1/usr/local/bin/python3",
            "ln -s python3 $1/usr/local/bin/python",
            "ln -s /usr/bin/pip3 $1/usr/local/bin/pip",
            "ln -s pip $1/usr/local/bin/pip3",
            "rm -f $1/usr/lib/python3.11/EXTERNALLY-MANAGED",
        ),
    ),
    changes=(f"ENV PATH={PATH}", "ENV LANG=C.UTF-8", 'CMD ["python3"]'),
)
POSTGRES = BaseImage(
    variable="POSTGRES_IMAGE",
    public="docker.io/library/postgres:15",
    local="localhost/trading/postgres:15-bookworm",
    root=RootFileSystem(
        name="postgres",
        packages=("postgresql-15", "gosu", "ca-certificates", "tzdata"),
        expected_seconds=45,
        before=(
            "echo postgres:x:999: >> $1/etc/group",
            "echo postgres:x:999:999::/var/lib/postgresql:/bin/bash >> $1/etc/passwd",
        ),
        after=(
            "rm -rf $1/var/lib/postgresql/15 $1/etc/postgresql/15",
            "mkdir -p $1/docker-entrypoint-initdb.d $1/var/lib/postgresql/data $1/var/run/postgresql",
            "chown -R 999:999 $1/var/lib/postgresql $1/var/run/postgresql",
            "chmod 1777 $1/var/lib/postgresql/data",
            "chmod 3777 $1/var/run/postgresql",
            f"sed -i \"s/^#listen_addresses = .*/listen_addresses = '*'/\" $1{POSTGRES_SHARE}/postgresql.conf.sample",
        ),
        copies=((FILES / "docker-entrypoint.sh", "/usr/local/bin"),),
    ),
    changes=(
        f"ENV PATH={PATH}:{POSTGRES_BIN}",
        "ENV LANG=C.UTF-8",
        "ENV PG_MAJOR=15",
        "ENV PGDATA=/var/lib/postgresql/data",
        "VOLUME /var/lib/postgresql/data",
        'ENTRYPOINT ["docker-entrypoint.sh"]',
        "STOPSIGNAL SIGINT",
        "EXPOSE 5432",
        'CMD ["postgres"]',
    ),
)
NOBODY = "65534:65534"
# Debian 13: the Prometheus of Debian 12 was compiled without kubernetes_sd. The images share this one root file system.
OBSERVERS = RootFileSystem(
    name="observers",
    suite="trixie",
    packages=("prometheus", "promtool", "prometheus-alertmanager", "prometheus-node-exporter", "ca-certificates"),
    expected_seconds=60,
    after=(
        "mv $1/usr/bin/prometheus-alertmanager $1/usr/bin/alertmanager",
        "mv $1/usr/bin/prometheus-node-exporter $1/usr/bin/node_exporter",
        "mkdir -p $1/prometheus $1/alertmanager $1/etc/alertmanager",
        "mv $1/etc/prometheus/alertmanager.yml $1/etc/alertmanager/",
        f"chown {NOBODY} $1/prometheus $1/alertmanager",
    ),
)
PROMETHEUS = BaseImage(
    variable="PROMETHEUS_IMAGE",
    public="docker.io/prom/prometheus:v2.53.3",
    local="localhost/trading/prometheus:2.53-trixie",
    root=OBSERVERS,
    changes=(
        f"USER {NOBODY}",
        "WORKDIR /prometheus",
        "VOLUME /prometheus",
        "EXPOSE 9090",
        'ENTRYPOINT ["/bin/prometheus"]',
        'CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]',
    ),
)
ALERTMANAGER = BaseImage(
    variable="ALERTMANAGER_IMAGE",
    public="docker.io/prom/alertmanager:v0.28.1",
    local="localhost/trading/alertmanager:0.28-trixie",
    root=OBSERVERS,
    changes=(
        f"USER {NOBODY}",
        "WORKDIR /alertmanager",
        "VOLUME /alertmanager",
        "EXPOSE 9093",
        'ENTRYPOINT ["/bin/alertmanager"]',
        'CMD ["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"]',
    ),
)
NODE_EXPORTER = BaseImage(
    variable="NODE_EXPORTER_IMAGE",
    public="docker.io/prom/node-exporter:v1.9.0",
    local="localhost/trading/node-exporter:1.9-trixie",
    root=OBSERVERS,
    changes=(f"USER {NOBODY}", "EXPOSE 9100", 'ENTRYPOINT ["/bin/node_exporter"]'),
)
ALL = (PYTHON, POSTGRES, PROMETHEUS, ALERTMANAGER, NODE_EXPORTER)


def references() -> Mapping[str, str]:
    """Which names hold here, without building anything."""
    public = registry.usable()
    return {image.variable: image.public if public else image.local for image in ALL}


def ensure(cache: Cache, engine: Engine) -> Mapping[str, str]:
    """The names that hold here, each local image built unless the engine has it."""
    if not registry.usable():
        for root in dict.fromkeys(image.root for image in ALL):
            _ensure_local([image for image in ALL if image.root == root], cache, engine)
    return references()


def _ensure_local(images: Sequence[BaseImage], cache: Cache, engine: Engine) -> None:
    """Build the missing ones of some images that share a root file system, which is made once for all of them."""
    if all(engine.has(image.local, image.key) for image in images):
        return
    root = images[0].root
    with cache.locked(f"image-{root.name}"):
        missing = [image for image in images if not engine.has(image.local, image.key)]
        if missing:
            tar = cache.temporary / f"{root.name}.tar"
            root_file_system.build(root, tar, cache)
            for image in missing:
                engine.import_root(tar, image.local, image.key, image.changes)
            tar.unlink()
