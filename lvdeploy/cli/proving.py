"""Proofs: sessions that hold state on the version that serves cross to a new instance before any user does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from lvdeploy.cli.population import swarm_order
from lvdeploy.clock import Clock
from lvdeploy.config import Deployment
from lvdeploy.measure.proof import Proof
from lvdeploy.model import Slot, Verdict, Version
from lvdeploy.report.run import Proven
from lvdeploy.swarm.order import Crossing
from lvdeploy.swarm.swarm import Swarm

OPEN_WITHIN = 30.0
"""Seconds, beyond what the pace of joins needs, in which the proving sessions must hold state."""

GRACE = 1.0
"""Seconds after the first failed join in which others may fail too, and be counted."""

PERIOD = 0.1


class Prover:
    """Proves the instances of one run, one after the other; ``proofs`` keeps what was found."""

    def __init__(
        self, deployment: Deployment, *, state: Path, run: str, seed: int, origin: float, clock: Clock
    ) -> None:
        self._deployment = deployment
        self._directory = state / "runs"
        self._run = run
        self._seed = seed
        self._origin = origin
        self._clock = clock
        self.proofs: list[Proven] = []

    @property
    def clients(self) -> int:
        """How many cross to each instance: one for each scenario, two where one has a peer, unless the file says."""
        scenarios = [each.scenario for each in self._deployment.verify.scenarios]
        wanted = self._deployment.verify.prove.clients
        return wanted or len(scenarios) * (2 if any(each.peer is not None for each in scenarios) else 1)

    async def prove(
        self, slot: Slot, version: Version, *, token: str, opened_by: str | None, old: Version | None
    ) -> tuple[Verdict, ...]:
        """Open the sessions by one pin, let them cross by the other, throw them away, and judge."""
        limits = self._deployment.verify.prove
        proof = Proof(slot.name, version, old, self.clients)
        swarm = self._swarm(proof, token=token, opened_by=opened_by or token)
        try:
            await swarm.start()
            pace = self.clients / self._deployment.verify.joins
            await self._opened(swarm, proof, deadline=self._clock.now() + OPEN_WITHIN + pace)
            await self._crossed(proof, until=self._clock.now() + limits.within)
        except asyncio.CancelledError:
            # Nothing goes on knocking at the service, and nobody waits for its last words.
            await asyncio.shield(swarm.stop(patience=0.5))
            raise
        finally:
            await asyncio.shield(swarm.stop())
        verdicts = proof.judged(limits)
        self.proofs.append(Proven(slot.name, version, old, self.clients, verdicts))
        return verdicts

    def _swarm(self, proof: Proof, *, token: str, opened_by: str) -> Swarm:
        number = len(self.proofs) + 1
        # Another seed: the proving users are not the watching ones, and leave their state alone.
        order = swarm_order(
            self._deployment, clients=self.clients, seed=self._seed + number, origin=self._origin
        )
        order = replace(order, pin=opened_by, crossing=Crossing(token), shards=1)
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        record = self._directory / f"{self._run}.proof-{number}.observations.gz"
        return Swarm(order, record=record, clock=self._clock, listen=proof.take)

    async def _opened(self, swarm: Swarm, proof: Proof, *, deadline: float) -> None:
        """Wait until every session held state; those that are ready first cross first."""
        opened = asyncio.create_task(swarm.until_ready(deadline=deadline))
        try:
            while not opened.done() and not proof.failures:
                await self._clock.sleep(PERIOD)
            if opened.done():
                await opened
        finally:
            opened.cancel()

    async def _crossed(self, proof: Proof, *, until: float) -> None:
        while not proof.decided and self._clock.now() < until:
            await self._clock.sleep(PERIOD)
        if proof.failures:
            await self._clock.sleep(GRACE)
