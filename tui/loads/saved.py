"""Load tests that were written down: a list of them, and one as a whole. docs/load.md tells their files."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from clients.load.lines import Finished, Ready, Refused, Reply, Second, Started
from clients.load.plan import LoadPlan
from clients.load.result import Result
from clients.serving.keys import WorkloadKey
from clients.serving.plain import plain
from tui.loads.folder import RUN_VERSION, About, ClusterLine, MarkLine, SignalLine
from tui.loads.history import History

__all__ = ["RunError", "RunSummary", "SavedRun", "document", "read_run", "summaries"]

_LINE = msgspec.json.Decoder(
    About | ClusterLine | MarkLine | SignalLine | Ready | Started | Second | Finished | Reply | Refused
)
_ABOUT = msgspec.json.Decoder(About)
_PLAN = msgspec.json.Decoder(LoadPlan)
_RESULT = msgspec.json.Decoder(Result)
_LONGEST_FIRST_LINE = 16_384


class RunError(Exception):
    """A run that cannot be read; the text is one plain line that says which and why."""


class RunSummary(Struct, frozen=True):
    """What a list shows of a run."""

    path: Path
    context: str
    key: WorkloadKey
    user: str | None
    plan: LoadPlan
    result: Result | None
    """``None``: it did not come to its end, or still runs."""

    @property
    def began_at(self) -> float | None:
        """UTC seconds of the first request."""
        return None if self.result is None else self.result.started_at


class SavedRun(Struct, frozen=True):
    """A run as a whole."""

    path: Path
    context: str
    key: WorkloadKey
    user: str | None
    history: History
    began_at: float | None
    """UTC seconds of the first request; ``None``: none was due."""
    result: Result | None


def summaries(runs: Path) -> list[RunSummary]:
    """All runs of a directory, newest first, without what is no run or was written by a newer version."""
    try:
        folders = sorted((path for path in runs.iterdir() if path.is_dir()), reverse=True)
    except OSError:
        return []
    found: list[RunSummary] = []
    for folder in folders:
        try:
            found.append(_summary(folder))
        except RunError:
            continue
    return found


def _summary(folder: Path) -> RunSummary:
    try:
        with (folder / "records.jsonl").open("rb") as file:
            about = _ABOUT.decode(file.readline(_LONGEST_FIRST_LINE))
        plan = _PLAN.decode((folder / "plan.json").read_bytes())
        result = _result(folder)
    except (OSError, msgspec.MsgspecError) as error:
        raise _unreadable(folder, error) from None
    _check(folder, about)
    return RunSummary(folder, about.context, about.key, about.user, plan, result)


def read_run(folder: Path) -> SavedRun:
    """The run as far as it was written: a line that was cut short by a crash ends it.

    Raises:
        RunError: it cannot be read.
    """
    summary = _summary(folder)
    history = History(summary.plan)
    began_at = None
    try:
        lines = (folder / "records.jsonl").read_bytes().splitlines()
    except OSError as error:
        raise _unreadable(folder, error) from None
    for line in lines:
        try:
            told = _LINE.decode(line)
        except msgspec.MsgspecError:
            break
        match told:
            case Started():
                began_at = told.at
            case Second():
                history.add(told)
            case Finished():
                history.end()
            case ClusterLine():
                history.see(told.told)
            case SignalLine():
                history.signal_name = plain(told.name, 60)
            case MarkLine():
                history.mark(told.told)
    return SavedRun(folder, summary.context, summary.key, summary.user, history, began_at, summary.result)


def document(run: SavedRun) -> bytes:
    """The run as one JSON object: what its files hold, without the requests one by one."""
    history = run.history
    return msgspec.json.encode(
        {
            "v": RUN_VERSION,
            "context": run.context,
            "workload": run.key,
            "user": run.user,
            "plan": history.plan,
            "result": run.result,
            "seconds": history.seconds,
            "cluster": [history.cluster[at] for at in sorted(history.cluster)],
            "marks": history.marks,
        }
    )


def _result(folder: Path) -> Result | None:
    try:
        return _RESULT.decode((folder / "result.json").read_bytes())
    except FileNotFoundError:
        return None


def _check(folder: Path, about: About) -> None:
    if about.v > RUN_VERSION:
        raise RunError(plain(f"{folder.name}: written by a newer servegrid (version {about.v})"))


def _unreadable(folder: Path, error: Exception) -> RunError:
    why = error.strerror if isinstance(error, OSError) else str(error)
    return RunError(plain(f"{folder.name}: cannot be read: {why}", 300))
