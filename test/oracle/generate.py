#!/usr/bin/env python3
"""Writes random hard measurements as verdict records without a verdict, one in each line.

    generate.py --seed 1 --first 0 --count 1000

A measurement is a function of seed and index alone, so that any of them can be made again.
"""

import argparse
import json
import random
from math import exp, log, sqrt

MINUTE_MS = 60_000
START_MS = 1_781_066_340_000

OBJECTIVES = [50, 80, 90, 93, 93.06, 95, 99, 99.5, 99.9, 99.95, 99.99]


def binomial(rnd, n, p):
    if n <= 0 or p <= 0:
        return 0
    if p >= 1:
        return n
    if n <= 30:
        return sum(rnd.random() < p for _ in range(n))
    if p > 0.5:
        return n - binomial(rnd, n, 1 - p)
    if n * p < 20:
        # Waiting times between events are geometric.
        count, at, denominator = 0, 0.0, log(1 - p)
        while True:
            at += int(log(1 - rnd.random()) / denominator) + 1
            if at > n:
                return count
            count += 1
    return min(n, max(0, round(rnd.gauss(n * p, sqrt(n * p * (1 - p))))))


def poisson(rnd, mean):
    if mean <= 0:
        return 0
    if mean > 30:
        return max(0, round(rnd.gauss(mean, sqrt(mean))))
    limit, count, product = exp(-mean), 0, rnd.random()
    while product > limit:
        count += 1
        product *= rnd.random()
    return count


def split(rnd, bad, buckets, kind):
    """So many bad events of a minute in its buckets; fractions stay exact in binary."""
    parts = [0] * buckets
    if bad <= 0:
        return parts
    if kind == "first" or kind == "last":
        parts[0 if kind == "first" else -1] = bad
        return parts
    whole, rest = int(bad), bad - int(bad)
    if kind == "even":
        for i in range(min(whole, 10 * buckets)):
            parts[i % buckets] += 1
        parts[0] += whole - min(whole, 10 * buckets)
    else:
        at = rnd.randrange(buckets)
        for _ in range(min(whole, 50)):
            parts[at if kind == "one" or rnd.random() < 0.5 else rnd.randrange(buckets)] += 1
        parts[at] += whole - min(whole, 50)
    parts[rnd.randrange(buckets)] += rest
    return parts


