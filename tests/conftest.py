"""The same surroundings for every test: those of whoever runs them are left outside.

Proxies, time zone, colours and contexts of a user would otherwise decide what is drawn and who is asked;
and a property is checked with the same examples every time, however long each takes
(``--hypothesis-profile=default`` looks for others).
"""

from __future__ import annotations

import os
import time

from hypothesis import HealthCheck, settings

_KEPT = {"HOME", "KUBEBUILDER_ASSETS", "LOGNAME", "PATH", "TMPDIR", "USER"}
_KEPT_FAMILIES = ("COV_", "COVERAGE_", "FAKETIME", "LD_", "PYTEST_", "PYTHON")
_SAME = {"LANG": "C.UTF-8", "TERM": "xterm-256color", "TZ": "UTC"}

for _name in set(os.environ) - _KEPT:
    if not _name.startswith(_KEPT_FAMILIES):
        del os.environ[_name]
os.environ.update(_SAME)
time.tzset()

# Textual reads its settings when it is imported, which is later than this.
settings.register_profile(
    "same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("same")
