"""Why a workload is as it is, in sentences: its trouble, who drives it, what the operation waits for."""

from __future__ import annotations

from collections.abc import Sequence

from clients.serving.account import score
from clients.serving.differences import own_trouble
from clients.serving.operation import Operation
from clients.serving.phase import Phase, Trouble
from clients.serving.plain import plain
from clients.serving.workload import Driver, Group, RoleReplica, Workload
from tui.door import Asked, EtaView
from widgets.cells import duration, span
from widgets.words import counts, group_label, item_label

__all__ = ["why"]


def why(
    workload: Workload,
    *,
    now: float,
    group: str | None = None,
    replica: str | None = None,
    eta: EtaView | None = None,
    last: Operation | None = None,
    wrote: Asked | None = None,
    decided: Sequence[str] = (),
    figures: Sequence[str] = (),
    offer: str = "",
) -> str:
    """The page that ``w`` shows; about one group or role replica if they are named.

    ``last`` is the operation that ended last, ``wrote`` who asked for the present counts, by the audit log,
    ``decided`` what the drivers decide now, a sentence each, ``figures`` what its engines tell, a line each,
    ``offer`` that it may go.
    """
    name = plain(workload.key.name)
    ready = "–" if workload.ready is None else workload.ready
    wanted = "–" if workload.desired is None else workload.desired
    lines = [f"{name} is {workload.phase}: {ready} of {wanted} groups are ready.", ""]
    lines += [f"{offer}.", ""] if offer else []
    groups = [found for found in workload.groups if group is None or found.name == group]
    lines += _troubles(workload, groups, replica, now)
    lines += ["Who decides how many there are"]
    lines += [f"  {line}" for driver in workload.drivers for line in _driver(driver)]
    lines += [f"  Now: {plain(sentence, 400)}" for sentence in decided]
    if not workload.drivers:
        lines.append("  Nothing drives it: the number stays what somebody sets by hand.")
    if workload.owner:
        lines.append(
            f"  It belongs to {plain(str(workload.owner))}, which may write its own number over yours."
        )
    lines += [f"  {line}" for line in _writers(workload, wrote, now)]
    lines.append("")
    if workload.operation:
        lines += _running(workload.operation, now, eta)
    if last is not None and last.ended_at is not None:
        lines += _ended(last, last.ended_at, now)
    moving = any(found.phase is not Phase.RUNNING for found in groups)
    lines += _doing(groups if moving or replica else list(workload.groups), replica, now)
    if figures:
        lines += [
            "What its engines tell, and the metrics it is read from",
            *(f"  {line}" for line in figures),
            "",
        ]
    for warning in workload.warnings:
        lines.append(f"note: {plain(warning)}")
    return "\n".join(lines).rstrip()


def _troubles(workload: Workload, groups: list[Group], replica: str | None, now: float) -> list[str]:
    """Each reason and message once, with everything that it holds for."""
    places: dict[tuple[str, str, str], tuple[list[str], Trouble]] = {}
    for group in groups:
        parts = [part for role in group.roles for part in role.replicas if part.trouble]
        for part in parts:
            if part.trouble and replica in (None, part.id):
                _add(places, f"{group_label(group)} {plain(part.id)}", part.trouble)
        if group.trouble and not parts:
            _add(places, group_label(group), group.trouble)
    own = own_trouble(workload)
    if own is not None:
        _add(places, plain(workload.key.name), own)
    lines = [line for where, trouble in places.values() for line in _trouble(where, trouble, now)]
    return ["What is wrong", *lines, ""] if lines else ["Nothing is wrong that can be seen.", ""]


def _add(places: dict[tuple[str, str, str], tuple[list[str], Trouble]], where: str, trouble: Trouble) -> None:
    same = (trouble.kind, trouble.reason, trouble.message)
    places.setdefault(same, ([], trouble))[0].append(where)


def _trouble(where: list[str], trouble: Trouble, now: float) -> list[str]:
    since = "" if trouble.since is None else f" for {duration(max(0.0, now - trouble.since))}"
    verb = "is" if len(where) == 1 else "are"
    return [
        f"  {', '.join(where)} {verb} {trouble.kind}{since}: {plain(trouble.reason)}",
        f"      {plain(trouble.message, 400)}",
    ]