def recent_buckets(rnd, written, count, length_ms):
    """The newest part in buckets of less than a minute, or nothing. The bad events in them are those of the minutes."""
    if rnd.random() < 0.35:
        return {}
    step = rnd.choice([5_000, 10_000, 10_000, 20_000, 30_000])
    first = 0 if rnd.random() < 0.3 else max(0, count - rnd.randint(1, 16))
    left = rnd.random()
    for sli in ("availability", "latency"):
        for e in written.get(sli, []):
            if rnd.random() < (0.15 if left < 0.5 else 0):
                continue
            buckets = []
            for i in range(first, count):
                in_minute = -(-(min(length_ms, (i + 1) * MINUTE_MS) - i * MINUTE_MS) // step)
                bad = e["canary"]["bad"][i]
                # A blip may lie on both sides of the minute's end.
                kind = rnd.choice(["one", "one", "some", "even", "first", "last"])
                if i > first and e["canary"]["bad"][i - 1] > 0 and rnd.random() < 0.3:
                    kind = "first"
                elif i + 1 < count and e["canary"]["bad"][i + 1] > 0 and rnd.random() < 0.3:
                    kind = "last"
                buckets += split(rnd, bad, in_minute, kind)
            e["recentBad"] = buckets
            if rnd.random() < 0.3:
                e["recentLateMs"] = rnd.choice([5_000, 10_000, 25_000])
    return {"recent": {"firstMinute": first, "stepMs": step}}


class Scenario:
    def __init__(self, rnd):
        self.rnd = rnd
        self.minutes = rnd.choice([2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 45, 90, 120])
        self.services = ["shop"] if rnd.random() < 0.7 else ["shop", "pay"]
        # Requests in fixed numbers meet "more than 1%" and the like exactly.
        self.fixed_traffic = rnd.random() < 0.25
        self.gap_ms = rnd.choice([60, 90, 120, 180, 300, 300, 300, 600, 1200]) * 1000
        # Situations that chance alone would hardly make.
        self.theme = rnd.choice(
            [None] * 5 + ["service incident"] * 3 + ["swapped", "stable gone", "stable blind", "shared", "one percent", "statuses", "blip", "blip"]
        )
        self.incident = None
        if self.theme == "service incident":
            # Stable of a thin CUJ has no failure of its own.
            self.is_thin = rnd.random() < 0.6
            self.minutes = rnd.choice([60, 90, 120])
            begin = self.minutes - rnd.randint(4, 25)
            first = rnd.randrange(begin if rnd.random() < 0.8 else 0, self.minutes)
            self.incident = (range(first, min(self.minutes, first + rnd.randint(1, 8))), rnd.choice([0.05, 0.2, 0.2, 0.5]))
        self.weights = self.swapped() if self.theme == "swapped" else self.canary_weights()
        if self.theme == "one percent":
            # Stable has exactly 1% of the canary's requests, or hardly more or less.
            self.fixed_traffic = True
            begin = rnd.randrange(max(1, self.minutes // 2))
            self.weights = [0 if i < begin else 100 / 101 for i in range(self.minutes)]
            if rnd.random() < 0.3:
                self.weights[-1] = rnd.choice([1, 0.98])
        if self.theme == "statuses" and rnd.random() < 0.5:
            # Next to no stable: sums are compared.
            begin = rnd.randrange(max(1, self.minutes // 2))
            weight = rnd.choice([0.98, 0.985, 0.99, 100 / 101, 0.995, 1])
            self.weights = [0 if i < begin else weight for i in range(self.minutes)]
        if self.incident is not None:
            weight = rnd.choice([0.25, 0.5, 0.5, 0.8, 0.95] if self.is_thin else [0.1, 0.25, 0.5, 0.95])
            self.weights = [0 if i < begin else weight for i in range(self.minutes)]
            self.fixed_traffic = False
        self.has_selector = rnd.random() < 0.5

    def swapped(self):
        """What is called canary goes out, and stable comes in."""
        rnd, count = self.rnd, self.minutes
        change = rnd.randrange(count)
        late = rnd.choice([0, 0.3, 0.5, 0.5, 0.6, 0.9, 0.98])
        return [1 if i < change else late for i in range(count)]

    def canary_weights(self):
        """The canary's share of the traffic by minute; and in which minutes stable is there."""
        rnd, count = self.rnd, self.minutes
        begin = 0 if rnd.random() < 0.3 else rnd.randrange(count if rnd.random() < 0.3 else (count + 1) // 2)
        kind = rnd.random()
        if kind < 0.4:
            weight = rnd.choice([0.01, 0.05, 0.1, 0.25, 0.5, 0.9, 0.985, 0.99, 100 / 101, 0.995, 1])
            weights = [weight] * count
        elif kind < 0.7:
            steps = sorted(rnd.choices([0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.99, 1], k=rnd.randint(2, 5)))
            length = max(1, (count - begin) // len(steps))
            weights = [steps[min(len(steps) - 1, max(0, i - begin) // length)] for i in range(count)]
        else:
            weights = [rnd.choice([0, 0.1, 0.5, 1, rnd.random()]) for _ in range(count)]
        weights = [0 if i < begin else w for i, w in enumerate(weights)]
        for _ in range(rnd.choice([0, 0, 0, 0, 1, 2])):
            # A silence of the canary; the last may reach to the end.
            at, length = rnd.randrange(count), rnd.randint(1, 8)
            weights = [0 if at <= i < at + length else w for i, w in enumerate(weights)]
        return weights


def rates(rnd, scenario, p0, endpoints):
    """The chance of a bad event by side, endpoint and minute."""
    count = scenario.minutes
    base = {side: rnd.choice([0, 0, 0.2, 0.6, 1]) * p0 for side in ("canary", "stable")}
    grid = {side: [[base[side]] * count for _ in range(endpoints)] for side in base}
    for _ in range(rnd.choice([0, 0, 1, 1, 1, 2, 3] if scenario.incident is None else [0, 0, 0, 1])):
        sides = rnd.choice([["canary"], ["canary"], ["stable"], ["canary", "stable"]])
        chosen = range(endpoints) if rnd.random() < 0.4 else [rnd.randrange(endpoints)]
        kind = rnd.random()
        if kind < 0.35:
            first, last = 0, count
        elif kind < 0.6:
            first, last = rnd.randrange(count), count
        elif kind < 0.8:
            first = rnd.randrange(count)
            last = first + 1
        else:
            first, last = 0, rnd.randint(1, count)
        rate = rnd.choice([2, 5, 10, 20, 50, 200, 1000]) * p0 if rnd.random() < 0.75 else rnd.choice([0.01, 0.05, 0.5, 1])
        for side in sides:
            own = rate * rnd.choice([1, 1, 1, 0.5, 2])
            for e in chosen:
                for i in range(first, min(last, count)):
                    grid[side][e][i] = min(1, own)
    if scenario.theme == "blip":
        # One or two bad minutes, and ordinary errors or a weaker fault beside them.
        first = rnd.randrange(count)
        ordinary = rnd.choice([0, 1, 2, 5, 20]) * p0
        for e in range(endpoints):
            for i in range(count):
                grid["canary"][e][i] = min(1, ordinary)
            for i in range(first, min(count, first + rnd.choice([1, 2, 2, 3]))):
                grid["canary"][e][i] = min(1, rnd.choice([50, 200, 1000]) * p0)
    if scenario.incident is not None:
        minutes, rate = scenario.incident
        own = rate * rnd.choice([0, 1, 1, 1, 1, 2, 5])
        for e in range(endpoints):
            for i in minutes:
                grid["canary"][e][i] = min(1, own)
                grid["stable"][e][i] = 0 if scenario.is_thin else rate
    if scenario.theme in ("shared", "one percent"):
        first = rnd.randrange(count)
        rate = min(1, rnd.choice([10, 50, 200, 1000]) * p0)
        # Over before the end, or not.
        last = count if rnd.random() < 0.5 else min(count, first + rnd.randint(1, 10))
        for side in grid:
            for e in range(endpoints):
                for i in range(first, last):
                    grid[side][e][i] = rate * rnd.choice([1, 1, 0.5]) if e == 0 else rate
    if scenario.theme == "stable gone":
        # Stable failed this endpoint before the canary came, and later no more or not at all.
        change = next((i for i, w in enumerate(scenario.weights) if w > 0), count)
        rate, later = rnd.choice([0.05, 0.3, 1]), rnd.choice([0, 0, 0.1, 0.5, 0.9, 1])
        own = rnd.choice([0, rate, rate / 3, min(1, p0 * 5)])
        for i in range(count):
            grid["stable"][-1][i] = rate if i < change else rate * later
            grid["canary"][-1][i] = own
    if count >= 45 and rnd.random() < 0.3:
        # Errors in bursts.
        for i in range(count):
            factor = rnd.choice([0, 0, 0, 1, 4, 10])
            for side in grid:
                for e in range(endpoints):
                    grid[side][e][i] = min(1, grid[side][e][i] * factor)
    if scenario.theme == "stable blind":
        for e in range(endpoints):
            if rnd.random() < 0.3:
                continue
            rate = min(1, rnd.choice([0, 20, 200]) * p0)
            for i in range(count):
                grid["canary"][e][i] = rate
    return grid


def missing_rates(rnd, scenario, endpoints):
    """The chance that a request carries no status, by side and endpoint; and from which minute on."""
    grid = {side: [[0.0] * scenario.minutes for _ in range(endpoints)] for side in ("canary", "stable")}
    if scenario.theme == "stable blind":
        for side in grid:
            common = rnd.choice([0, 0, 0.3, 0.52]) if side == "canary" else rnd.choice([0.4, 0.52, 0.7, 1])
            other = rnd.choice([0, 0.2, 0.45]) if side == "stable" else 0.2
            for e in range(endpoints):
                grid[side][e] = [common if rnd.random() < 0.6 else other] * scenario.minutes
        return grid
    if scenario.theme == "statuses":
        for side in grid:
            common = rnd.choice([0.001, 0.02, 0.1, 0.3, 0.45]) if side == "canary" else rnd.choice([0, 0, 0.001, 0.01, 0.3])
            for e in range(endpoints):
                grid[side][e] = [common * rnd.choice([0, 1, 1, 1.1])] * scenario.minutes
        return grid
    if rnd.random() < (0.3 if scenario.theme == "one percent" else 0.6):
        return grid
    common = rnd.choice([0, 0.001, 0.02, 0.3, 0.6])
    for side in grid:
        for e in range(endpoints):
            grid[side][e] = [common] * scenario.minutes
    for _ in range(rnd.choice([0, 1, 1, 2, 3])):
        side = rnd.choice(["canary", "canary", "stable"])
        chosen = range(endpoints) if rnd.random() < 0.4 else [rnd.randrange(endpoints)]
        rate = rnd.choice([0, 0.02, 0.1, 0.4, 0.5, 0.55, 0.9, 1, 1])
        first = 0 if rnd.random() < 0.7 else rnd.randrange(scenario.minutes)
        for e in chosen:
            for i in range(first, scenario.minutes):
                grid[side][e][i] = rate
    return grid


def source_traffic(rnd, scenario, whole, written, volume):
    """What each call of the source said of everybody; where the data has stopped, nobody has any in the newest minutes."""
    count = scenario.minutes
    calls = [scenario.services] if rnd.random() < 0.7 else [[service] for service in scenario.services]
    stopped = rnd.choice([0, 0, 1, 2, 3, 4, 5, 6, 8, 12, 24, 40]) if rnd.random() < 0.7 else 0
    if stopped > 0 and rnd.random() < 0.7:
        series = list(whole.values())
        for sli in ("availability", "latency"):
            for e in written.get(sli, []):
                series += [lists for side in ("canary", "stable") for lists in e[side].values()]
        for counts in series:
            for i in range(max(0, count - stopped), count):
                counts[i] = 0
    found = []
    for services in calls:
        earlier = max(0, rnd.choice([0, 60]) - count)
        busy = rnd.choice([1, 1, 0.9, 0.5, 0.2, 0])
        everybody = [sum(whole[side][i] for side in ("canary", "stable")) for i in range(count)]
        others = [poisson(rnd, volume) + 1 if rnd.random() < busy else 0 for _ in range(earlier + count)]
        hits = [own + other for own, other in zip([0] * earlier + everybody, others)]
        end = len(hits)
        hits = [0 if i >= end - stopped else n for i, n in enumerate(hits)]
        found.append({"services": services, "hits": hits})
    return found


def stable_of_service(rnd, scenario, service, own):
    """Stable over the endpoints of the SLI, and over some of other CUJs."""
    count = scenario.minutes
    total = [sum(e["stable"]["total"][i] for e in own) for i in range(count)]
    lists = [e["stable"]["bad"] for e in own]
    always = rnd.choice([0, 0, 0, 0.0005, 0.01, 0.1])
    others = [(range(first, first + rnd.choice([1, 5, 40])), rnd.choice([0.05, 0.5, 1])) for first in rnd.choices(range(count), k=rnd.choice([0, 0, 1, 2]))]
    volume = exp(rnd.uniform(log(0.5), log(300)))
    fails = rnd.choice([None, None, None, 0.05, 1])
    if scenario.incident is not None and rnd.random() < 0.8:
        always, fails, others = rnd.choice([0, 0.0001]), None, []
    for number in range(rnd.choice([0, 1, 2, 4, 8]) if scenario.incident is None else rnd.randint(2, 6)):
        bad = []
        is_hit = [rnd.random() < 0.8 for _ in others]
        for i, weight in enumerate(scenario.weights):
            requests = poisson(rnd, volume * (1 - weight))
            rate = fails if fails is not None and number == 0 else always
            if scenario.incident is not None and i in scenario.incident[0]:
                rate = max(rate, scenario.incident[1])
            for (minutes, other), hit in zip(others, is_hit):
                if hit and i in minutes:
                    rate = max(rate, other)
            total[i] += requests
            bad.append(binomial(rnd, requests, rate))
        lists.append(bad)
    return {"service": service, "total": total, "bad": [list(bad) for bad in lists if any(bad)]}


def make_fractional(factor, whole, written):
    """Counts need not be whole. These are exact in binary: no verdict is to hang on a last digit."""
    lists = list(whole.values())
    for sli in ("availability", "latency"):
        for e in written.get(sli, []):
            # Some lists are both SLIs' own.
            lists += [counts for side in ("canary", "stable") for counts in e[side].values()]
    for counts in {id(counts): counts for counts in lists}.values():
        counts[:] = [n * factor for n in counts]


def measurement_of(rnd, freshness=True):
    scenario = Scenario(rnd)
    count = scenario.minutes
    names = []
    for service in scenario.services:
        for e in range(rnd.choice([1, 1, 2, 3, 4]) if len(scenario.services) == 1 else rnd.randint(1, 3)):
            names.append((service, e))
    endpoints = len(names)
    volume = exp(rnd.uniform(log(0.2), log(30_000)))
    if rnd.random() < 0.3:
        volume = rnd.choice([1, 2, 5, 20, 50, 101, 1010])
    if scenario.incident is not None:
        volume = exp(rnd.uniform(log(3), log(12 if scenario.is_thin else 150)))
    shares = [rnd.choice([1, 1, 0.3, 0.1, 0.02, 0.005]) for _ in names]
    if scenario.theme == "one percent":
        shares = [1] * len(names)
        volume = endpoints * 101 * rnd.choice([1, 1, 2, 3, 7, 29, 100])
    total_share = sum(shares)
    # Routing of its own: an endpoint that only one side has.
    tilt = {side: [rnd.choice([1, 1, 1, 1, 1, 1, 0, 0.3]) if rnd.random() < 0.3 else 1 for _ in names] for side in ("canary", "stable")}
    if scenario.theme == "stable gone":
        tilt["stable"][-1] = rnd.choice([0, 0, 1])
        tilt["canary"][-1] = 1
        if rnd.random() < 0.5:
            volume = rnd.choice([2, 3, 5, 10, 20, 50])
    other = rnd.choice([0, 0, 0.1, 1, 10])
    if scenario.theme == "one percent":
        tilt = {side: [1] * endpoints for side in tilt}
        other = rnd.choice([0, 0, 1])
    stable_stops = rnd.randrange(count) if rnd.random() < 0.1 else count

    def traffic(mean):
        return max(0, round(mean)) if scenario.fixed_traffic else poisson(rnd, mean)

    totals = {"canary": [], "stable": []}
    for e in range(endpoints):
        mean = volume * shares[e] / total_share
        totals["canary"].append([traffic(mean * w * tilt["canary"][e]) for w in scenario.weights])
        totals["stable"].append(
            [
                traffic(mean * (1 - w) * (1 if w == 0 and scenario.theme == "stable gone" else tilt["stable"][e]))
                if i < stable_stops
                else 0
                for i, w in enumerate(scenario.weights)
            ]
        )
    whole = {side: [sum(totals[side][e][i] for e in range(endpoints)) for i in range(count)] for side in totals}
    for i, w in enumerate(scenario.weights):
        whole["canary"][i] += traffic(other * volume * w)
        whole["stable"][i] += traffic(other * volume * (1 - w)) if i < stable_stops else 0

    if scenario.has_selector:
        kind = rnd.random()
        neither = [0] * count
        if kind < 0.3:
            first = rnd.randrange(count)
            mean = rnd.choice([0.1, 1, volume])
            neither = [traffic(mean) if i >= first else 0 for i in range(count)]
        both = [0] * count
        if rnd.random() < 0.3:
            share = rnd.choice([0.01, 0.05, 0.05, 0.06, 1])
            both = [min(round(share * c) if scenario.fixed_traffic else binomial(rnd, c, share), c) for c in whole["canary"]]
        whole["unmatched"], whole["overlapping"] = neither, both

    facts = {}
    for service in scenario.services:
        facts[service] = (
            rnd.choice([1, 1, 1, 1, 0.5, 0.25, 0.1, 0.01] if scenario.incident is None else [1, 1, 1, 0.5]),
            rnd.choice([1, 1, 1, 1, 2, 3.5, 19] if scenario.incident is None else [1, 1, 1, 2]),
        )

    objectives = {}
    slis = rnd.choice([["availability"]] * 5 + [["availability", "latency"]] * 3 + [["latency"]])
    written = {}
    latencies = [rnd.choice([100, 300]) if rnd.random() < 0.5 else rnd.choice([100, 300, 500, 1000]) for _ in names]
    for sli in slis:
        percent = rnd.choice(OBJECTIVES if scenario.incident is None else OBJECTIVES[-5:])
        per_100k = round((100 - percent) * 1000)
        objectives[sli] = {
            "percent": percent,
            "ratio": (100_000 - per_100k) / 100_000,
            "budget": per_100k / 100_000,
            "budgetPer100k": per_100k,
        }
        p0 = per_100k / 100_000
        bad_rate = rates(rnd, scenario, p0, endpoints)
        has_status = sli == "availability" and rnd.random() < 0.75
        missing_rate = missing_rates(rnd, scenario, endpoints) if has_status else None
        wrong_threshold = rnd.choice(latencies) if sli == "latency" and rnd.random() < 0.2 else None
        # What one query counts and no other does.
        unclassified = rnd.choice([0.0005, 0.01, 0.04]) if rnd.random() < 0.15 else 0
        lost = rnd.random() < 0.03
        late_data = rnd.random() < 0.1
        list_of = []
        for e, (service, number) in enumerate(names):
            sides = {}
            for side in ("canary", "stable"):
                total = [0] * count if lost and side == "canary" else totals[side][e]
                bad, with_status = [], []
                for i in range(count):
                    n = total[i]
                    with_one = n
                    if missing_rate is not None:
                        with_one = n - binomial(rnd, n, missing_rate[side][e][i])
                    with_status.append(with_one)
                    if wrong_threshold is not None and latencies[e] == wrong_threshold:
                        bad.append(n)
                    else:
                        bad.append(binomial(rnd, with_one, bad_rate[side][e][i]))
                if late_data:
                    # Errors of a minute that came before their requests did.
                    i = rnd.randrange(count)
                    bad[i] += rnd.choice([1, 1, 3, total[i]])
                sides[side] = {"total": total, "bad": bad, **({"withStatus": with_status} if has_status else {})}
                if unclassified > 0:
                    rest = [max(0, n - b) for n, b in zip(total, bad)]
                    sides[side]["unclassified"] = [binomial(rnd, round(n), unclassified) for n in rest]
            rate, dispersion = facts[service]
            list_of.append(
                {
                    "service": service,
                    "resource": f"get_/{number}",
                    "label": f"GET /{number}",
                    **({"latencyMs": latencies[e]} if sli == "latency" else {}),
                    "sampleRate": rate,
                    "dispersion": dispersion,
                    **sides,
                }
            )
        written[sli] = list_of

    if "availability" in slis and rnd.random() < (1 if scenario.incident is not None else 0.6):
        written["stableOfServices"] = [
            stable_of_service(rnd, scenario, service, [e for e in written["availability"] if e["service"] == service])
            for service in scenario.services
        ]
    if freshness and rnd.random() < 0.3:
        written["sourceTraffic"] = source_traffic(rnd, scenario, whole, written, volume)
    if freshness and rnd.random() < 0.05:
        written["clockSkewMs"] = rnd.choice([0, 1_500, -20_000, 60_000, -60_000, 60_500, -61_499, 61_500, 3_600_000])
    # Not where "exactly 1%" would hang on the last binary digit.
    if not scenario.fixed_traffic and rnd.random() < 0.03:
        make_fractional(rnd.choice([0.5, 0.25, 0.75]), whole, written)
    to_ms = START_MS + count * MINUTE_MS
    if rnd.random() < 0.5:
        # The newest minute is not over.
        to_ms -= rnd.choice([10, 20, 30, 40, 50]) * 1000
    recent = recent_buckets(rnd, written, count, to_ms - START_MS)
    asked = {}
    if rnd.random() < 0.15:
        asked["sinceMs"] = START_MS + rnd.randrange(-20 * MINUTE_MS, (count + 3) * MINUTE_MS)
        if rnd.random() < 0.5:
            asked["sinceMs"] -= asked["sinceMs"] % MINUTE_MS
    if rnd.random() < 0.15:
        asked["windowMs"] = rnd.randint(1, count) * MINUTE_MS
    measurement = {
        "fromMs": START_MS,
        "toMs": to_ms,
        **recent,
        **({"incompleteMs": rnd.choice([10, 20, 60]) * 1000} if rnd.random() < 0.1 else {}),
        **asked,
        "selectors": {"canary": "version:v2", "stable": "version:v1" if scenario.has_selector else "the rest"},
        **written,
        "whole": whole,
    }
    gate = {
        "rule": "baseline"
        if scenario.theme == "stable blind"
        else "confidence"
        if scenario.incident is not None and rnd.random() < 0.8
        else rnd.choice(["confidence"] * 4 + ["strict"] + ["baseline"] * 2),
        "falseAbort": rnd.choice([0.05, 0.05, 0.05, 0.01, 0.001, 0.2, 0.5]),
        "ruleOutBurn": rnd.choice([14.4, 14.4, 14.4, 1, 2, 6, 100, 1000]),
        **limited_pass(rnd, count),
        "minRequests": rnd.choice([0, 0, 0, 1, 10, 60, 500, 5000]),
        "onLowTraffic": rnd.choice(["inconclusive", "inconclusive", "pass"]),
        **rnd.choice([{}, {"onUnreached": "pass"}, {"onUnreached": "inconclusive"}, {"onUnreached": "inconclusive"}]),
        "window": "rollout",
        "maxWindowMs": count * MINUTE_MS if rnd.random() < 0.95 else rnd.randint(1, count * 60) * 1000,
        "restartGapMs": scenario.gap_ms,
        **(
            {}
            if rnd.random() < 0.4
            else {"minFaultMs": rnd.choice([30, 30, 10, 15, 20, 31, 45, 60, 61, 120, 600]) * 1000}
        ),
        **warm_up(rnd, slis),
        "lagMs": rnd.choice([20_000, 45_000, 90_000]),
    }
    cuj = {
        "name": "journey",
        "title": "Journey",
        "owner": "team",
        "mode": "observe" if rnd.random() < 0.05 else "enforce",
        "endpoints": [
            {
                "service": service,
                "resource": f"get_/{number}",
                "label": f"GET /{number}",
                **({"latencyMs": latencies[e]} if "latency" in slis else {}),
            }
            for e, (service, number) in enumerate(names)
        ],
        "services": scenario.services,
        "sloWindow": "30d",
        "objectives": objectives,
        "sloIds": {},
        "gate": gate,
        "errorBudgetPolicy": [],
    }
    options = {"registryDigest": "sha256:" + "0" * 64}
    if rnd.random() < 0.1:
        options["sliCount"] = len(slis) + rnd.randint(0, 20)
    if rnd.random() < 0.05:
        options["budgetRule"] = {"rule": "strict", "because": "the error budget is spent"}
    return {
        "format": "cuj-gate/verdict-record/v1",
        "cuj": cuj,
        "options": options,
        "measurement": measurement,
    }


def warm_up(rnd, slis):
    if rnd.random() < 0.85:
        return {}
    return {"warmUpMs": {sli: rnd.choice([1, 2, 2, 5, 10]) * MINUTE_MS for sli in slis if rnd.random() < 0.7}}


def limited_pass(rnd, count):
    """Settings of the limited pass; some rollouts never have one, as records from before it."""
    if rnd.random() < 0.3:
        return {}
    minutes = rnd.choice([1, 2, 5, 8, 8, max(1, count // 2), count, count + 1])
    # Also such that the seconds of a newest minute decide.
    seconds = rnd.choice([0, 0, 0, -10, -20, 10, 30])
    return {"passAfterMs": max(1, minutes * 60 + seconds) * 1000, "rulesOutRate": rnd.choice([0.05, 0.05, 0.01, 0.2, 0.5])}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", default="1")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--without-freshness", action="store_true", help="neither sourceTraffic nor clockSkewMs")
    arguments = parser.parse_args()
    for index in range(arguments.first, arguments.count, arguments.step):
        record = measurement_of(random.Random(f"{arguments.seed}:{index}"), not arguments.without_freshness)
        print(json.dumps(record, separators=(",", ":")))


if __name__ == "__main__":
    main()
