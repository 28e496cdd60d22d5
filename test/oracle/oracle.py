#!/usr/bin/env python3
"""Judges recorded measurements by docs/verdicts.md alone. It shares no code with src.

Reads verdict records (`cuj-gate evaluate NAME --record FILE`), one in each line, and answers with one line of JSON for
each: what the verdict should be, with its numbers. Numbers are not rounded here.
"""

import json
import sys
from datetime import datetime, timezone
from math import log

from formulas import (
    capped,
    exact,
    least,
    least_from,
    log_evidence,
    log_share,
    lower_bound_is_above,
    mixture,
    upper_bound,
    upper_bound_is_above,
    webster,
)

MINUTE_MS = 60_000


class Side:
    """One side of one endpoint: counts by minute over all that was queried, and what they are worth."""

    def __init__(self, series, scale, minutes):
        self.total = series["total"]
        self.bad = series["bad"]
        with_status = series.get("withStatus")
        self.missing = (
            None if with_status is None else [t - s for t, s in zip(self.total, with_status)]
        )
        self.scale = scale
        self.minutes = minutes

    def count(self, which, minutes):
        series = getattr(self, which)
        return 0 if series is None else sum(series[i] for i in minutes)


class Endpoint:
    def __init__(self, written, minutes):
        self.service = written["service"]
        self.resource = written["resource"]
        self.label = written["label"]
        self.latency_ms = written.get("latencyMs")
        self.rate = exact(written["sampleRate"])
        self.rate_float = float(self.rate)
        # "every count is multiplied by r/phi before it enters a formula"
        self.scale = written["sampleRate"] / written["dispersion"]
        self.canary = Side(written["canary"], self.scale, minutes)
        self.stable = Side(written["stable"], self.scale, minutes)


