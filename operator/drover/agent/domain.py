"""One Domain: gather what is ordered and what is there, decide, act, report."""

from dataclasses import dataclass, replace

import structlog

from drover.agent.domain_act import UNSUPPORTED_SECONDS, carry_out, lacks
from drover.agent.domain_see import observe
from drover.agent.node import Node
from drover.agent.probe import Target
from drover.agent.report import Reporter
from drover.agent.work import Work
from drover.api.kinds import DOMAIN, VIRTUALMACHINE
from drover.errors import Fatal, OperatorError, Refused, Retryable, Unavailable
from drover.kube.definitions import kinds_removed
from drover.metrics.agent import start_phase
from drover.planning import names
from drover.planning import record as records
from drover.planning.domain import decide
from drover.planning.domain_action import TakeTurn, concern
from drover.planning.domain_seen import Decision, Seen
from drover.planning.domain_status import Facts, describe, is_ready, trouble, unseen
from drover.planning.firewall import in_flight
from drover.state.guest import Guest
from drover.state.resource import Key

PATIENCE = 1.0
"""Seconds that something unsettled must last before it is told."""
UNSEEN_SECONDS = 40.0
"""The same of libvirt being away: it comes back within seconds when it is only restarted."""
LINE_PATIENCE = 5.0
"""The same of a start that waits for its turn: in a burst every machine does."""
log = structlog.stdlib.get_logger(__name__)
ROUNDS = 24
"""Rounds of steps in one reconcile: the longest way, from a stop to the next start, takes fewer."""
REST_SECONDS = 0.1
"""How soon to go on when they were not enough: a guest in flight may get many things at once."""
BACK_OFF_LIMIT = 60.0
"""The queue's, in seconds."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that ran into expected trouble."""

    error: OperatorError
    concern: str
    change: str
    """Path in the machine's spec of what it was to change of a guest in flight; all other steps wait for each other."""


@dataclass(frozen=True, slots=True)
class Round:
    """How the steps ended."""

    decision: Decision
    seen: Seen
    failures: tuple[Failure, ...] = ()

    @property
    def stuck(self) -> frozenset[str]:
        """What could not be changed."""
        return frozenset(each.change for each in self.failures)


