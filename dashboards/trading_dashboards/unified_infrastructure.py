"""Row Infrastructure of the system board: containers, nodes, the Kubernetes API, the operator."""

from __future__ import annotations

from typing import Final

from trading_dashboards import foreign
from trading_dashboards.exporters import labelled
from trading_dashboards.model import Panel, Query, Row
from trading_dashboards.promql import WINDOW, select
from trading_dashboards.series import SERVICES
from trading_dashboards.variables import NAMESPACE


def _memory(metric: str) -> str:
    chosen = select(metric, container="!=", namespace=NAMESPACE)
    return f"max by (namespace, pod, container) ({chosen})"


#: A container without a limit has one of 0, of which nothing is a share.
_MEMORY_SHARE: Final = (
    f"{_memory('container_memory_working_set_bytes')} / ({_memory('container_spec_memory_limit_bytes')} > 0)"
)

INFRASTRUCTURE: Final = Row(
    400,
    "Infrastructure",
    (
        Panel(
            401, "CPU by namespace",
            "Cores used by containers.",
            "none",
            (Query(foreign.rate("container_cpu_usage_seconds_total", "namespace", container="!=",
                           namespace=NAMESPACE), labelled("namespace")),),
            sane=(0, 1024),
        ),
        Panel(
            402, "Memory against the limit",
            "Working set as a share of the container's limit. At 1 the kernel kills it, and its row in the log just"
            " ends.",
            "percentunit",
            (Query(_MEMORY_SHARE, "{{pod}} {{container}}"),),
            sane=(0, 1.1), steps=((0, "green"), (0.9, "red")),
        ),
        Panel(
            403, "Memory of workers",
            "Resident memory as each process of ours reports it. A slope that never ends is a leak.", "bytes",
            (
                Query(
                    "max by (namespace, service) "
                    f"({select('process_resident_memory_bytes', job=SERVICES, namespace=NAMESPACE)})",
                    "{{service}}", ".+",
                ),
            ),
        ),
        Panel(
            404, "Nodes: CPU in use",
            "Share of a node's cores that is not idle.",
            "percentunit",
            (
                Query(
                    "1 - avg by (node) "
                    f"(rate({select('node_cpu_seconds_total', mode='idle')}[{WINDOW}]))", labelled("node"),
                ),
            ),
            width=6, sane=(-0.1, 1), steps=((0, "green"), (0.9, "red")),
        ),
        Panel(
            405, "Nodes: memory available",
            "Share of a node's memory that programs could still have.",
            "percentunit",
            (
                Query(
                    f"max by (node) ({select('node_memory_MemAvailable_bytes')})"
                    f" / max by (node) ({select('node_memory_MemTotal_bytes')})",
                    labelled("node"),
                ),
            ),
            width=6, sane=(0, 1),
        ),
        Panel(
            406, "Nodes: disk available",
            "Share of the root file system that is free. The database and Prometheus stop when there is none.",
            "percentunit",
            (
                Query(
                    f"max by (node) ({select('node_filesystem_avail_bytes', mountpoint='/')})"
                    f" / max by (node) ({select('node_filesystem_size_bytes', mountpoint='/')})",
                    labelled("node"),
                ),
            ),
            width=6, sane=(0, 1),
        ),
        Panel(
            407, "API server: requests by code",
            "What the Kubernetes API answers; 429 and 5xx make everything late.", "reqps",
            (Query(foreign.rate("apiserver_request_total", "code"), labelled("code")),), width=6,
        ),
        Panel(
            408, "Operator: reconciles by result",
            "error: something the operator could not do; its log says what.", "ops",
            (Query(foreign.rate("controller_runtime_reconcile_total", "result"), labelled("result")),), width=12,
        ),
        Panel(
            409, "Operator: time of one reconcile, and waiting for it",
            "95 of 100 were faster.", "s",
            (
                Query(foreign.quantile(0.95, "controller_runtime_reconcile_time_seconds"), "reconcile"),
                Query(foreign.quantile(0.95, "workqueue_queue_duration_seconds"), "waiting"),
            ),
            width=12, sane=(0, 30),
        ),
    ),
)  # fmt: skip
