#!/usr/bin/env python3
"""Judges recorded measurements by docs/verdicts-reference.md alone. It shares no code with src.

Reads verdict records (`cuj-gate evaluate NAME --record FILE`), one in each line, and answers each with one line of JSON:
what the verdict should be, with its numbers. Numbers are not rounded here.
"""

import json
import sys
from copy import copy
from datetime import datetime, timezone
from fractions import Fraction
from functools import cached_property
from math import floor, inf, log
from types import SimpleNamespace

from formulas import (
    capped,
    dispersion,
    least,
    least_from,
    log_evidence,
    log_evidence_at_rates,
    log_restartable,
    log_share,
    lower_bound_is_above,
    mixture,
    upper_bound,
    upper_bound_is_above,
    webster,
    with_restarts,
)

MINUTE_MS = 60_000
# "hold from 0.000001 below the number on"
BINARY_FRACTIONS = 1e-6
# Thresholds of small numbers that were seen, such as "more than 3": binary fractions must not decide there.
ROUNDING = 1e-9


def at_least(seen, number):
    return seen >= number - BINARY_FRACTIONS


class Side:
    """One side (canary or stable) of one endpoint, counted, by minute over all that was queried."""

    def __init__(self, series, count):
        def filled(name):
            return (series[name] + [0] * count)[:count]

        self.total = filled("total")
        self.bad = [b if b > BINARY_FRACTIONS else 0 for b in filled("bad")]
        self.unclassified = filled("unclassified") if "unclassified" in series else [0] * count
        self.missing = [0] * count
        if "withStatus" in series:
            self.missing = [
                t - s if t - s > BINARY_FRACTIONS else 0 for t, s in zip(self.total, filled("withStatus"))
            ]

    def with_unclassified_bad(self):
        other = copy(self)
        other.bad = [b + u for b, u in zip(self.bad, self.unclassified)]
        return other

    def without(self, minutes):
        other = copy(self)
        for name in ("total", "bad", "missing", "unclassified"):
            setattr(other, name, [0 if i in minutes else x for i, x in enumerate(getattr(self, name))])
        return other

    def sum(self, which, minutes):
        counts = getattr(self, which)
        return sum(counts[minutes.start : minutes.stop])

    def sum_over(self, which, minutes):
        counts = getattr(self, which)
        return sum(counts[i] for i in minutes)

    def capped_bad(self, minutes):
        """Late data can bring a bad event before its request."""
        return min(self.sum("bad", minutes), self.sum("total", minutes))


class Endpoint:
    def __init__(self, written, count):
        self.service = written["service"]
        self.resource = written["resource"]
        self.label = written["label"]
        self.latency_ms = written.get("latencyMs")
        self.rate = written["sampleRate"]
        self.dispersion = written["dispersion"]
        self.weight = written["sampleRate"] / self.dispersion
        self.canary = Side(written["canary"], count)
        self.stable = Side(written["stable"], count)
        # By recent bucket, where they are known so.
        self.recent_bad = written.get("recentBad")
        # They may have happened so much before their buckets begin.
        self.late = written.get("recentLateMs", 0)

    def silenced(self):
        """As if neither side had a request here."""
        other = copy(self)
        nothing = [0] * len(self.canary.total)
        other.canary = other.stable = Side({"total": nothing, "bad": nothing}, len(nothing))
        if self.recent_bad is not None:
            other.recent_bad = [0] * len(self.recent_bad)
        return other

    def without(self, minutes, recent):
        """As if the canary had no request in these minutes."""
        other = copy(self)
        other.canary = self.canary.without(minutes)
        if recent is not None and self.recent_bad is not None:
            other.recent_bad = [
                0 if recent.begin(i) // MINUTE_MS in minutes else bad for i, bad in enumerate(self.recent_bad)
            ]
        return other

    def with_unclassified_bad(self, side):
        other = copy(self)
        setattr(other, side, getattr(self, side).with_unclassified_bad())
        return other

    def canary_minutes(self, q):
        return [(self.canary.total[i], self.canary.bad[i]) for i in q.window]

    @property
    def order(self):
        return [name.encode("utf-16-be") for name in (self.resource, self.service, self.label)]


class Recent:
    """Where the recent buckets are; all times are ms after the begin of the measurement."""

    def __init__(self, written):
        self.step = written["stepMs"]
        self.first_minute = written["firstMinute"]

    def begin(self, index):
        return self.first_minute * MINUTE_MS + index * self.step


