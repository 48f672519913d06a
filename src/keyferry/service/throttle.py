"""How often an account may call a Region: a token bucket each."""

from __future__ import annotations

from keyferry.service.errors import ThrottledError

# Accounts come from the credentials file, so there are few; the bound is against surprises.
_MOST_BUCKETS = 100_000


class RequestThrottle:
    """
    Lets `rate` requests a second through per account and Region, in bursts of one second's worth.

    Times are seconds of any monotonic clock.
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._burst = max(1.0, rate or 0.0)
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}  # (tokens, as of)

    def check(self, account: str, region: str, *, now: float) -> None:
        """Count one request; ThrottledError if the account asks too often."""
        rate = self._rate
        if rate is None:
            return
        bucket = (account, region)
        if bucket not in self._buckets and len(self._buckets) >= _MOST_BUCKETS:
            self._buckets.clear()
        tokens, as_of = self._buckets.get(bucket, (self._burst, now))
        tokens = min(self._burst, tokens + max(0.0, now - as_of) * rate)
        if tokens < 1.0:
            self._buckets[bucket] = (tokens, now)
            raise ThrottledError("Rate exceeded")
        self._buckets[bucket] = (tokens - 1.0, now)