class Question:
    """A record, read."""

    def __init__(self, record):
        cuj, options, measurement = record["cuj"], record["options"], record["measurement"]
        self.cuj = cuj
        self.gate = cuj["gate"]
        budget_rule = options.get("budgetRule")
        self.rule = self.gate["rule"] if budget_rule is None else budget_rule["rule"]
        self.alpha = self.gate["falseAbort"]
        self.burn = self.gate["ruleOutBurn"]
        self.min_requests = self.gate["minRequests"]
        self.pass_on_low = self.gate["onLowTraffic"] == "pass"
        self.restart_gap_ms = self.gate["restartGapMs"]
        self.from_ms, self.to_ms = measurement["fromMs"], measurement["toMs"]
        self.all = range((self.to_ms - self.from_ms) // MINUTE_MS)
        self.since_ms = measurement.get("sinceMs")
        window = measurement.get("windowMs", self.gate["window"])
        self.window_ms = None if window == "rollout" else window
        self.whole = measurement["whole"]
        self.stable_has_selector = "neither" in self.whole
        self.slis = []
        for name in ("availability", "latency"):
            if name in measurement:
                endpoints = [Endpoint(e, self.all) for e in measurement[name]]
                self.slis.append((name, endpoints, cuj["objectives"][name]))
        self.sli_count = options.get("sliCount", len(self.slis))

    def whole_sum(self, side, minutes):
        return sum(self.whole[side][i] for i in minutes)


# ---------------------------------------------------------------------------------------------------------------------
# The window


class Window:
    def __init__(self, start_index, reason, question):
        self.start = reason
        count = len(question.all)
        self.first = max(0, start_index)
        self.minutes = range(min(self.first, count), count)
        self.from_ms = question.from_ms + self.first * MINUTE_MS
        self.to_ms = question.to_ms


def find_window(q):
    def index_of(ms):
        return (ms - q.from_ms) // MINUTE_MS

    since = None if q.since_ms is None else index_of(-(-q.since_ms // MINUTE_MS) * MINUTE_MS)
    if q.window_ms is not None:
        fixed = index_of(q.to_ms - q.window_ms)
        if since is not None and since > fixed:
            return Window(since, "since", q)
        return Window(fixed, "fixed", q)
    if since is not None:
        return Window(since, "since", q) if since >= 0 else Window(0, "max_window", q)
    canary = q.whole["canary"]
    hits = [i for i in q.all if canary[i] > 0]
    if not hits:
        return Window(0, "max_window", q)  # GUESS: nothing to begin at
    begin = hits[0]
    for before, after in zip(hits, hits[1:]):
        if (after - before - 1) * MINUTE_MS >= q.restart_gap_ms:
            begin = after
    if begin != hits[0]:
        return Window(begin, "after_gap", q)
    if begin * MINUTE_MS < q.restart_gap_ms:
        return Window(begin, "max_window", q)  # GUESS
    return Window(begin, "first_hit", q)


def silence_of(q, window):
    """Why there is no request; None where only this SLI was not measured."""
    if len(window.minutes) == 0:
        return "too_early"
    if q.whole_sum("canary", window.minutes) > 0:
        return "cuj_not_reached"
    if q.whole_sum("canary", q.all) > 0:
        return "canary_stopped"
    neither = q.whole_sum("neither", newest(q)) if q.stable_has_selector else 0
    if neither > 0:
        return "unknown_tag"
    if q.whole_sum("stable", q.all) == 0:
        return "service_silent"
    return "canary_idle" if q.stable_has_selector else "no_canary_traffic"


def newest(q):
    """GUESS: the "newest minutes" of unknown_tag are restartGap's."""
    count = -(-q.restart_gap_ms // MINUTE_MS)
    return q.all[-count:]


# ---------------------------------------------------------------------------------------------------------------------
# One SLI


class Sli:
    def __init__(self, q, window, name, endpoints, objective):
        self.q = q
        self.window = window
        self.name = name
        self.endpoints = endpoints
        self.p0 = objective["budget"]
        self.budget_per_100k = objective["budgetPer100k"]
        self.objective = objective["ratio"]
        self.minutes = window.minutes
        self.log_to_fail = log(q.sli_count / q.alpha)
        self.log_to_single_out = log(1 / q.alpha)
        self.raw = [(e.canary.count("total", self.minutes), e.canary.count("bad", self.minutes)) for e in endpoints]
        self.total = sum(n for n, _ in self.raw)
        self.bad = sum(b for _, b in self.raw)
        self.n = sum(n * e.scale for (n, _), e in zip(self.raw, endpoints))
        self.e = sum(b * e.scale for (_, b), e in zip(self.raw, endpoints))
        self.seen_total = sum(n * e.rate for (n, _), e in zip(self.raw, endpoints))
        self.seen_bad = sum(b * e.rate for (_, b), e in zip(self.raw, endpoints))
        self.stable_raw = [(e.stable.count("total", q.all), e.stable.count("bad", q.all)) for e in endpoints]
        self.bad_minute_list = [i for i in self.minutes if any(e.canary.bad[i] > 0 for e in endpoints)]
        self.allowed = [self.allowed_rate(i) for i in range(len(endpoints))]

    # What the canary may fail

    def chance_of_absence(self, canary_counts):
        """log of the chance that all of these requests are the canary's, by its share of the service's traffic."""
        total = 0.0
        for minute, count in canary_counts:
            if count <= 0:
                continue
            canary, stable = self.q.whole["canary"][minute], self.q.whole["stable"][minute]
            if canary <= 0:
                continue
            total += count * log(canary / (canary + stable))
        return total

    def is_over(self, n_all, e_all, n_window, e_window, canary_counts):
        """Whether what stable showed is over: "window" where the window alone counts, "gone" where nothing does."""
        if n_window <= 0:
            return "gone" if n_all > 0 and self.chance_of_absence(canary_counts) <= log(1 / 1000) else None
        if n_all > 0 and upper_bound(n_window, e_window) < e_all / n_all:
            return "window"
        return None

    def allowed_rate(self, index):
        e = self.endpoints[index]
        n_raw, e_raw = self.stable_raw[index]

        def from_counts(total, bad):
            if bad * e.rate >= 2 and lower_bound_is_above(total * e.scale, bad * e.scale, self.p0):
                return upper_bound(total * e.scale, bad * e.scale)
            return self.p0

        allowed = from_counts(n_raw, e_raw)
        if allowed == self.p0:
            return allowed
        n_w, e_w = e.stable.count("total", self.minutes), e.stable.count("bad", self.minutes)
        s = e.scale
        over = self.is_over(
            n_raw * s, e_raw * s, n_w * s, e_w * s, [(i, e.canary.total[i] * s) for i in self.minutes]
        )
        if over == "window":
            return from_counts(n_w, e_w)
        return self.p0 if over == "gone" else allowed

    # Evidence

    def log_evidence_of(self, counts):
        """counts: scaled (n, e) by endpoint."""
        pooled = log_evidence(sum(n for n, _ in counts), sum(e for _, e in counts), self.p0)
        weight = 0.5 / len(counts)
        return mixture(
            [(0.5, pooled)] + [(weight, log_evidence(n, e, p)) for (n, e), p in zip(counts, self.allowed)]
        )

    def scaled(self, bad=None):
        """The canary's scaled counts; with the bad events by endpoint that are given instead of its own."""
        return [
            (n * e.scale, (b if bad is None else bad[i]) * e.scale)
            for i, ((n, b), e) in enumerate(zip(self.raw, self.endpoints))
        ]

    def log_stable_evidence(self):
        def over_span(span):
            counts = [
                (e.stable.count("total", span) * e.scale, e.stable.count("bad", span) * e.scale) for e in self.endpoints
            ]
            n, e = sum(n for n, _ in counts), sum(e for _, e in counts)
            trafficked = [(n_i, e_i) for n_i, e_i in counts if n_i > 0]
            parts = [(0.25, log_evidence(n, e, self.p0))]
            if trafficked:
                parts += [(0.25 / len(trafficked), log_evidence(n_i, e_i, self.p0)) for n_i, e_i in trafficked]
            else:
                parts += [(0.25, 0.0)]
            for power in range(7):
                last = span[-(2**power) :] if len(span) else span
                n_l = sum(ep.stable.count("total", last) * ep.scale for ep in self.endpoints)
                e_l = sum(ep.stable.count("bad", last) * ep.scale for ep in self.endpoints)
                parts += [(0.5 / 7, log_evidence(n_l, e_l, self.p0))]
            return mixture(parts), n, e

        value, n, e = over_span(self.q.all)
        if value < self.log_to_single_out:
            return value
        n_w = sum(ep.stable.count("total", self.minutes) * ep.scale for ep in self.endpoints)
        e_w = sum(ep.stable.count("bad", self.minutes) * ep.scale for ep in self.endpoints)
        canary_counts = [(i, sum(ep.canary.total[i] * ep.scale for ep in self.endpoints)) for i in self.minutes]
        if self.is_over(n, e, n_w, e_w, canary_counts) is None:
            return value
        return over_span(self.minutes)[0]

    # The share test

    def share_cells(self, endpoints, which, minutes):
        cells = []
        by_service = {}
        for e in endpoints:
            by_service.setdefault(e.service, []).append(e)
        for members in by_service.values():
            for i in minutes:
                n_c = n_s = e_c = e_s = 0.0
                for e in members:
                    n_c += e.canary.total[i] * e.scale
                    n_s += e.stable.total[i] * e.scale
                    bad_c, bad_s = getattr(e.canary, which), getattr(e.stable, which)
                    e_c += 0 if bad_c is None else bad_c[i] * e.scale
                    e_s += 0 if bad_s is None else bad_s[i] * e.scale
                cells.append((n_c, n_s, e_c, e_s))
        return cells

    def log_share_evidence(self):
        minutes = self.beside if self.q.rule == "baseline" else self.minutes
        return log_share(self.share_cells(self.endpoints, "bad", minutes))

    def more_than_a_hundredth(self, endpoints, minutes):
        """Whether stable has more than 1% of the canary's traffic in these minutes."""
        stable = sum(e.stable.count("total", minutes) for e in endpoints)
        canary = sum(e.canary.count("total", minutes) for e in endpoints)
        return stable * 100 > canary

    @property
    def beside(self):
        """Minutes in which stable has more than 1% of the canary's traffic."""
        return [i for i in self.minutes if self.more_than_a_hundredth(self.endpoints, [i])]

    # Statuses

    def status_gap(self):
        if self.name != "availability":
            return None
        gaps = []
        for e, (n, _) in zip(self.endpoints, self.raw):
            missing = e.canary.count("missing", self.minutes)
            if missing * 2 > n and missing * e.rate > 3:
                gaps.append(e)
        missing = sum(e.canary.count("missing", self.minutes) for e in self.endpoints)
        if gaps:
            return "endpoint"
        if missing >= self.total > 0:
            return "cuj"
        seen = sum(e.canary.count("missing", self.minutes) * e.rate for e in self.endpoints)
        if seen > 3 and self.log_status_share() >= self.log_to_single_out:
            return "share"
        return None

    def log_status_share(self):
        def test(endpoints):
            if self.more_than_a_hundredth(endpoints, self.minutes):
                return log_share(self.share_cells(endpoints, "missing", self.minutes))
            cells = []
            for service in sorted({e.service for e in endpoints}):
                n_c = n_s = e_c = e_s = 0.0
                for e in endpoints:
                    if e.service != service:
                        continue
                    n_c += e.canary.count("total", self.minutes) * e.scale
                    n_s += e.stable.count("total", self.q.all) * e.scale
                    e_c += e.canary.count("missing", self.minutes) * e.scale
                    e_s += e.stable.count("missing", self.q.all) * e.scale
                cells.append((n_c, n_s, e_c, e_s))
            return log_share(cells)

        weight = 0.5 / len(self.endpoints)
        return mixture([(0.5, test(self.endpoints))] + [(weight, test([e])) for e in self.endpoints])

    def stable_status_gap(self):
        """Most of stable's requests without a status."""
        if self.name != "availability":
            return False
        total = sum(n for n, _ in self.stable_raw)
        missing = sum(e.stable.count("missing", self.q.all) for e in self.endpoints)
        return missing * 2 > total

    # Latency thresholds that nobody meets

    def unmet_threshold(self):
        if self.name != "latency":
            return None
        for threshold in sorted({e.latency_ms for e in self.endpoints}):
            members = [i for i, e in enumerate(self.endpoints) if e.latency_ms == threshold]
            good = sum(self.raw[i][0] - self.raw[i][1] + self.stable_raw[i][0] - self.stable_raw[i][1] for i in members)
            canary = sum(self.raw[i][0] for i in members)
            stable_seen = sum(self.stable_raw[i][0] * self.endpoints[i].rate for i in members)
            if good == 0 and canary > 0 and stable_seen >= 20:
                requests = canary + sum(self.stable_raw[i][0] for i in members)
                return {"latencyMs": threshold, "requests": requests}
        return None

    # Comparisons

    def is_below_objective(self, bad=None, total=None):
        bad = self.bad if bad is None else bad
        total = self.total if total is None else total
        return bad * 100_000 > total * self.budget_per_100k

    def allows(self, n, e):
        """Whether traffic rules out the burn: scaled counts."""
        return not upper_bound_is_above(n, e, self.q.burn * self.p0)


def indistinguishable(q):
    first = next((i for i in q.all if q.whole["canary"][i] > 0), None)
    canary = q.whole_sum("canary", q.all)
    if "both" in q.whole and q.whole_sum("both", q.all) * 20 > canary:
        return True
    if first is None or first * MINUTE_MS >= q.restart_gap_ms:
        return False
    stable = q.whole_sum("stable", q.all)
    if stable * 100 <= canary:
        return True
    first_stable = next((i for i in q.all if q.whole["stable"][i] > 0), None)
    before = q.whole_sum("canary", q.all[:first_stable])
    since_then = q.all[first_stable:]
    # GUESS: "and has had no more since" compares all hits from stable's first minute on.
    return before >= 100 and q.whole_sum("stable", since_then) <= q.whole_sum("canary", since_then)


# ---------------------------------------------------------------------------------------------------------------------
# Verdicts


def side_of(total, bad):
    return {
        "good": total - bad,
        "bad": bad,
        "total": total,
        "value": None if total == 0 else (total - bad) / total,
    }


def judge_sli(q, window, name, endpoints, objective):
    s = Sli(q, window, name, endpoints, objective)
    log_e = s.log_evidence_of(s.scaled())
    log_stable = s.log_stable_evidence()
    log_shared = s.log_share_evidence()
    verdict, reason, extra = decide(s, log_e, log_stable, log_shared)
    out = {
        "sli": name,
        "verdict": verdict,
        "reason": reason,
        "objective": s.objective,
        **side_of(s.total, s.bad),
        "burnRate": None if s.total == 0 else s.bad / s.total / s.p0,
        "evidence": capped(log_e),
        "evidenceToFail": q.sli_count / q.alpha,
        "upperBound": upper_bound(s.n, s.e),
        "failAtBadEvents": abort_line(s),
        "requestsToVerdict": requests_to_verdict(s, verdict, reason, log_e),
        "badMinutes": len(s.bad_minute_list),
        "stable": {
            **side_of(sum(n for n, _ in s.stable_raw), sum(b for _, b in s.stable_raw)),
            "evidence": capped(log_stable),
        },
        "shareEvidence": capped(log_shared),
        **extra,
    }
    unreached = unreached_of(s)
    if unreached:
        out["unreached"] = unreached
    out["endpoints"] = [endpoint_of(s, i) for i in range(len(endpoints))]
    return out


def decide(s, log_e, log_stable, log_shared):
    q = s.q
    if s.total == 0:
        return "inconclusive", "no_data", {}
    unmet = s.unmet_threshold()
    if unmet is not None and not rest_fails(s, unmet):
        return "inconclusive", "threshold_unmet", {"unmetThreshold": unmet}
    enough_events = s.seen_bad >= 2
    minutes = len(s.bad_minute_list)
    below = s.is_below_objective()
    too_few = s.seen_total < q.min_requests

    if q.rule == "strict":
        if not too_few and below:
            return "fail", "slo_violated", {}
        gap = s.status_gap()
        if gap is not None:
            return "inconclusive", "status_missing", {"gap": gap}
        if indistinguishable(q):
            return "inconclusive", "canary_indistinguishable", {}
        if too_few:
            passes = q.pass_on_low and not below
            return "pass" if passes else "inconclusive", "insufficient_traffic", {}
        return "pass", "within_slo", {}

    log_speaks = log_shared if q.rule == "baseline" else log_e
    if log_speaks >= s.log_to_fail and enough_events:
        if q.rule == "baseline" and s.stable_status_gap():
            return "inconclusive", "status_missing", {}
        if minutes < 2:
            return "inconclusive", "within_noise", {}
        if q.rule == "baseline":
            return "fail", "worse_than_stable", {}
        beside = s.more_than_a_hundredth(s.endpoints, s.bad_minute_list)
        if log_stable >= s.log_to_single_out and beside and log_shared < s.log_to_single_out:
            return "inconclusive", "shared_cause", {}
        return "fail", "slo_violated", {}
    gap = s.status_gap()
    if gap is not None:
        return "inconclusive", "status_missing", {"gap": gap}
    if q.rule == "baseline" and not any(
        e.stable.total[i] > 0 and e.canary.total[i] > 0 for i in s.beside for e in s.endpoints
    ):
        return "inconclusive", "canary_indistinguishable", {}
    if s.low_traffic() if q.rule == "baseline" else too_few or not s.allows(s.n, s.e):
        speaks_against = indistinguishable(q) or (q.rule != "baseline" and below)
        if q.pass_on_low and not speaks_against:
            return "pass", "insufficient_traffic", {}
        return "inconclusive", "insufficient_traffic", {}
    if q.rule != "baseline" and below:
        return "inconclusive", "within_noise", {}
    if indistinguishable(q):
        return "inconclusive", "canary_indistinguishable", {}
    return "pass", "not_worse_than_stable" if q.rule == "baseline" else "within_slo", {}


def baseline_low_traffic(s):
    """Step 4 of `baseline`: the canary's requests beside stable, against stable's rate there."""
    minutes = s.beside
    counts = [
        (
            e.canary.count("total", minutes),
            e.canary.count("bad", minutes),
            e.stable.count("total", minutes),
            e.stable.count("bad", minutes),
            e,
        )
        for e in s.endpoints
    ]
    if sum(n * e.rate for n, _, _, _, e in counts) < s.q.min_requests:
        return True
    n = sum(n * e.scale for n, _, _, _, e in counts)
    bad = sum(b * e.scale for _, b, _, _, e in counts)
    n_s = sum(m * e.scale for _, _, m, _, e in counts)
    bad_s = sum(b * e.scale for _, _, _, b, e in counts)
    base = max(s.p0, bad_s / n_s if n_s > 0 else 0)
    return upper_bound_is_above(n, bad, min(s.q.burn * base, (1 + base) / 2))


Sli.low_traffic = baseline_low_traffic


def rest_fails(s, unmet):
    """Whether the CUJ fails without the endpoints of this threshold."""
    rest = [e for e in s.endpoints if e.latency_ms != unmet["latencyMs"]]
    if not rest:
        return False
    objective = {"budget": s.p0, "budgetPer100k": s.budget_per_100k, "ratio": s.objective}
    return judge_only(s.q, s.window, s.name, rest, objective) == "fail"


def judge_only(q, window, name, endpoints, objective):
    s = Sli(q, window, name, endpoints, objective)
    return decide(s, s.log_evidence_of(s.scaled()), s.log_stable_evidence(), s.log_share_evidence())[0]


def abort_line(s):
    q = s.q
    if q.rule == "baseline" or s.total == 0:
        return None
    if q.rule == "strict":
        if s.seen_total < q.min_requests:
            return None
        return least(0, int(s.total), lambda k: s.is_below_objective(k))
    weights = [n for n, _ in s.raw]

    def fails(k):
        spread = webster(weights, k)
        seen = sum(b * e.rate for b, e in zip(spread, s.endpoints))
        return seen >= 2 and s.log_evidence_of(s.scaled(spread)) >= s.log_to_fail

    return least(0, int(s.total), fails)


def endpoint_line(s, index):
    q = s.q
    n = s.raw[index][0]
    if q.rule == "baseline" or n == 0:
        return None

    def only(k):
        return [k if i == index else 0 for i in range(len(s.endpoints))]

    if q.rule == "strict":
        if s.seen_total < q.min_requests:
            return None
        return least(0, int(n), lambda k: s.is_below_objective(k))
    return least(
        0,
        int(n),
        lambda k: k * s.endpoints[index].rate >= 2 and s.log_evidence_of(s.scaled(only(k))) >= s.log_to_fail,
    )


def requests_to_verdict(s, verdict, reason, log_e):
    q = s.q
    if verdict == "pass" and reason != "insufficient_traffic":
        return 0
    if verdict == "fail" or reason in (
        "shared_cause",
        "status_missing",
        "canary_indistinguishable",
        "threshold_unmet",
    ):
        return None
    if q.rule == "confidence" and log_e >= s.log_to_fail and s.seen_bad >= 2:
        return None
    rate = s.endpoints[0].rate_float
    scale = s.n / s.total if s.total else s.endpoints[0].scale
    seen = float(s.seen_total)

    def passes(more):
        if seen + more * rate < q.min_requests:
            return False
        if s.is_below_objective(total=s.total + more):
            return False
        return q.rule == "strict" or s.allows(s.n + more * scale, s.e)

    return least_from(0, passes)


def unreached_of(s):
    if s.total == 0:
        return []
    canary = s.total
    stable = sum(e.stable.count("total", s.minutes) for e in s.endpoints)
    found = []
    for e, (n, _) in zip(s.endpoints, s.raw):
        if n > 0 or stable == 0:
            continue
        predicted = e.stable.count("total", s.minutes) * canary / stable
        if predicted >= 20:
            found.append({"endpoint": e.label, "service": e.service, "predicted": round(predicted)})
    return found


def endpoint_of(s, index):
    e = s.endpoints[index]
    n, b = s.raw[index]
    return {
        "endpoint": e.label,
        "service": e.service,
        "resource": e.resource,
        **({} if e.latency_ms is None else {"latencyMs": e.latency_ms}),
        **side_of(n, b),
        "evidence": capped(log_evidence(n * e.scale, b * e.scale, s.allowed[index])),
        "allowedRate": s.allowed[index],
        "failAtBadEvents": endpoint_line(s, index),
        "stable": side_of(*s.stable_raw[index]),
    }


WORST_FIRST = {"fail": 0, "inconclusive": 1, "pass": 2}


def time_of(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def judge(record):
    q = Question(record)
    window = find_window(q)
    slis = [judge_sli(q, window, *sli) for sli in q.slis]
    slis.sort(key=lambda sli: WORST_FIRST[sli["verdict"]])
    worst = slis[0]
    verdict, reason = worst["verdict"], worst["reason"]
    out = {"verdict": verdict, "reason": reason}
    if q.cuj["mode"] == "observe":
        out = {"verdict": "pass", "reason": "observe_only", "observed": {"verdict": verdict, "reason": reason}}
    out["rule"] = q.rule
    out["window"] = {
        "from": time_of(window.from_ms),
        "to": time_of(window.to_ms),
        "seconds": len(window.minutes) * 60,
        "start": window.start,
    }
    if all(sli["total"] == 0 for sli in slis):
        out["silence"] = silence_of(q, window)
    out["traffic"] = {"canary": q.whole_sum("canary", q.all), "stable": q.whole_sum("stable", q.all)}
    if q.stable_has_selector:
        out["traffic"]["neitherLately"] = q.whole_sum("neither", newest(q))
    out["slis"] = slis
    return out


def main():
    for line in sys.stdin:
        if line.strip():
            sys.stdout.write(json.dumps(judge(json.loads(line))) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