def _driver(driver: Driver) -> list[str]:
    bounds = ""
    if driver.minimum is not None or driver.maximum is not None:
        low = "–" if driver.minimum is None else driver.minimum
        high = "–" if driver.maximum is None else driver.maximum
        bounds = f", between {low} and {high}"
    what = f"role {plain(driver.role)}" if driver.role else "the groups"
    lines = [f"{plain(driver.kind)} {plain(driver.ref.name)} scales {what}{bounds}."]
    if driver.signal:
        looks = "Its next job:" if driver.kind == "CronHPA" else "It looks at"
        lines.append(f"    {looks} {plain(driver.signal)}.")
    if driver.reverts:
        when = "at once" if not driver.interval else f"within {duration(driver.interval)}"
        if driver.interval is None:
            when = "sooner or later"
        lines.append(f"    A number set by hand it takes back {when}.")
    if driver.note:
        lines.append(f"    {plain(driver.note)}")
    return lines


def _writers(workload: Workload, wrote: Asked | None, now: float) -> list[str]:
    """Who wrote the counts last: by the audit log, else by the fields' managers."""
    lines: list[str] = []
    if wrote is None or not wrote.last:
        number, roles = workload.replicas_manager, workload.roles_manager
        if number:
            lines.append(f"{plain(number)} wrote the number last.")
        if roles and roles != number:
            lines.append(f"{plain(roles)} wrote the roles last.")
    if wrote is not None:
        change = counts(wrote.before, wrote.after)
        ago = duration(max(0.0, now - wrote.at))
        said = "" if wrote.last else "By the audit log "
        lines.append(f"{said}{plain(wrote.by)} asked for {change} {ago} ago, from servegrid.")
    return lines


def _ended(operation: Operation, ended: float, now: float) -> list[str]:
    what = counts(operation.before, operation.after)
    took = duration(max(0.0, ended - operation.started_at))
    detail = f" ({plain(operation.detail)})" if operation.detail else ""
    return [
        "The last scale operation",
        f"  {what} by {plain(operation.by)}: {operation.outcome or 'ended'} after {took}{detail}, "
        f"{duration(max(0.0, now - ended))} ago.",
        f"  {score(operation)}",
        "",
    ]


def _running(operation: Operation, now: float, eta: EtaView | None) -> list[str]:
    what = counts(operation.before, operation.after)
    name = operation.key.name
    left = (
        f"about {span(eta.low, eta.high).lstrip('~')} to go" if eta else "no history to tell how long still"
    )
    lines = [
        "The running scale operation",
        f"  {what}, asked by {plain(operation.by)} {duration(max(0.0, now - operation.started_at))} ago: "
        f"{operation.done} of {operation.total} done, {left}.",
    ]
    if operation.reason:
        lines.append(f"  Because: {plain(operation.reason)}")
    waiting = [item for item in operation.affected if item not in operation.happened]
    if waiting:
        lines.append(f"  Not begun yet: {', '.join(item_label(item, name) for item in waiting[:20])}")
    return [*lines, ""]


def _doing(groups: list[Group], replica: str | None, now: float) -> list[str]:
    lines: list[str] = []
    for group in groups:
        if group.phase is Phase.RUNNING and replica is None:
            continue
        since = "" if group.since is None else f" for {duration(max(0.0, now - group.since))}"
        cause = f", because of a {group.cause}" if group.cause else ""
        lines.append(f"  {group_label(group)} is {group.phase}{since}{cause}.")
        for role in group.roles:
            for part in role.replicas:
                if (replica is None and part.phase is not Phase.RUNNING) or part.id == replica:
                    lines.append(f"      {_part(part)}")
    return ["What is going on", *lines, ""] if lines else []


def _part(part: RoleReplica) -> str:
    ready = sum(pod.ready for pod in part.pods)
    stage = f", {part.stage}" if part.stage else ""
    progress = "" if part.progress is None else f" {part.progress}%"
    nodes = ", ".join(dict.fromkeys(plain(pod.node) for pod in part.pods if pod.node)) or "no node"
    return f"{plain(part.id)} {part.phase}{stage}{progress}: {ready} of {part.need} pods ready, on {nodes}"
