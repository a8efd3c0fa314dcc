"""``servegrid load --in-cluster``: a Job is shown, confirmed, made, followed, and deleted if interrupted."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from argparse import Namespace
from contextlib import suppress

from msgspec.structs import replace

from clients.clock import Clock, SystemClock
from clients.kube.errors import ErrorKind, KubeError
from clients.kube.load_job import NAME, JobRun, LoadJob, missing_rights
from clients.kube.session import Session
from clients.load.lines import Second
from clients.load.plan import LoadPlan
from clients.load.plan_check import PlanError
from clients.load.pod_order import plan_for_pods
from clients.load.result import Result
from clients.load.run import LoadError
from clients.serving.guards import Confirmation
from clients.serving.plain import plain
from clients.serving.target import is_loopback
from tui.audit import AuditLog, AuditUnavailable, Author
from tui.exits import Exit, Stop
from tui.headless.job_audit import JobAudit
from tui.headless.load_lines import progress_line
from tui.headless.output import Output, escaped_json
from tui.settings import ContextMode
from tui.start import Start, login_name

__all__ = ["run_in_cluster"]


async def run_in_cluster(
    plan: LoadPlan, arguments: Namespace, start: Start, output: Output
) -> tuple[Result, bool]:
    """The result of all pods, and whether it was interrupted.

    Raises:
        Stop: it could not be begun, was not confirmed, or came to no result.
    """
    rules, clock = start.settings.load, SystemClock()
    if rules.image is None:
        raise Stop(Exit.USAGE, "load: --in-cluster needs the setting load.image: what its pods run")
    try:
        plan = plan_for_pods(plan, arguments.pods)
    except PlanError as error:
        raise Stop(Exit.USAGE, "\n".join(f"load: {line}" for line in str(error).splitlines())) from None
    if plan.seed is None:
        plan = replace(plan, seed=random.SystemRandom().getrandbits(32))
    session, namespace = await _open(start, clock)
    try:
        missing = await missing_rights(session, namespace)
        if missing:
            raise Stop(Exit.UNREACHABLE, "\n".join(f"load: {line}" for line in missing))
        job = LoadJob(
            name=f"{NAME}-{random.SystemRandom().getrandbits(32):08x}",
            namespace=namespace,
            image=rules.image,
            plan=plan,
            gather=rules.gather,
        )
        if is_loopback(plan.url):
            output.note("load: in a pod, that address is the pod's own")
        confirmed = await _confirm(job, session.context, arguments, start, output)
        await session.identify()
        audit = AuditLog.in_directories(start.state, start.runtime, clock)
        author = Author(login_name(), session.context, start.connect.as_user)
        writes = JobAudit(audit, author, session, job, confirmed)
        done = await _run(JobRun(job, session, clock, writes.recorded), output)
        if audit.problem is not None:
            output.note(f"load: {audit.problem}")
        return done
    except AuditUnavailable as error:
        raise Stop(Exit.STOPPED, f"load: {error}; without an audit log nothing is changed") from None
    except KubeError as error:
        refused = error.status is not None and error.kind is not ErrorKind.FORBIDDEN
        raise Stop(Exit.FAILED if refused else Exit.UNREACHABLE, f"load: {error.message}") from None
    except LoadError as error:
        raise Stop(Exit.FAILED, f"load: {error}") from None
    finally:
        await session.close()


async def _open(start: Start, clock: Clock) -> tuple[Session, str]:
    """The connection, and the namespace in which the Job is to run."""
    try:
        config = start.cluster(interactive=sys.stdin.isatty())
        if config is None:
            raise Stop(Exit.USAGE, "load: --in-cluster needs a cluster: there is no kubeconfig")
        session = await Session.open(config, clock)
    except KubeError as error:
        code = Exit.USAGE if error.kind is ErrorKind.CONFIG else Exit.UNREACHABLE
        raise Stop(code, error.message) from None
    if len(start.namespaces) > 1:
        raise Stop(Exit.USAGE, "load: a Job runs in one namespace")
    return session, next(iter(start.namespaces), config.namespace or "default")


async def _confirm(
    job: LoadJob, context: str | None, arguments: Namespace, start: Start, output: Output
) -> Confirmation:
    """Shows what would be made; how it was agreed to.

    Raises:
        Stop: neither a person nor ``--yes`` does.
    """
    where = f"{plain(job.namespace)} of {plain(context or 'this cluster')}"
    output.notes([escaped_json(job.manifest()), f"servegrid: load: this Job would run in {where}"])
    mode = start.mode(context)
    if mode is ContextMode.READ_ONLY:
        raise Stop(Exit.STOPPED, "load: the context is read-only; nothing was made")
    protected = mode is ContextMode.PROTECTED
    if arguments.yes and not protected:
        return Confirmation.OK
    answer = None
    if output.can_ask:
        word = plain(job.namespace)
        question = f"The context is protected. Type {word} to make it: " if protected else "Make it? [y/N] "
        answer = await output.ask(question)
    agreed = {job.namespace} if protected else {"y", "yes", "ok"}
    said = (answer or "").strip()
    if (said if protected else said.lower()) not in agreed:
        raise Stop(Exit.STOPPED, "load: not confirmed; nothing was made")
    return Confirmation.NAME if protected else Confirmation.OK


async def _run(run: JobRun, output: Output) -> tuple[Result, bool]:
    progress, due = Output(sys.stderr, sys.stderr), 0
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    name = f"Job {run.job.namespace}/{run.job.name}"
    try:
        async with run:
            output.note(
                f"load: {name} is made; its {run.job.plan.workers} pods begin in {run.job.gather:g} s"
            )
            stopping = asyncio.create_task(_stop(run, interrupted))
            try:
                async for record in run.records():
                    if isinstance(record, Second) and progress.terminal:
                        due += record.figures.scheduled
                        progress.progress(progress_line(run.job.plan, record, due))
            finally:
                progress.lines([])
                stopping.cancel()
                with suppress(asyncio.CancelledError):
                    await stopping
    except LoadError as error:
        if not interrupted.is_set():
            raise LoadError(f"{error}; {name} is deleted") from None
        raise Stop(Exit.INTERRUPTED, f"load: {name} is deleted; {error}") from None
    except (KubeError, AuditUnavailable) as error:
        if not run.made:
            raise
        code = Exit.UNREACHABLE if isinstance(error, KubeError) else Exit.STOPPED
        raise Stop(code, f"load: {error}; {name} may run until its deadline: look at it") from None
    if interrupted.is_set():
        output.note(f"load: {name} is deleted")
    assert run.result is not None
    return run.result, interrupted.is_set()


async def _stop(run: JobRun, interrupted: asyncio.Event) -> None:
    await interrupted.wait()
    await run.stop()