class Domains:
    """Reconciles the Domains of this node."""

    def __init__(self, node: Node, reporter: Reporter) -> None:
        self._node = node
        self._reporter = reporter

    async def reconcile(self, key: Key) -> float | None:
        """Bring one guest in line with its Domain; give the seconds until it wants to be looked at again."""
        # Both at one instant: an order of the last view does not become the API server's by what is read meanwhile.
        current, order = self._node.orders.primed, self._node.orders.domain(key)
        if order is None:
            self._forget(key)
            return None
        work = Work(self._node, order, current)
        try:
            ended = await self._steps(work)
        except Unavailable as error:
            if not self._node.host.connected:
                error.delay = await self._unseen(work, "LibvirtUnavailable", str(error), UNSEEN_SECONDS)
            raise
        except Refused as error:
            await self._unseen(work, error.reason, str(error), 0.0)
            raise
        return await self._report(work, ended)

    async def _unseen(self, work: Work, reason: str, why: str, patience: float) -> float | None:
        """Say, once it has lasted, that nothing can be said of the guest; give the seconds until then."""
        if not work.current:
            return None
        status = unseen(work.order, reason, why, now=self._node.cluster.now())
        return await self._reporter.report(work.order, status, patience=patience)

    async def _steps(self, work: Work) -> Round:
        removed = await self._kinds_removed(work)
        ended: Round | None = None
        for _ in range(ROUNDS):
            seen = await observe(self._node, work.order, current=work.current, kinds_removed=removed)
            seen = replace(seen, stuck=ended.stuck if ended else frozenset())
            decision = decide(work.order, seen)
            ended = Round(decision, seen, ended.failures if ended else ())
            if not decision.actions:
                # Its turn may have come although it wants to start no more.
                self._node.gate.leave(work.order.meta.key)
                self._node.images.leave(work.order.meta.key)
                return ended
            failed = await _act(work, decision)
            ended = replace(ended, failures=(*ended.failures, failed)) if failed else ended
            if (failed and not failed.change) or work.released:
                return ended
        assert ended is not None
        log.warning("it does not come to rest", state=ended.decision.state, reason=ended.decision.reason)
        return replace(ended, decision=replace(ended.decision, again=REST_SECONDS))

    async def _kinds_removed(self, work: Work) -> bool:
        """Whether a deleted Domain goes only because its definition, or its machine's, does: that is no order."""
        meta = work.order.meta
        if not meta.deleting or names.FINALIZER_AGENT not in meta.finalizers:
            return False
        return await kinds_removed(self._node.cluster, DOMAIN, VIRTUALMACHINE)

    async def _report(self, work: Work, ended: Round) -> float | None:
        if work.released:
            return None
        wait: float | None = None
        facts = await self._facts(work, ended)
        if work.current:
            status = describe(work.order, ended.decision, facts)
            wait = await self._reporter.report(work.order, status, patience=_patience(ended))
        # Nobody tells when what the node lacks was installed.
        return _after(ended, _sooner(UNSUPPORTED_SECONDS, None, wait) if facts.lacks else wait)

    async def _facts(self, work: Work, ended: Round) -> Facts:
        guest = ended.seen.guest
        await work.look_at_volumes()
        self._probe(work, ended)
        facts = Facts(
            guest=guest,
            boot_id=self._node.identity.boot_id,
            now=ended.seen.now,
            volumes=work.volumes,
            troubles=[trouble(each.concern, each.error, each.change) for each in ended.failures],
            ready=self._node.prober.ready(work.order.meta.key),
            unready=self._node.prober.trouble(work.order.meta.key),
            lacks=await lacks(work, guest.record) if guest is not None else {},
        )
        # Who is being saved is not written to: libvirt would have that wait.
        busy = guest is None or self._node.chores.is_doing(guest.uuid)
        if guest is not None and not busy and is_ready(work.order, ended.decision, facts):
            return replace(facts, guest=await self._served(guest, ended.seen.ran_for))
        return facts

    def _probe(self, work: Work, ended: Round) -> None:
        order, guest = work.order, ended.seen.guest
        probe, key = order.spec.readiness_probe, order.meta.key
        if guest is None or probe is None or ended.decision.state != "Running":
            self._node.prober.forget(key)
            return
        # As it was started: what is ordered since is its guest's from the next start on.
        first = next(iter(in_flight(order.spec.interfaces, guest.record.live)), None)
        address = (first.ip or first.ipv6) if first else ""
        run = f"{guest.record.boot_id} {guest.record.last_start}"
        self._node.prober.watch(Target(key, guest.uuid, address, run, probe), ended.seen.ran_for)

    async def _served(self, guest: Guest, after: float) -> Guest:
        """Write down when the guest was ready for the first time since its start."""
        timeline = guest.record.timeline
        if timeline is not None and timeline.ready is not None:
            return guest
        record = records.served(guest.record, self._node.cluster.now())
        await self._node.host.write_record(guest.uuid, record)
        start_phase("serve", after)
        return replace(guest, record=record)

    def _forget(self, key: Key) -> None:
        self._node.prober.forget(key)
        self._node.gate.leave(key)
        self._node.images.leave(key)
        self._reporter.forget(key)


async def _act(work: Work, decision: Decision) -> Failure | None:
    """Carry out the steps until one of them runs into expected trouble; who entered the gate of starts leaves it."""
    queued = False
    try:
        for action in decision.actions:
            try:
                await carry_out(work, action)
            except OperatorError as error:
                queued = isinstance(action, TakeTurn)
                return Failure(error, concern(action), decision.change)
        return None
    finally:
        if not queued:
            work.node.gate.leave(work.order.meta.key)


def _patience(ended: Round) -> float:
    """Seconds that it must last before it is told: what settles at once, what passes when it takes its time."""
    if ended.failures and not ended.decision.untold:
        return LINE_PATIENCE if ended.failures[0].error.reason == "Queued" else PATIENCE
    return 0.0 if ended.decision.settled else PATIENCE


def _after(ended: Round, wait: float | None) -> float | None:
    """When to look again: what the decision, the report or the trouble wants first; trouble goes on to the queue."""
    due = min((each for each in (ended.decision.again, wait) if each is not None), default=None)
    if not ended.failures:
        return due
    failed = min((each.error for each in ended.failures), key=_rest)
    if isinstance(failed, Fatal) and due is not None:
        return due
    if isinstance(failed, Retryable) and due is not None:
        failed.delay = _sooner(failed.delay, ended.decision.again, wait)
    raise failed


def _rest(error: OperatorError) -> float:
    """Tell which of several is tried again first: after its own delay, after the queue's back-off, or never."""
    if not isinstance(error, Retryable):
        return BACK_OFF_LIMIT + 1
    return BACK_OFF_LIMIT if error.delay is None else error.delay


def _sooner(delay: float | None, again: float | None, wait: float | None) -> float | None:
    """The queue's own back-off begins early enough for a report, but might miss the moment of a decision."""
    if delay is None and again is None:
        return None
    return min(each for each in (delay, again, wait) if each is not None)
