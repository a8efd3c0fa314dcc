from __future__ import annotations

from pathlib import Path

from clients.embedded.scenarios.catalogue import make_cluster
from tui.cli import parser
from tui.settings import Settings
from tui.start import start_from


def demo_settings(tmp_path: Path) -> Settings:
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
    start = start_from(parser().parse_args(["demo"]), environ, demo_kubeconfig=tmp_path / "kubeconfig")
    assert start.state == tmp_path / "state"
    return start.settings


def test_the_demos_settings_name_what_its_controller_does(tmp_path: Path) -> None:
    settings = demo_settings(tmp_path)
    cluster = make_cluster("default", speed=0, start=1_800_000_000.0)
    documented = {home for home, flavour in cluster.kthena.flavours.items() if flavour.value == "documented"}
    assert documented
    for serving in cluster.store.list("modelservings.workload.serving.volcano.sh"):
        home = (serving["metadata"]["namespace"], serving["metadata"]["name"])
        assert settings.kthena_order(*home) == ("documented" if home in documented else None)
