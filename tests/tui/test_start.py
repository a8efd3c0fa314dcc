from __future__ import annotations

from pathlib import Path

from clients.embedded.scenarios.catalogue import make_cluster
from tui.cli import parser
from tui.cloud_credentials import exoscale_key
from tui.demo import demo_environment
from tui.settings import Settings
from tui.start import start_from


def demo_settings(tmp_path: Path) -> Settings:
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
    start = start_from(parser().parse_args(["demo"]), environ, demo_kubeconfig=tmp_path / "kubeconfig")
    assert start.state == tmp_path / "state"
    return start.settings


def test_the_demo_knows_no_clouds_but_its_own(tmp_path: Path) -> None:
    own = tmp_path / "servegrid/demo/config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('fps = 7\n[exoscale]\nzones = ["at-vie-1"]\n[modelarts]\nregions = ["cn-north-4"]\n')
    assert demo_settings(tmp_path).fps == 7
    assert not demo_settings(tmp_path).clouds

    fakes = tmp_path / "kubeconfig.clouds.toml"
    keys = tmp_path / "keys.toml"
    keys.write_text('EXOSCALE_API_KEY="its own"\nEXOSCALE_API_SECRET="too"\n')
    keys.chmod(0o600)
    fakes.write_text(f'[exoscale]\nzones = ["at-vie-2"]\ncredentials_file = "{keys}"\n')
    environ = {
        "XDG_CONFIG_HOME": str(tmp_path),
        "HOME": str(tmp_path),
        "EXOSCALE_API_KEY": "the user's",
        "EXOSCALE_API_SECRET": "the user's",
        "HUAWEICLOUD_SDK_AK": "the user's",
    }
    hidden = demo_environment(environ)
    assert set(hidden) == {"XDG_CONFIG_HOME", "HOME"}
    start = start_from(
        parser().parse_args(["demo"]), hidden, demo_kubeconfig=tmp_path / "kubeconfig", demo_clouds=fakes
    )
    assert start.settings.exoscale.zones == ("at-vie-2",)
    assert not start.settings.modelarts.regions
    assert exoscale_key(start.settings.exoscale, start.environ).key.reveal() == "its own"


def test_the_demos_settings_name_what_its_controller_does(tmp_path: Path) -> None:
    settings = demo_settings(tmp_path)
    cluster = make_cluster("default", speed=0, start=1_800_000_000.0)
    documented = {home for home, flavour in cluster.kthena.flavours.items() if flavour.value == "documented"}
    assert documented
    for serving in cluster.store.list("modelservings.workload.serving.volcano.sh"):
        home = (serving["metadata"]["namespace"], serving["metadata"]["name"])
        assert settings.kthena_order(*home) == ("documented" if home in documented else None)
