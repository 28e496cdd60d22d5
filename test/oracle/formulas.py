"""The mathematics of docs/verdicts-reference.md, written anew: nothing here is taken from src."""

from fractions import Fraction
from math import exp, expm1, floor, inf, lgamma, log, log1p

EVIDENCE_CAP = 1e12
ODDS_OF_EVIDENCE = [2.0**i for i in range(1, 11)]
ODDS_OF_SHARE = [2.0**i for i in range(1, 8)]
CONFIDENCE = 0.95


def exact(number):
    """A JSON number as the fraction that its decimal digits say."""
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)


def log_sum_exp(logs):
    top = max(logs)
    if top == -inf:
        return -inf
    return top + log(sum(exp(x - top) for x in logs))


def log_mean_exp(logs):
    return log_sum_exp(logs) - log(len(logs))


LOG_K = [log(k) for k in ODDS_OF_EVIDENCE]
_slopes = {}


def _slopes_of(p):
    """log(1 + (k-1)p) of each k; remembered, since few values of p come again and again."""
    found = _slopes.get(p)
    if found is None:
        if len(_slopes) > 10_000:
            _slopes.clear()
        found = _slopes[p] = [log1p((k - 1) * p) for k in ODDS_OF_EVIDENCE]
    return found


def log_evidence(n, e, p):
    """log E(n, e; p)."""
    if n <= 0:
        return 0.0
    return log_mean_exp([e * k - n * s for k, s in zip(LOG_K, _slopes_of(p))])


def log_evidence_at_rates(cells):
    """log E over cells of (n, e, p), each with a rate of its own."""
    logs = [0.0] * len(LOG_K)
    for n, e, p in cells:
        if n > 0:
            logs = [x + e * k - n * s for x, k, s in zip(logs, LOG_K, _slopes_of(p))]
    return log_mean_exp(logs)


def mixture(parts):
    """log of a weighted mean of exp(logs): parts are (weight, log) pairs."""
    return log_sum_exp([log(w) + x for w, x in parts])


FROM_START = 0.9
LARGEST_RATIO = log(100)


def log_restartable(minutes, p, weight, shortcut=True):
    """log D over minutes of (n_t, e_t), each of a weight. With the shortcut, the lower bound where there is no bad event."""
    if not any(n > 0 for n, _ in minutes):
        return 0.0
    waiting = 1 - weight * len(minutes)
    log_waiting = log(waiting) if waiting > 0 else -inf
    if shortcut and not any(e > 0 for n, e in minutes if n > 0):
        return log_waiting
    begun = []
    for log_k, slope in zip(LOG_K, _slopes_of(p)):
        s = -inf
        for n, e in minutes:
            s = log_sum_exp([s, log(weight)]) + min(LARGEST_RATIO, min(e, n) * log_k - n * slope)
            s = min(s, 100 * log(10))
        begun.append(s)
    return log_sum_exp([log_mean_exp(begun), log_waiting])


def with_restarts(log_from_start, log_late):
    return mixture([(FROM_START, log_from_start), (1 - FROM_START, log_late)])


def dispersion(minutes, first_minute):
    """phi of minutes of (n, e) that were seen of stable; the first one is that many minutes after the epoch."""
    blocks = {}
    for i in range(1, len(minutes)):
        (n_0, e_0), (n_1, e_1) = minutes[i - 1], minutes[i]
        block = (first_minute + i) // 10
        if (first_minute + i - 1) // 10 != block or n_0 <= 0 or n_1 <= 0:
            continue
        e_0, e_1 = min(e_0, n_0), min(e_1, n_1)
        share = n_1 / (n_0 + n_1)
        squares, expected = blocks.get(block, (0.0, 0.0))
        blocks[block] = (
            squares + (e_1 - (e_0 + e_1) * share) ** 2,
            expected + (e_0 + e_1) * share * (1 - share),
        )
    found = sorted(squares / expected for squares, expected in blocks.values() if expected > 0)
    if len(found) < 4:
        return 1
    median = found[(len(found) - 1) // 2]
    return 1 if median < 1.5 else min(median, 10)


def capped(log_value):
    return EVIDENCE_CAP if log_value >= log(EVIDENCE_CAP) else exp(log_value)


def log_share(cells):
    """log E_share over cells of (n_c, n_s, e_c, e_s): one for each minute and service."""
    live = [c for c in cells if c[0] > 0 and c[2] + c[3] > 0]
    logs = []
    for r in ODDS_OF_SHARE:
        total = 0.0
        for n_c, n_s, e_c, e_s in live:
            # q/w = r/(r·w + 1 - w) and (1-q)/(1-w) = 1/(r·w + 1 - w)
            denominator = log((r * n_c + n_s) / (n_c + n_s))
            total += e_c * (log(r) - denominator) - e_s * denominator
        logs.append(total)
    return log_mean_exp(logs)


def _fraction(a, b, x):
    """The continued fraction of the incomplete beta (Lentz)."""
    tiny = 1e-300
    c = 1.0
    d = 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    h = d
    for m in range(1, 200_000):
        m2 = 2 * m
        coefficient = m * (b - m) * x / ((a + m2 - 1.0) * (a + m2))
        d = 1.0 + coefficient * d
        d = 1.0 / (d if abs(d) > tiny else tiny)
        c = 1.0 + coefficient / c
        c = c if abs(c) > tiny else tiny
        h *= d * c
        coefficient = -(a + m) * (a + b + m) * x / ((a + m2) * (a + m2 + 1.0))
        d = 1.0 + coefficient * d
        d = 1.0 / (d if abs(d) > tiny else tiny)
        c = 1.0 + coefficient / c
        c = c if abs(c) > tiny else tiny
        delta = d * c
        h *= delta
        if abs(delta - 1.0) < 1e-15:
            return h
    raise ArithmeticError(f"the continued fraction does not end: {a} {b} {x}")


def _stirling_rest(z):
    """lgamma(z) less Stirling's main part; accurate where differences of large lgammas would not be."""
    if z < 20:
        return lgamma(z) - ((z - 0.5) * log(z) - z + 0.9189385332046727)
    z2 = z * z
    return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * z2)) / z2) / z2) / z


