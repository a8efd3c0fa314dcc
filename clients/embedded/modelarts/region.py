"""The services of the demo's region: each shows something that an operator meets."""

from __future__ import annotations

from clients.embedded.modelarts.cloud import Cloud, Deployment, Service

__all__ = ["fill"]

_DAY = 86_400.0


def fill(cloud: Cloud) -> None:
    """One that runs, one in Alarm, one that is being deployed, one that failed, one frozen, one stopped."""
    cloud.add(
        Service(
            "chat",
            [
                Deployment("main", 3),
                Deployment(
                    "canary",
                    1,
                    hpa={
                        "id": "hpa-1",
                        "name": "office-hours",
                        "target_resource_type": "GROUP",
                        "min_replicas": 1,
                        "max_replicas": 4,
                        "status": "ACTIVE",
                        "hpa_rules": [
                            {
                                "name": "morning",
                                "type": "CRON_HPA",
                                "schedule": "0 8 * * 1-5",
                                "target_replicas": 2,
                                "disable": "false",
                                "status": "CONFIG_SUCCESS",
                            }
                        ],
                    },
                ),
            ],
            url="https://infer.example/v2/chat",
        ),
        age=40 * _DAY,
    )
    cloud.add(
        Service(
            "translate",
            [Deployment("main", 2, flavor="modelarts.demo.npu.4", status="CONCERNING", pool="pool-7f3a")],
            events=[("WARNING", "instance main-1: memory of an NPU is nearly used up")],
        ),
        age=12 * _DAY,
    )
    cloud.add(
        Service("embed", [Deployment("main", 4, status="DEPLOYING", running=1, pace=1200.0)]), age=600.0
    )
    cloud.add(
        Service(
            "rerank",
            [Deployment("main", 2, status="FAILED", running=0, flavor="modelarts.demo.gpu.8")],
            failure_reason="The resources of flavor modelarts.demo.gpu.8 are sold out.",
        ),
        age=3 * _DAY,
    )
    cloud.add(
        Service("vision", [Deployment("main", 1)], frozen=[{"scene": "ARREAR", "effect": 1}]), age=90 * _DAY
    )
    cloud.add(Service("batch", [Deployment("main", 2, status="STOPPED", running=0)]), age=20 * _DAY)