class Question:
    """A record, read."""

    def __init__(self, record):
        cuj, options, measurement = record["cuj"], record["options"], record["measurement"]
        gate = cuj["gate"]
        self.mode = cuj["mode"]
        self.rule = options["budgetRule"]["rule"] if "budgetRule" in options else gate["rule"]
        self.alpha = gate["falseAbort"]
        self.burn = gate["ruleOutBurn"]
        self.min_requests = gate["minRequests"]
        self.pass_on_unreached = gate.get("onUnreached", "pass") == "pass"
        self.pass_after_ms = gate.get("passAfterMs")
        self.rules_out = gate.get("rulesOutRate")
        self.pass_on_low = gate["onLowTraffic"] == "pass"
        self.gap = max(1, -(-gate["restartGapMs"] // MINUTE_MS))
        self.max_window = -(-gate["maxWindowMs"] // MINUTE_MS)
        self.from_ms, self.to_ms = measurement["fromMs"], measurement["toMs"]
        self.length_ms = self.to_ms - self.from_ms
        # The newest minute may not be complete.
        count = -(-self.length_ms // MINUTE_MS)
        self.complete = self.length_ms // MINUTE_MS
        self.queried = range(count)
        self.recent = Recent(measurement["recent"]) if "recent" in measurement else None
        self.min_fault_ms = gate.get("minFaultMs", 30_000)
        self.warm_up_ms = gate.get("warmUpMs", {})
        self.incomplete_ms = measurement.get("incompleteMs", 0)
        self.since_ms = measurement.get("sinceMs")
        self.span = measurement.get("windowMs", gate["window"])
        self.whole = {
            side: (list(hits) + [0] * count)[:count] for side, hits in measurement["whole"].items()
        }
        self.stable_has_selector = "unmatched" in self.whole
        self.lag_ms = gate["lagMs"]
        self.source_traffic = measurement.get("sourceTraffic", [])
        self.clock_skew_ms = measurement.get("clockSkewMs", 0)
        self.slis = []
        for name in ("availability", "latency"):
            if name in measurement:
                endpoints = sorted((Endpoint(e, count) for e in measurement[name]), key=lambda e: e.order)
                self.slis.append((name, endpoints, cuj["objectives"][name]))
        self.sli_count = options.get("sliCount", len(self.slis))
        self.left_out = 0
        self.stable_of_services = measurement.get("stableOfServices")
        # Of an SLI: the minutes of an incident of the services, and those before the window that are beyond doubt.
        self.incident = None
        self.unusual = set()
        # A newest minute that is not complete is not silent yet.
        silent_at_end = self.complete < count and self.whole["canary"][self.complete] <= 0
        self.searched = range(self.complete) if silent_at_end else self.queried
        self.window, self.window_start = find_window(self)
        self.rollout_window = self.window
        self.warm_up_minutes = None

    def after_warm_up(self, name):
        """The same question of an SLI, without the canary's warm-up."""
        warm_up = self.warm_up_ms.get(name)
        if warm_up is None:
            return self
        hits = [i for i in self.queried if self.whole["canary"][i] > 0]
        begin = 0
        if self.window_start == "since":
            begin = self.window.start
        elif hits:
            begin = rollout_begin(self, hits)
        begin = next((i for i in hits if i >= begin), None)
        if begin is None or begin == 0:
            return self
        first = min(self.window.stop, max(self.window.start, begin + -(-warm_up // MINUTE_MS)))
        if first == self.window.start:
            return self
        other = copy(self)
        other.window = range(first, self.window.stop)
        other.warm_up_minutes = first - max(self.window.start, begin)
        return other

    @property
    def usual(self):
        return [i for i in self.queried if i not in self.unusual]

    def hits(self, side, minutes):
        return sum(self.whole[side][minutes.start : minutes.stop])

    @cached_property
    def indistinguishable(self):
        """When canary and stable cannot be told apart."""
        canary, stable = self.hits("canary", self.queried), self.hits("stable", self.queried)
        if "overlapping" in self.whole and self.hits("overlapping", self.queried) * 20 > canary:
            return True
        hits = [i for i in self.queried if self.whole["canary"][i] > 0]
        if not hits or hits[0] >= self.gap:
            return False
        if stable * 100 <= canary:
            return True
        ends = hits + [len(self.searched)]
        if any(ends_attempt(self, after - before - 1) for before, after in zip(ends, ends[1:])):
            return False
        came = next(i for i in self.queried if self.whole["stable"][i] > 0)
        if came < self.gap:
            return False
        if self.since_ms is not None and came < (self.since_ms - self.from_ms) // MINUTE_MS - 1:
            return False
        least_rate = min(e.rate for _, endpoints, _ in self.slis for e in endpoints)
        if self.hits("canary", range(came)) * least_rate < 100 - ROUNDING:
            return False
        after = range(came, len(self.queried))
        return self.hits("canary", after) >= self.hits("stable", after)


def ends_attempt(q, silent):
    first = next(i for i in q.queried if q.whole["canary"][i] > 0)
    rate = min(e.rate for _, endpoints, _ in q.slis for e in endpoints)
    return silent >= q.gap and silent * (q.hits("canary", q.queried) * rate) / (len(q.searched) - first) >= 7


def attempts_of(q, hits):
    return [hits[0]] + [after for before, after in zip(hits, hits[1:]) if ends_attempt(q, after - before - 1)]


def rollout_begin(q, hits):
    """The first minute of the rollout by its hits; the end where it is over."""
    if ends_attempt(q, len(q.searched) - 1 - hits[-1]):
        return len(q.queried)
    attempts = attempts_of(q, hits)
    return attempts[0] if len(attempts) >= 3 else attempts[-1]


def is_whole_rollout(q):
    """Condition 1 of a limited pass, without `passAfter`."""
    hits = [i for i in q.queried if q.whole["canary"][i] > 0]
    is_cut = (
        q.window_start == "since"
        and bool(hits)
        and not ends_attempt(q, len(q.searched) - 1 - hits[-1])
        and attempts_of(q, hits)[-1] < q.rollout_window.start - 1
    )
    return q.span == "rollout" and not is_cut


def is_restarting(q):
    hits = [i for i in q.queried if q.whole["canary"][i] > 0]
    return q.since_ms is None and bool(hits) and len(attempts_of(q, hits)) >= 3


def find_window(q):
    end = len(q.queried)
    if q.span != "rollout":
        begin, start = q.complete - -(-q.span // MINUTE_MS), "fixed"
    else:
        begin, start = q.complete - q.max_window, "max_window"
        hits = [i for i in q.queried if q.whole["canary"][i] > 0]
        if q.since_ms is None and hits:
            first = rollout_begin(q, hits)
            if first == end:
                begin, start = end, "after_gap"
            else:
                if first > max(0, begin):
                    begin, start = first, "after_gap" if first > hits[0] else "first_hit"
    begin = max(0, begin)
    if q.since_ms is not None:
        since = -((q.from_ms - q.since_ms) // MINUTE_MS)
        if since >= begin:
            begin, start = since, "since"
    return range(min(begin, end), end), start


def silence_of(q):
    for name, _, _ in q.slis:
        warm = q.after_warm_up(name)
        if warm.warm_up_minutes is not None and len(warm.window) == 0:
            return "warming_up"
    if q.hits("canary", q.window) > 0:
        return "cuj_not_reached"
    if q.window_start == "since" and len(q.window) == 0:
        return "too_early"
    if q.hits("canary", q.queried) > 0:
        return "canary_stopped"
    if q.stable_has_selector and neither_lately(q) > 0:
        return "unknown_tag"
    if q.hits("stable", q.queried) == 0:
        return "service_silent"
    return "canary_idle" if q.stable_has_selector else "no_canary_traffic"


def neither_lately(q):
    return q.hits("unmatched", q.queried[-3:])


def stale_data(q):
    """When the data has stopped: whose it is, and how old the newest; else None."""
    services, newest = {}, None
    begun = q.length_ms - q.complete * MINUTE_MS
    for call in q.source_traffic:
        hits = call["hits"]
        if begun > 0 and hits and hits[-1] <= 0:
            hits = hits[:-1]
        after = next((k for k, x in enumerate(reversed(hits)) if x > 0), None)
        if after is None or after == 0:
            continue
        at = len(hits) - 1 - after
        before = hits[max(0, at - 10) : at]
        busy = sum(1 for x in before if x > 0)
        chance = Fraction(1)
        for i in range(1, after + 1):
            chance *= Fraction(len(before) - busy + i, len(before) + i)
        if chance <= Fraction(1, 1000):
            services.update(dict.fromkeys(call["services"]))
            end = q.to_ms - after * MINUTE_MS - begun
            newest = end if newest is None else min(newest, end)
    if newest is None:
        return None
    return {
        "services": list(services),
        "newest": time_of(newest),
        "ageSeconds": (q.to_ms + q.incomplete_ms + q.lag_ms - newest) / 1000,
    }


# ---------------------------------------------------------------------------------------------------------------------


class Sli:
    """One SLI over some endpoints: its counts, and what the formulas make of them."""

    def __init__(self, q, name, endpoints, objective):
        self.q = q
        # With the endpoints whose threshold is unmet, where this is the rest without them.
        self.whole = self
        self.name = name
        self.endpoints = endpoints
        self.objective = objective
        self.p0 = objective["budget"]
        self.budget_per_100k = objective["budgetPer100k"]
        self.log_to_fail = log(q.sli_count / q.alpha)
        self.log_single_out = log(1 / q.alpha)
        window = q.window
        self.counted = [(e.canary.sum("total", window), e.canary.capped_bad(window)) for e in endpoints]
        self.total = sum(n for n, _ in self.counted)
        self.bad = sum(b for _, b in self.counted)
        self.seen = sum(n * e.rate for (n, _), e in zip(self.counted, endpoints))
        self.seen_bad = sum(b * e.rate for (_, b), e in zip(self.counted, endpoints))
        self.weighed = [(n * e.weight, b * e.weight) for (n, b), e in zip(self.counted, endpoints)]
        self.n = sum(n for n, _ in self.weighed)
        self.e = sum(b for _, b in self.weighed)
        self.stable_counted = [(e.stable.sum("total", q.queried), e.stable.capped_bad(q.queried)) for e in endpoints]
        by_service = {}
        for e in endpoints:
            by_service.setdefault(e.service, []).append(e)
        self.services = list(by_service.values())

    # Evidence

    @cached_property
    def allowed(self):
        return [self.allowed_to(i) for i in range(len(self.endpoints))]

    def allowed_to(self, index):
        e = self.endpoints[index]
        n, bad = self.usual_counted(e)

        def fails(total, failed):
            return at_least(failed * e.rate, 2) and lower_bound_is_above(total * e.weight, failed * e.weight, self.p0)

        if not fails(n, bad):
            return self.p0
        here_n, here_bad = e.stable.sum("total", self.q.window), e.stable.capped_bad(self.q.window)
        if here_n <= 0 and self.is_gone(e):
            return self.p0
        weighed = [x * e.weight for x in (n, bad, here_n, here_bad)]
        if is_over(*weighed):
            if not fails(here_n, here_bad):
                return self.p0
            return max(self.p0, upper_bound(weighed[2], weighed[3]))
        return max(self.p0, upper_bound(weighed[0], weighed[1]))

    def usual_counted(self, endpoint):
        n = endpoint.stable.sum_over("total", self.q.usual)
        return n, min(n, endpoint.stable.sum_over("bad", self.q.usual))

    def is_gone(self, endpoint):
        exponent = 0.0
        for i in self.q.window:
            hits, stable = self.q.whole["canary"][i], self.q.whole["stable"][i]
            if endpoint.canary.total[i] > 0 and hits > 0:
                exponent += endpoint.canary.total[i] * log(hits / (hits + stable))
        return endpoint.weight * exponent <= log(1 / 1000)

    def log_evidence_of(self, weighed, log_pool=None, log_each=None):
        """With the least that evidence that can start again is worth, unless it is given."""
        waiting = 1 - self.minute_weight * len(self.q.window)
        least = log(waiting) if waiting > 0 else -inf
        n, e = sum(n for n, _ in weighed), sum(e for _, e in weighed)
        late = [least] * len(weighed) if log_each is None else log_each
        alone = [
            with_restarts(log_evidence(n_i, e_i, p_i), late_i)
            for (n_i, e_i), p_i, late_i in zip(weighed, self.allowed, late)
        ]
        pool = with_restarts(log_evidence(n, e, self.p0), least if log_pool is None else log_pool)
        return mixture([(0.5, pool)] + [(0.5 / len(alone), x) for x in alone])

    @property
    def minute_weight(self):
        return 1 / max(self.q.max_window + 1, len(self.q.window))

    @cached_property
    def log_late(self):
        """Evidence that can start again, of each endpoint."""
        return [
            log_restartable([(n * e.weight, b * e.weight) for n, b in e.canary_minutes(self.q)], p, self.minute_weight)
            for e, p in zip(self.endpoints, self.allowed)
        ]

    @cached_property
    def log_alone(self):
        return [
            with_restarts(log_evidence(n, e, p), late)
            for (n, e), p, late in zip(self.weighed, self.allowed, self.log_late)
        ]

    @cached_property
    def log_e(self):
        if sum(n for n, _ in self.weighed) <= 0:
            return 0.0
        log_pool = log_restartable(self.minutes, self.p0, self.minute_weight)
        return self.log_evidence_of(self.weighed, log_pool, self.log_late)

    @cached_property
    def minutes(self):
        """Weighed requests and bad events of all endpoints together, by minute of the window."""
        return [
            tuple(sum(count[i] * e.weight for count, e in zip(counts, self.endpoints)) for i in (0, 1))
            for counts in zip(*(e.canary_minutes(self.q) for e in self.endpoints))
        ]

    # Short intervals

    @cached_property
    def reach(self):
        """How much later than the earliest end of its buckets the latest of them may begin, in a short interval."""
        shortest = MINUTE_MS if self.q.recent is None else self.q.recent.step
        return 0 if shortest >= 2 * self.q.min_fault_ms else self.q.min_fault_ms

    def buckets(self):
        """(endpoint, minute, begin, end, bad) of each bucket of the window with a bad event."""
        recent, window = self.q.recent, self.q.window
        for index, e in enumerate(self.endpoints):
            is_recent = recent is not None and e.recent_bad is not None
            for i in window:
                if e.canary.bad[i] > 0 and not (is_recent and i >= recent.first_minute):
                    yield (index, i, i * MINUTE_MS, (i + 1) * MINUTE_MS, e.canary.bad[i])
            if is_recent:
                for at, bad in enumerate(e.recent_bad):
                    begin = recent.begin(at)
                    if bad > BINARY_FRACTIONS and begin // MINUTE_MS in window:
                        yield (index, begin // MINUTE_MS, begin - e.late, begin + recent.step, bad)

    @cached_property
    def log_sustained(self):
        """The least evidence without the bad events of one short interval."""
        buckets = list(self.buckets())
        found = []
        for earliest in sorted({end for _, _, _, end, _ in buckets}):
            touched = [b for b in buckets if b[3] >= earliest and b[2] - earliest < self.reach]
            if self.reach == 0:
                touched = [b for b in buckets if b[3] >= earliest > b[2]]
            found.append(self.log_without(touched))
        # Unclassified requests that are taken for bad lie in no bucket.
        return min(found, default=inf)

    def log_without(self, touched):
        if self.q.rule == "baseline":
            taken = {}
            for index, minute, _, _, bad in touched:
                e = self.endpoints[index]
                taken[e.service, minute] = taken.get((e.service, minute), 0) + bad * e.weight
            cells = [
                (n_c, n_s, e_c - taken.get((members[0].service, minute), 0), e_s)
                for members, service in self.compared
                for minute, n_c, n_s, e_c, e_s in service
            ]
            return log_share([c for c in cells if c[0] > 0 and c[1] > 0])
        left = [b for _, b in self.counted]
        out_of = [dict.fromkeys(self.q.window, 0) for _ in self.endpoints]
        for index, minute, _, _, bad in touched:
            left[index] -= bad
            out_of[index][minute] += bad
        log_late = list(self.log_late)
        for index in {index for index, *_ in touched}:
            e = self.endpoints[index]
            minutes = [
                (n * e.weight, max(0, min(b, n) - out) * e.weight)
                for (n, b), out in zip(e.canary_minutes(self.q), out_of[index].values())
            ]
            log_late[index] = log_restartable(minutes, self.allowed[index], self.minute_weight, shortcut=False)
        minutes = [
            (n, max(0, min(b, n) - sum(out[i] * e.weight for out, e in zip(out_of, self.endpoints))))
            for i, (n, b) in zip(self.q.window, self.minutes)
        ]
        return self.log_evidence_of(
            [(n, max(0, b) * e.weight) for (n, _), b, e in zip(self.weighed, left, self.endpoints)],
            log_restartable(minutes, self.p0, self.minute_weight, shortcut=False),
            log_late,
        )

    def span_of(self, index):
        """The end of the first bucket and the begin of the last one in which the canary has requests on an endpoint."""
        e, recent = self.endpoints[index], self.q.recent
        live = [i for i in self.q.window if e.canary.total[i] > 0]

        def in_minute(minute):
            """(begin, end) of the buckets of a minute, as far as the measurement goes."""
            begin = minute * MINUTE_MS
            if recent is None or e.recent_bad is None or minute < recent.first_minute:
                return [(begin, begin + MINUTE_MS)]
            grid = range(begin, begin + MINUTE_MS, recent.step)
            return [(at - e.late, at + recent.step) for at in grid if at < self.q.length_ms]

        return in_minute(live[0])[0][1], in_minute(live[-1])[-1][0]

    def can_outlast(self, hit):
        if any(self.counted[i][0] <= 0 for i in hit):
            return False
        spans = [self.span_of(i) for i in hit]
        return max(begin for _, begin in spans) - min(end for end, _ in spans) >= self.reach

    @cached_property
    def log_stable(self):
        """Stable's own evidence."""
        queried, window = self.q.queried, self.q.window
        present = [e for e in self.endpoints if self.usual_counted(e)[0] > 0]
        if not present:
            return 0.0

        def usual(span):
            return [i for i in span if i not in self.q.unusual]

        def own(e, span):
            n = e.stable.sum_over("total", usual(span))
            return n * e.weight, min(n, e.stable.sum_over("bad", usual(span))) * e.weight

        def counts(span):
            both = [own(e, span) for e in self.endpoints]
            return sum(n for n, _ in both), sum(bad for _, bad in both)

        def newest(span):
            return (
                sum(e.stable.sum_over("total", usual(span)) * e.weight for e in self.endpoints),
                sum(e.stable.sum_over("bad", usual(span)) * e.weight for e in self.endpoints),
            )

        def over(span):
            parts = [(0.25, log_evidence(*counts(span), self.p0))]
            for e in present:
                parts.append((0.25 / len(present), log_evidence(*own(e, span), self.p0)))
            for power in range(7):
                parts.append((0.5 / 7, log_evidence(*newest(span[-(2**power) :]), self.p0)))
            return mixture(parts)

        whole = over(queried)
        if whole >= self.log_single_out and is_over(*counts(queried), *counts(window)):
            return over(window)
        return whole

    # The share test

    def cells(self, endpoints, which):
        """(minute, n_c, n_s, e_c, e_s), weighed, of one service's endpoints by minute of the window."""
        for i in self.q.window:
            yield (
                i,
                sum(e.canary.total[i] * e.weight for e in endpoints),
                sum(e.stable.total[i] * e.weight for e in endpoints),
                sum(getattr(e.canary, which)[i] * e.weight for e in endpoints),
                sum(getattr(e.stable, which)[i] * e.weight for e in endpoints),
            )

    @cached_property
    def compared(self):
        """The compared minutes of `baseline`, by service: (members, cells)."""
        return [
            (members, [c for c in self.cells(members, "bad") if c[1] > 0 and c[2] > 0.01 * c[1]])
            for members in self.services
        ]

    @cached_property
    def log_shared(self):
        if self.q.rule == "baseline":
            cells = [c for _, service in self.compared for c in service]
        else:
            cells = [c for members in self.services for c in self.cells(members, "bad")]
        return log_share([c[1:] for c in cells if c[1] > 0 and c[2] > 0])

    @cached_property
    def stable_is_beside_failures(self):
        canary = stable = 0.0
        for members in self.services:
            for _, n_c, n_s, e_c, _ in self.cells(members, "bad"):
                if e_c > 0:
                    canary += n_c
                    stable += n_s
        return stable > 0.01 * canary

    # Requests without a status

    @cached_property
    def blind(self):
        """The endpoint to name where the canary is blind, else None."""
        window = self.q.window
        missing = [e.canary.sum("missing", window) for e in self.endpoints]
        total = sum(missing)
        if total <= 0:
            return None
        first_way = [
            i
            for i, (n, _) in enumerate(self.counted)
            if missing[i] * 2 > n and missing[i] * self.endpoints[i].rate > 3 + ROUNDING
        ]
        if first_way:
            return max(first_way, key=lambda i: (missing[i], -i))
        seen = sum(m * e.rate for m, e in zip(missing, self.endpoints))
        if round(total, 6) == round(self.total, 6) or (
            seen > 3 + ROUNDING and self.log_status_share(missing) >= self.log_single_out
        ):
            share = total / self.total
            return max(range(len(missing)), key=lambda i: (missing[i] - share * self.counted[i][0], -i))
        return None

    def log_status_share(self, missing):
        each = 0.5 / len(self.endpoints)
        parts = [(0.5, self.log_s(self.services))]
        for e, without in zip(self.endpoints, missing):
            parts.append((each, self.log_s([[e]]) if without > 0 else 0.0))
        return mixture(parts)

    def log_s(self, groups):
        cells = [[c[1:] for c in self.cells(members, "missing")] for members in groups]
        beside = [c for group in cells for c in group if c[0] > 0]
        canary, stable = sum(c[0] for c in beside), sum(c[1] for c in beside)
        if stable > 0.01 * canary:
            predicted = sum(n_c / (n_c + n_s) * (e_c + e_s) for n_c, n_s, e_c, e_s in beside)
            if sum(c[2] for c in beside) <= predicted:
                return 0.0
            return log_share([c for c in beside if c[1] > 0])
        sums = []
        for members, group in zip(groups, cells):
            n_c, e_c = sum(c[0] for c in group), sum(c[2] for c in group)
            n_s = sum(e.stable.sum("total", self.q.queried) * e.weight for e in members)
            e_s = sum(e.stable.sum("missing", self.q.queried) * e.weight for e in members)
            if n_c > 0 and n_s > 0:
                sums.append((n_c, n_s, e_c, e_s))
        return log_share(sums)

    @cached_property
    def stable_blind(self):
        """The endpoint to name where stable is blind, else None."""
        window = self.q.window
        totals = [e.stable.sum("total", window) for e in self.endpoints]
        missing = [e.stable.sum("missing", window) for e in self.endpoints]
        first_way = [
            i
            for i, e in enumerate(self.endpoints)
            if self.counted[i][1] > 0 and missing[i] * 2 > totals[i] and missing[i] * e.rate > 3 + ROUNDING
        ]
        if first_way:
            return max(first_way, key=lambda i: (missing[i], -i))
        if sum(missing) * 2 > sum(totals):
            return max(range(len(missing)), key=lambda i: (missing[i], -i))
        return None

    def status_gap(self, side, index):
        e = self.endpoints[index]
        of = {
            name: {
                "requests": getattr(e, name).sum("missing", self.q.window),
                "total": getattr(e, name).sum("total", self.q.window),
            }
            for name in ("canary", "stable")
        }
        other = "stable" if side == "canary" else "canary"
        return {"side": side, "service": e.service, "endpoint": e.label, **of[side], "other": of[other]}

    # A threshold that nothing is within

    @cached_property
    def unmet(self):
        """The unmet thresholds: how many requests had each in vain."""
        found = {}
        if self.name != "latency":
            return found
        for threshold in dict.fromkeys(e.latency_ms for e in self.endpoints):
            members = [i for i, e in enumerate(self.endpoints) if e.latency_ms == threshold]
            pairs = [self.counted[i] for i in members] + [self.stable_counted[i] for i in members]
            if any(total - bad > BINARY_FRACTIONS for total, bad in pairs):
                continue
            canary = sum(self.counted[i][0] for i in members)
            stable = sum(self.stable_counted[i][0] for i in members)
            if canary > 0 and at_least(sum(self.stable_counted[i][0] * self.endpoints[i].rate for i in members), 20):
                found[threshold] = canary + stable
        return found

    # Other comparisons

    def is_below_objective(self, more=0):
        return 100_000 * self.bad > self.budget_per_100k * (self.total + more)

    @cached_property
    def baseline_sums(self):
        sums = SimpleNamespace(counted=0, seen=0.0, seen_bad=0.0, n=0.0, e=0.0, rate=0.0)
        n_s = e_s = 0.0
        for members, cells in self.compared:
            minutes = [c[0] for c in cells]
            for m in members:
                total = sum(m.canary.total[i] for i in minutes)
                bad = min(total, sum(m.canary.bad[i] for i in minutes))
                sums.counted += total
                sums.seen += total * m.rate
                sums.seen_bad += bad * m.rate
                sums.n += total * m.weight
                sums.e += bad * m.weight
            n_s += sum(c[2] for c in cells)
            e_s += sum(c[4] for c in cells)
        sums.rate = min(1.0, e_s / n_s) if n_s > 0 else 0.0
        return sums

    @property
    def decisive(self):
        """What bounds go by: the compared minutes under `baseline`, else the whole window."""
        if self.q.rule == "baseline":
            return self.baseline_sums
        return SimpleNamespace(
            counted=self.total,
            seen=self.seen,
            seen_bad=self.seen_bad,
            n=self.n,
            e=self.e,
        )

    def with_more(self, more):
        """(seen, n) of what decides, with more clean requests."""
        sums = self.decisive
        if sums.counted > 0:
            seen_each, weight_each = sums.seen / sums.counted, sums.n / sums.counted
        else:
            seen_each = min(e.rate for e in self.endpoints)
            weight_each = min(e.weight for e in self.endpoints)
        return sums.seen + more * seen_each, sums.n + more * weight_each

    def is_low_traffic(self, more=0):
        """Step 4 of `confidence`, 5 of `baseline`, `minRequests` of `strict`; with more clean requests."""
        q, sums = self.q, self.decisive
        seen, n = self.with_more(more)
        if not at_least(seen, q.min_requests):
            return True
        if q.rule == "strict":
            return False
        bound = q.burn * self.p0
        if q.rules_out is not None:
            bound = min(bound, max(q.rules_out, 2 * self.p0))
        if q.rule == "baseline":
            rho = max(self.p0, sums.rate)
            bound = min(q.burn * rho, (1 + rho) / 2)
        return upper_bound_is_above(n, sums.e, bound)

    # The limited pass

    @cached_property
    def limited_pass_wait(self):
        """Milliseconds until condition 2 holds; None where 1 or 3 does not."""
        q = self.q
        if q.rule == "strict" or q.pass_after_ms is None or not is_whole_rollout(q):
            return None
        against = self.log_e
        if q.rule == "baseline":
            usual = [(*self.usual_counted(e), e.weight) for e in self.endpoints]
            n = sum(n * weight for n, _, weight in usual)
            bad = sum(b * weight for _, b, weight in usual)
            rate = max(self.p0, upper_bound(n, bad)) if n > 0 else self.p0
            against = max(self.log_shared, log_evidence(self.decisive.n, self.decisive.e, rate))
        if against > log(2):
            return None
        hits = [i for i in q.window if q.whole["canary"][i] > 0]
        watched = 0
        if hits:
            end = min((hits[-1] + 1) * MINUTE_MS, q.length_ms)
            watched = max(0, end - (hits[0] + q.left_out) * MINUTE_MS)
        return max(0, q.pass_after_ms - watched)

    def is_limited_traffic(self, more=0):
        """Condition 4."""
        seen, n = self.with_more(more)
        return at_least(seen, self.q.min_requests) and not upper_bound_is_above(n, self.decisive.e, self.q.rules_out)

    @property
    def is_limited_pass(self):
        return self.limited_pass_wait == 0 and self.is_limited_traffic()


def is_over(n, e, here_n, here_e):
    """Whether what stable did is over: weighed counts of all that was queried, and of the window."""
    return here_n > 0 and here_e < here_n and upper_bound(here_n, here_e) <= e / n


# ---------------------------------------------------------------------------------------------------------------------
# The rules


def decide(s):
    """(verdict, reason, the Sli that has the numbers) of an SLI."""
    if s.unmet:
        # The silenced endpoints stay in every mean.
        rest = Sli(
            s.q,
            s.name,
            [e.silenced() if e.latency_ms in s.unmet else e for e in s.endpoints],
            s.objective,
        )
        rest.whole = s
        verdict, reason = by_rule(rest)
        return (verdict, reason, rest) if verdict == "fail" else ("inconclusive", "threshold_unmet", s)
    return (*by_rule(s), s)


def by_rule(s):
    if s.total == 0:
        return "inconclusive", "no_data"
    return {"confidence": confidence, "strict": strict, "baseline": baseline}[s.q.rule](s)


def has_evidence(s):
    """Step 2 of `confidence`, 3 of `baseline`: evidence enough, of events enough."""
    if s.q.rule == "strict":
        return False
    if s.q.rule == "baseline":
        return s.log_shared >= s.log_to_fail and at_least(s.baseline_sums.seen_bad, 2)
    return s.log_e >= s.log_to_fail and at_least(s.seen_bad, 2)


def may_be_a_blip(s):
    return s.log_sustained <= log(2)


def is_shared(s):
    return s.log_stable >= s.log_single_out and s.log_shared < s.log_single_out and s.stable_is_beside_failures


def confidence(s):
    if has_evidence(s):
        if may_be_a_blip(s):
            return "inconclusive", "within_noise"
        if is_shared(s) or explaining_minutes(s) is not None:
            return "inconclusive", "shared_cause"
        return "fail", "slo_violated"
    if s.blind is not None:
        return "inconclusive", "status_missing"
    low = s.is_low_traffic()
    if low and not s.q.pass_on_low and not s.is_limited_pass:
        return "inconclusive", "insufficient_traffic"
    if s.is_below_objective() and not s.is_limited_pass:
        return "inconclusive", "within_noise"
    if s.q.indistinguishable:
        return "inconclusive", "canary_indistinguishable"
    if is_restarting(s.q):
        return "inconclusive", "canary_restarting"
    if is_held(s):
        return "inconclusive", "endpoint_unreached"
    if not low and not s.is_below_objective():
        return "pass", "within_slo"
    return "pass", "limited_evidence" if s.is_limited_pass else "insufficient_traffic"


def strict(s):
    low = s.is_low_traffic()
    if low and (s.is_below_objective() or not s.q.pass_on_low):
        return "inconclusive", "insufficient_traffic"
    if s.is_below_objective():
        return "fail", "slo_violated"
    if s.blind is not None:
        return "inconclusive", "status_missing"
    if s.q.indistinguishable:
        return "inconclusive", "canary_indistinguishable"
    if is_restarting(s.q):
        return "inconclusive", "canary_restarting"
    if is_held(s):
        return "inconclusive", "endpoint_unreached"
    return "pass", "insufficient_traffic" if low else "within_slo"


def baseline(s):
    if has_evidence(s):
        if may_be_a_blip(s):
            return "inconclusive", "within_noise"
        if s.stable_blind is not None:
            return "inconclusive", "status_missing"
        return "fail", "worse_than_stable"
    if s.blind is not None:
        return "inconclusive", "status_missing"
    if not any(cells for _, cells in s.compared):
        return "inconclusive", "canary_indistinguishable"
    low = s.is_low_traffic()
    if low and not s.q.pass_on_low and not s.is_limited_pass:
        return "inconclusive", "insufficient_traffic"
    if s.q.indistinguishable:
        return "inconclusive", "canary_indistinguishable"
    if is_restarting(s.q):
        return "inconclusive", "canary_restarting"
    if is_held(s):
        return "inconclusive", "endpoint_unreached"
    if not low:
        return "pass", "not_worse_than_stable"
    return "pass", "limited_evidence" if s.is_limited_pass else "insufficient_traffic"


# ---------------------------------------------------------------------------------------------------------------------
# Fields of an answer


def side_of(total, bad):
    return {"good": total - bad, "bad": bad, "total": total, "value": None if total == 0 else (total - bad) / total}


def sli_verdict(asked, name, endpoints, objective):
    q = copy(asked.after_warm_up(name))
    if name == "availability" and q.stable_of_services is not None:
        q.incident = ServiceIncident(q, endpoints, objective)
        q.unusual = {i for i in q.incident.beyond_doubt if i < q.window.start}
    found = verdict_in_window(q, name, endpoints, objective)
    if q.rule != "confidence" or found["reason"] not in ("shared_cause", "within_noise", "insufficient_traffic"):
        return found
    if found["verdict"] != "inconclusive":
        return found
    of_services = explaining_minutes(Sli(q, name, endpoints, objective))
    if found["reason"] != "shared_cause" and of_services is None:
        return found
    of_services = of_services or set()
    own = incident_minutes(q, endpoints, objective)
    minutes = of_services | set(own)
    is_blind = found.get("missingStatus", {}).get("side") == "canary"
    if not minutes or len(q.queried) - 1 in minutes or q.complete - 1 in minutes:
        return found
    if is_blind or ("unreached" in found and not q.pass_on_unreached):
        return found
    rest = [
        e.without(minutes if any(e.stable.bad[i] > 0 for i in own) else of_services, q.recent) for e in endpoints
    ]
    without = copy(q)
    without.left_out = len(minutes)
    again = verdict_in_window(without, name, rest, objective)
    if again["verdict"] != "pass" or again["reason"] == "insufficient_traffic":
        return found
    return {**again, "leftOutMinutes": len(minutes)}


class ServiceIncident:
    """When stable of the services, over all their endpoints in the registry, failed more than it usually does."""

    def __init__(self, q, endpoints, objective):
        weights = {e.service: (e.rate, e.dispersion) for e in endpoints}
        count = len(q.queried)
        self.services = []
        for written in q.stable_of_services:
            if written["service"] in weights:
                rate, dispersion = weights[written["service"]]
                lists = [
                    [b if b > BINARY_FRACTIONS else 0 for b in (bad + [0] * count)[:count]] for bad in written["bad"]
                ]
                total = (written["total"] + [0] * count)[:count]
                self.services.append((total, lists, rate, dispersion))
        self.minutes, self.beyond_doubt = set(), set()
        usual = self.usual_rate(q)
        if usual is None:
            return
        p = min(1, max(objective["budget"], 2 * usual))
        failing = []
        for i in q.queried:
            requests = sum(total[i] * rate / dispersion for total, _, rate, dispersion in self.services)
            bad = sum(
                bad[i] * rate / dispersion for _, lists, rate, dispersion in self.services for bad in lists
            )
            if bad > p * requests:
                failing.append(i)
        for first in failing:
            for last in failing:
                if not first <= last < first + 4:
                    continue
                n, e, seen = self.counts(range(first, last + 1))
                evidence = log_evidence(n, e, p)
                if evidence < log(1 / q.alpha):
                    continue
                belong = [i for i in range(first - 1, last + 2) if i in q.queried]
                self.minutes.update(belong)
                if evidence >= log(count / q.alpha) and at_least(seen, 2):
                    self.beyond_doubt.update(belong)

    def counts(self, minutes):
        """(n, e, seen bad events) over some minutes."""
        n, weighed, seen = 0.0, [], []
        for total, lists, rate, dispersion in self.services:
            n += sum(total[i] for i in minutes) * rate / dispersion
            for bad in lists:
                events = sum(bad[i] for i in minutes)
                weighed.append((events * rate / dispersion, 1 / dispersion))
                seen.append((events * rate, 1))

        def limited(parts):
            if not parts:
                return 0.0
            greatest, one = max(parts, key=lambda part: part[0])
            others = sum(events for events, _ in parts) - greatest
            return others + min(greatest, max(others, one))

        return n, min(n, limited(weighed)), limited(seen)

    def usual_rate(self, q):
        blocks = {}
        for i in q.queried:
            blocks.setdefault((q.from_ms // MINUTE_MS + i) // 10, []).append(i)
        counted = [self.counts(minutes)[:2] for minutes in blocks.values()]
        counted = [(n, e) for n, e in counted if n > 0]
        if len(counted) < 4:
            return None
        counted.sort(key=lambda block: (block[1] / block[0], -block[0]))
        usual = counted[: len(counted) - -(-len(counted) // 4)]
        return sum(e for _, e in usual) / sum(n for n, _ in usual)


def explaining_minutes(s):
    """The minutes in the window of an incident of the services that explains the canary's failures, else None."""
    q = s.q
    if q.incident is None:
        return None
    minutes = {i for i in q.incident.minutes if i in q.window}
    canary = sum(q.whole["canary"][i] for i in minutes)
    if not minutes or not sum(q.whole["stable"][i] for i in minutes) > 0.01 * canary:
        return None
    if s.log_shared >= 2 * s.log_single_out:
        return None
    if has_evidence(Sli(q, s.name, [e.without(minutes, q.recent) for e in s.endpoints], s.objective)):
        return None
    bound = {i: upper_bound(*q.incident.counts([i])[:2]) for i in minutes}

    def cells(e):
        return [(e.canary.total[i] * e.weight, min(e.canary.total[i], e.canary.bad[i]) * e.weight) for i in minutes]

    each = [cells(e) for e in s.endpoints]
    pool = [
        (sum(own[at][0] for own in each), sum(own[at][1] for own in each), max(s.p0, bound[i]))
        for at, i in enumerate(minutes)
    ]
    parts = [(0.5, log_evidence_at_rates(pool))]
    for own, p_i in zip(each, s.allowed):
        alone = [(n, e, max(p_i, bound[i])) for (n, e), i in zip(own, minutes)]
        parts.append((0.5 / len(each), log_evidence_at_rates(alone)))
    return minutes if mixture(parts) < 2 * s.log_single_out else None


def incident_minutes(q, endpoints, objective):
    p0 = objective["budget"]
    found = []
    for i in q.window:
        if sum(e.stable.bad[i] * e.weight for e in endpoints) <= 0:
            continue
        for length in (1, 2, 4):
            span = range(max(0, i + 1 - length), i + 1)
            n = sum(e.stable.sum("total", span) * e.weight for e in endpoints)
            bad = sum(e.stable.sum("bad", span) * e.weight for e in endpoints)
            if not at_least(sum(e.stable.sum("bad", span) * e.rate for e in endpoints), 2):
                continue
            if log_evidence(n, min(n, bad), p0) >= log(1 / q.alpha):
                found.append(i)
                break
    return found


def verdict_in_window(q, name, endpoints, objective):
    every = Sli(q, name, endpoints, objective)
    verdict, reason, s = decide(every)
    out = {
        "sli": name,
        "verdict": verdict,
        "reason": reason,
        "objective": objective["ratio"],
        **side_of(s.total, s.bad),
        "burnRate": None if s.total == 0 else s.bad / s.total / s.p0,
        "evidence": capped(s.log_e),
        "evidenceThreshold": q.sli_count / q.alpha,
        "rulesOutRate": upper_bound(s.decisive.n, s.decisive.e),
        "failAtBadEvents": abort_threshold(s),
        "requestsToVerdict": requests_to_verdict(s, reason),
        "stable": {
            **side_of(sum(n for n, _ in s.stable_counted), sum(b for _, b in s.stable_counted)),
            "evidence": capped(s.log_stable),
        },
        "shareEvidence": capped(s.log_shared),
    }
    if q.warm_up_minutes is not None:
        out["warmUpMinutes"] = q.warm_up_minutes
    if has_evidence(s):
        out["sustainedEvidence"] = capped(s.log_sustained)
    if any(e.dispersion > 1 for e in endpoints):
        out["dispersion"] = max(e.dispersion for e in endpoints)
    if reason == "shared_cause" and not is_shared(s):
        minutes = explaining_minutes(s)
        out["serviceIncident"] = {
            "minutes": len(minutes),
            "total": sum(total[i] for total, *_ in q.incident.services for i in minutes),
            "bad": sum(bad[i] for _, lists, *_ in q.incident.services for bad in lists for i in minutes),
        }
    ahead = limited_pass_ahead(s, verdict, out["requestsToVerdict"])
    if ahead is not None:
        out["limitedPass"] = ahead
    if q.rule == "baseline" and has_evidence(s) and s.stable_blind is not None:
        out["missingStatus"] = s.status_gap("stable", s.stable_blind)
    elif s.blind is not None:
        out["missingStatus"] = s.status_gap("canary", s.blind)
    if every.unmet:
        threshold, requests = max(every.unmet.items(), key=lambda item: item[1])
        out["unmetThreshold"] = {"latencyMs": threshold, "requests": requests}
    unreached = unreached_of(every)
    if unreached:
        out["unreached"] = unreached
    out["endpoints"] = [
        endpoint_verdict(s, i)
        for i in sorted(range(len(endpoints)), key=worst_first(s))
        if s is every or endpoints[i].latency_ms not in every.unmet
    ]
    return out


def worst_first(s):
    def key(index):
        total, bad = s.counted[index]
        if bad <= 0:
            return (1, 0, 0, -total)
        return (0, -round(s.log_alone[index], 6), -bad, -total)

    return key


def abort_threshold(s):
    q = s.q
    if q.rule == "baseline":
        return None
    if q.rule == "strict":
        return strict_threshold(s)
    weights = [n for n, _ in s.counted]

    def log_with(spread):
        return s.log_evidence_of([(n, b * e.weight) for (n, _), b, e in zip(s.weighed, spread, s.endpoints)])

    def fails(bad):
        spread = webster(weights, bad)
        hit = [i for i, b in enumerate(spread) if b > 0]
        if not at_least(sum(b * e.rate for b, e in zip(spread, s.endpoints)), 2) or not s.can_outlast(hit):
            return False
        return log_with(spread) >= s.log_to_fail and all(
            log_with([b - 1 if i == one else b for i, b in enumerate(spread)]) > log(2) for one in hit
        )

    return least(0, sum(floor(n) for n in weights), fails)


def strict_threshold(s):
    if s.is_low_traffic():
        return None
    found = floor(s.budget_per_100k * s.total / 100_000) + 1
    return found if found <= s.total else None


def endpoint_threshold(s, index):
    q = s.q
    n = s.counted[index][0]
    if q.rule == "baseline":
        return None
    if q.rule == "strict":
        found = strict_threshold(s)
        return found if found is not None and found <= n else None
    e = s.endpoints[index]
    if n < 1 or not s.can_outlast([index]):
        return None

    def log_with(bad):
        counts = [(n_i, bad * e.weight if i == index else 0) for i, (n_i, _) in enumerate(s.weighed)]
        return s.log_evidence_of(counts)

    def fails(bad):
        return at_least(bad * e.rate, 2) and log_with(bad) >= s.log_to_fail and log_with(bad - 1) > log(2)

    return least(0, floor(n), fails)


def is_held(s):
    return not s.q.pass_on_unreached and bool(unreached_of(s.whole))


def requests_to_verdict(s, reason):
    if reason in ("within_slo", "not_worse_than_stable"):
        return 0
    if reason not in ("no_data", "insufficient_traffic", "within_noise", "limited_evidence"):
        return None
    if has_evidence(s) or s.q.indistinguishable or s.blind is not None or is_held(s) or is_restarting(s.q):
        return None
    if s.q.rule == "baseline" and not any(cells for _, cells in s.compared):
        return None

    def passes(more):
        return not s.is_low_traffic(more) and (s.q.rule == "baseline" or not s.is_below_objective(more))

    # Without any request there is no pass, whatever else holds.
    return least_from(1 if s.total == 0 else 0, passes, 10**12)


def limited_pass_ahead(s, verdict, requests_to_verdict):
    if verdict != "inconclusive" or requests_to_verdict is None or s.limited_pass_wait is None:
        return None
    requests = least_from(1 if s.total == 0 else 0, s.is_limited_traffic, 10**12)
    return None if requests is None else {"requests": requests, "seconds": s.limited_pass_wait / 1000}


def unreached_of(s):
    q = s.q
    found = []
    for i, e in enumerate(s.endpoints):
        if s.counted[i][0] > 0 or s.stable_counted[i][0] <= 0:
            continue
        told = [
            other
            for j, other in enumerate(s.endpoints)
            if other.service == e.service and s.counted[j][0] > 0 and s.stable_counted[j][0] > 0
        ]
        predicted = 0.0
        for minute in q.window:
            stable = sum(o.stable.total[minute] for o in told)
            if stable > BINARY_FRACTIONS:
                predicted += e.stable.total[minute] * sum(o.canary.total[minute] for o in told) / stable
        if predicted * e.rate >= 20 - ROUNDING:
            found.append((predicted, i))
    found.sort(key=lambda pair: -pair[0])
    return [
        {"endpoint": s.endpoints[i].label, "service": s.endpoints[i].service, "predicted": floor(predicted + 0.5)}
        for predicted, i in found
    ]


def endpoint_verdict(s, index):
    e = s.endpoints[index]
    return {
        "endpoint": e.label,
        "service": e.service,
        "resource": e.resource,
        **({} if e.latency_ms is None else {"latencyMs": e.latency_ms}),
        **side_of(*s.counted[index]),
        "evidence": capped(s.log_alone[index]),
        "allowedRate": s.allowed[index],
        "failAtBadEvents": endpoint_threshold(s, index),
        "stable": side_of(*s.stable_counted[index]),
    }


# ---------------------------------------------------------------------------------------------------------------------

OUTCOMES = ["fail", "inconclusive", "pass"]
REASONS = [
    "source_stale",
    "slo_violated",
    "worse_than_stable",
    "shared_cause",
    "status_missing",
    "threshold_unmet",
    "canary_indistinguishable",
    "canary_restarting",
    "endpoint_unreached",
    "within_noise",
    "insufficient_traffic",
    "no_data",
    "limited_evidence",
    "not_worse_than_stable",
    "within_slo",
]


def time_of(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def worst_of(q, slis):
    out = {"verdict": slis[0]["verdict"], "reason": slis[0]["reason"]}
    if q.mode == "observe" and out["verdict"] != "pass":
        return {"verdict": "pass", "reason": "observe_only", "wouldBe": out}
    return out


def not_judged(q, reason):
    return {**worst_of(q, [{"verdict": "inconclusive", "reason": reason}]), "rule": q.rule, "slis": []}


def sli_verdicts(q, slis, stale):
    found = [sli_verdict(q, *sli) for sli in slis]
    for sli in found:
        if stale is not None and sli["verdict"] != "fail":
            sli.update(verdict="inconclusive", reason="source_stale", requestsToVerdict=None)
            sli.pop("limitedPass", None)
            sli.pop("serviceIncident", None)
    return sorted(found, key=lambda sli: (OUTCOMES.index(sli["verdict"]), REASONS.index(sli["reason"])))


def judge(record):
    q = Question(record)
    if abs(q.clock_skew_ms) > 60_000:
        return {**not_judged(q, "clock_skew"), "clockSkewSeconds": int(q.clock_skew_ms / 1000)}
    stale = stale_data(q)
    slis = sli_verdicts(q, q.slis, stale)
    # A pass must still be one if the canary's unclassified requests were bad, and a fail if stable's were.
    side = {"pass": "canary", "fail": "stable"}.get(slis[0]["verdict"])
    if side is not None and any(any(getattr(e, side).unclassified) for _, es, _ in q.slis for e in es):
        worse = [(name, [e.with_unclassified_bad(side) for e in es], objective) for name, es, objective in q.slis]
        if sli_verdicts(q, worse, stale)[0]["verdict"] != slis[0]["verdict"]:
            return not_judged(q, "source_malformed")
    out = worst_of(q, slis)
    out["rule"] = q.rule
    begin = min(q.from_ms + q.window.start * MINUTE_MS, q.to_ms)
    out["window"] = {
        "from": time_of(begin),
        "to": time_of(q.to_ms),
        "seconds": (q.to_ms - begin) / 1000,
        "start": q.window_start,
    }
    if q.incomplete_ms > 0:
        out["window"]["incompleteSeconds"] = q.incomplete_ms / 1000
    if stale is not None:
        out["staleData"] = stale
    elif all(sli["total"] == 0 for sli in slis):
        out["noDataCause"] = silence_of(q)
    out["traffic"] = {"canary": q.hits("canary", q.queried), "stable": q.hits("stable", q.queried)}
    if q.stable_has_selector:
        out["traffic"]["unmatchedRecently"] = neither_lately(q)
    out["slis"] = slis
    return out


def dispersions(record):
    """What would be estimated for each service of each SLI, whatever the record has."""
    q = Question(record)
    found = {}
    for name, endpoints, _ in q.slis:
        for service in sorted({e.service for e in endpoints}):
            own = [e for e in endpoints if e.service == service]
            minutes = [
                tuple(sum(getattr(e.stable, which)[i] * e.rate for e in own) for which in ("total", "bad"))
                for i in q.queried
            ]
            found[f"{name} {service}"] = dispersion(minutes, q.from_ms // MINUTE_MS)
    return found


def main():
    for line in sys.stdin:
        if line.strip():
            record = json.loads(line)
            sys.stdout.write(json.dumps({**judge(record), "dispersions": dispersions(record)}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