def log_beta(a, b):
    """log B(a, b), by Stirling's series where lgamma's would cancel."""
    s = a + b
    main = (a - 0.5) * (log(a) - log(s)) + (b - 0.5) * (log(b) - log(s)) - 0.5 * log(s)
    return main + 0.9189385332046727 + _stirling_rest(a) + _stirling_rest(b) - _stirling_rest(s)


def beta_cdf(a, b, x):
    """I_x(a, b), the chance that Beta(a, b) is at most x."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = a * log(x) + b * log1p(-x) - log_beta(a, b)
    if x < (a + 1) / (a + b + 2):
        return exp(front) * _fraction(a, b, x) / a
    return 1.0 - exp(front) * _fraction(b, a, 1 - x) / b


def beta_quantile(a, b, chance):
    low, high = 0.0, 1.0
    x = a / (a + b)
    lb = log_beta(a, b)
    for _ in range(200):
        f = beta_cdf(a, b, x) - chance
        if f > 0:
            high = x
        else:
            low = x
        density = (a - 1) * log(x) + (b - 1) * log1p(-x) - lb if 0 < x < 1 else -inf
        following = x - f / exp(density) if density > -600 else -1.0
        if not low < following < high:
            # In the logarithm while the lower end is not known: quantiles can be tiny.
            following = (low + high) / 2 if low > 0 else high / 8
        if abs(following - x) <= 1e-13 * x:
            return following
        x = following
    return x


def upper_bound(n, e):
    """One-sided 95% Clopper-Pearson."""
    if n <= 0 or e >= n:
        return 1.0
    if e <= 0:
        return -expm1(log(1 - CONFIDENCE) / n)
    return beta_quantile(e + 1, n - e, CONFIDENCE)


def upper_bound_is_above(n, e, bound):
    """Whether the upper bound is above the given one, without working it out."""
    if bound >= 1:
        return False
    if n <= 0 or e >= n:
        return True
    if e <= 0:
        return n * log1p(-bound) > log(1 - CONFIDENCE)
    return beta_cdf(e + 1, n - e, bound) < CONFIDENCE


def lower_bound_is_above(n, e, bound):
    if e <= 0 or n <= 0:
        return False
    if e >= n:
        return exp(log(1 - CONFIDENCE) / n) > bound
    return beta_cdf(e, n - e + 1, bound) < 1 - CONFIDENCE


def least(low, high, holds):
    """The least whole number of low..high of which `holds` is true, where it is monotone; None without one."""
    if low > high or not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def least_from(start, holds, limit=10**15):
    """As `least`, without an upper end that is known."""
    if holds(start):
        return start
    step = 1
    low = start
    while True:
        high = start + step
        if holds(high):
            return least(low + 1, high, holds)
        if step > limit:
            return None
        low = high
        step *= 2


def webster(weights, seats):
    """So many seats by Webster's method, ties to the first, nobody more than the weight; None where they do not fit."""
    given = [0] * len(weights)
    open_to = [i for i, w in enumerate(weights) if floor(w) > 0]
    while True:
        left = seats - sum(given)
        if left == 0:
            return given
        if not open_to:
            return None
        shares = _webster([weights[i] for i in open_to], left)
        full = [i for i, share in zip(open_to, shares) if share > floor(weights[i])]
        if not full:
            for i, share in zip(open_to, shares):
                given[i] = share
            return given
        for i in full:
            given[i] = floor(weights[i])
        open_to = [i for i in open_to if i not in full]


def _webster(weights, seats):
    """So many seats by Webster's method, ties to the first."""
    total = sum(weights)
    if total <= 0:
        return [0] * len(weights)
    shares = [floor(Fraction(w) * seats / total + Fraction(1, 2)) for w in weights]
    # A rounding by one divisor is Webster's for its own sum; seats are added or taken by priority from there.
    while sum(shares) < seats:
        best = max(range(len(weights)), key=lambda i: (weights[i] / (2 * shares[i] + 1), -i))
        shares[best] += 1
    while sum(shares) > seats:
        held = [i for i in range(len(weights)) if shares[i] > 0]
        worst = min(held, key=lambda i: (weights[i] / (2 * shares[i] - 1), -i))
        shares[worst] -= 1
    return shares
