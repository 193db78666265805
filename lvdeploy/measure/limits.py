"""How much a deploy may cost its users."""

from __future__ import annotations

from pydantic import Field

from lvdeploy.document import Duration, Settings


class Limits(Settings):
    """
    The disconnect budget; ``null`` switches a limit off.

    Numbers are the most that is allowed. ``reconnects_per_session`` holds for every single session.
    ``control``: state known to live only in memory must be lost, or the looking itself is wrong.
    """

    gap_p99: Duration | None = Field(default=5.0, gt=0)
    gap_max: Duration | None = Field(default=15.0, gt=0)
    reconnects_per_session: int | None = Field(default=1, ge=0)
    never_returned: int | None = Field(default=0, ge=0)
    state_lost: int | None = Field(default=0, ge=0)
    failed_requests: int | None = Field(default=0, ge=0)
    writes_lost: int | None = Field(default=0, ge=0)
    full_page_loads: int | None = Field(default=0, ge=0)
    transport_downgrades: int | None = Field(default=0, ge=0)
    forbidden_close_codes: tuple[int, ...] | None = (1000,)
    join_failures: int | None = Field(default=0, ge=0)
    crashes: int | None = Field(default=0, ge=0)
    expectations_unmet: int | None = Field(default=0, ge=0)
    scenarios_stuck: int | None = Field(default=0, ge=0)
    version_skew: int | None = Field(default=None, ge=0)
    generator_lag: Duration | None = Field(default=5.0, gt=0)
