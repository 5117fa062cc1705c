"""The command line: values go to standard output, everything else to standard error."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.cluster import base_images, engine, exported, image_programs, monitoring_images, process, programs, prune
from tests.cluster.errors import ClusterError
from tests.cluster.provider import Provider, from_environment

DESCRIPTION = """A real Kubernetes cluster for tests and demonstrations. Where a container registry answers it is plain
kind; where none does, the node image is built once from packages; --context uses a cluster that already exists."""


def up(provider: Provider, _: argparse.Namespace) -> None:
    """Make the cluster unless it is up, print its kubeconfig's path."""
    print(provider.up())


def down(provider: Provider, _: argparse.Namespace) -> None:
    """Delete the cluster; what was built stays in the cache."""
    provider.down()


def kubeconfig(provider: Provider, _: argparse.Namespace) -> None:
    """Print the path of the cluster's kubeconfig."""
    print(provider.kubeconfig)


def audit_log(provider: Provider, _: argparse.Namespace) -> None:
    """Print the path of the API server's audit log."""
    if not provider.audited:
        raise ClusterError("an existing context keeps its audit log to itself")
    print(provider.audit_log)


def load(provider: Provider, arguments: argparse.Namespace) -> None:
    """Put images on the cluster's node."""
    provider.load(arguments.images)


def images(provider: Provider, _: argparse.Namespace) -> None:
    """Build the base images where no registry answers, print their names."""
    print(exported.lines(base_images.ensure(provider.cache, engine.find(provider.cache))))


def images_of_monitoring(provider: Provider, _: argparse.Namespace) -> None:
    """Build the images of the monitoring stack where no registry answers, print their names."""
    for reference in monitoring_images.ensure(provider.cache, engine.find(provider.cache)).values():
        print(reference)


def build(provider: Provider, arguments: argparse.Namespace) -> None:
    """Build an image of our own from a Dockerfile."""
    tool = engine.find(provider.cache)
    command = tool.build_arguments(arguments.tag, arguments.dockerfile, arguments.folder, arguments.build_arg)
    log = provider.cache.logs / f"image-{arguments.tag.replace('/', '_')}.log"
    process.run(process.Job(f"image {arguments.tag}", command, log, 60, environment=tool.environment))


def env(provider: Provider, arguments: argparse.Namespace) -> None:
    """Print KEY=VALUE lines; groups named are built first, none named builds nothing."""
    print(exported.lines(exported.variables(provider, arguments.groups)))


def apiserver_binaries(provider: Provider, _: argparse.Namespace) -> None:
    """Build etcd, kube-apiserver and kubectl, print their paths."""
    for path in programs.paths(provider.cache, programs.API_SERVER_PROGRAMS).values():
        print(path)


def observer_programs(provider: Provider, arguments: argparse.Namespace) -> None:
    """Take programs out of the images that have them, print NAME=PATH lines in capitals."""
    found = image_programs.paths(provider.cache, arguments.names)
    print(exported.lines({name.upper(): str(path) for name, path in found.items()}))


def prune_cache(provider: Provider, _: argparse.Namespace) -> None:
    """Delete what no current version uses."""
    prune.prune(provider.cache)


COMMANDS = {
    "up": up,
    "down": down,
    "kubeconfig": kubeconfig,
    "audit-log": audit_log,
    "load": load,
    "images": images,
    "monitoring-images": images_of_monitoring,
    "build": build,
    "env": env,
    "apiserver-binaries": apiserver_binaries,
    "programs": observer_programs,
    "prune": prune_cache,
}


def parser() -> argparse.ArgumentParser:
    """Every command with its arguments."""
    top = argparse.ArgumentParser(prog="python3 -m tests.cluster", description=DESCRIPTION)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        summary = (function.__doc__ or "").splitlines()[0]
        command = commands.add_parser(name, help=summary, description=summary)
        command.add_argument("--name", default="", help="the cluster's name (CLUSTER_NAME)")
        command.add_argument("--context", default="", help="use this existing kube context (CLUSTER_CONTEXT)")
        _add_arguments(name, command)
    return top


def _add_arguments(name: str, command: argparse.ArgumentParser) -> None:
    if name == "load":
        command.add_argument("images", nargs="+", metavar="IMAGE")
    elif name == "env":
        command.add_argument("groups", nargs="*", metavar="GROUP", help=f"any of {', '.join(exported.GROUPS)}")
    elif name == "programs":
        command.add_argument("names", nargs="+", metavar="PROGRAM", choices=sorted(image_programs.PROGRAMS))
    elif name == "build":
        command.add_argument("tag")
        command.add_argument("dockerfile", type=Path)
        command.add_argument("folder", type=Path, metavar="context")
        command.add_argument("--build-arg", action="append", default=[], metavar="KEY=VALUE")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; what is missing or failed outside is a message and exit code 1."""
    parsed = parser().parse_args(arguments)
    try:
        COMMANDS[parsed.command](from_environment(parsed.name, parsed.context), parsed)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
