"""Live mail beside trouble: a dead site with all that waits for it, tarpits, slow names, a million
queued deliveries, and floods at the inbound door. Each measures the live mail alone, then beside the trouble."""

from programs import beside
from rows import Row

# What the noise of a shared machine makes of a p99 of some milliseconds.
NOISE_MS = 5


def dead(options):
    count = 5_000 if options.quick else 100_000
    told = beside(
        options, "--trouble", "dead", "--deliveries", str(count), *pace(options)
    )
    how = f"{count:,} deliveries to a site that hangs up"
    yield later(how, told, 2)
    dials = told["dials_a_minute"]
    result = f"{dials:.1f}, {told['dials']} in all"
    yield Row(how, "at most 5 dials a minute to it", result, dials <= 5 and told["dials"] > 0)


def tarpits(options):
    count = 40 if options.quick else 200
    words = ("--trouble", "tarpit", "--domains", str(count), "--deliveries", str(20 * count))
    told = beside(options, *words, *pace(options))
    how = f"{count} hosts that never greet, 20 deliveries each"
    yield later(how, told, 2)
    dials = told["dials"]
    yield Row(how, "each of them is dialled", f"{dials} connections", dials >= count)


def slow_names(options):
    words = ("--trouble", "slow-dns", "--domains", "100", "--deliveries", "1000", *pace(options))
    how = "100 names that take 30 s to be looked up"
    yield later(how, beside(options, *words), 1.1)
    # Far sooner than anybody would have it: all of them are asked for all the time.
    often = ("--set", "deliver.retry.first=1s", "--set", "deliver.retry.longest=2s")
    yield later(f"{how}, again every second or two", beside(options, *words, *often), 2)


def million(options):
    count = 20_000 if options.quick else 1_000_000
    words = ("--trouble", "dead", "--restart", "--deliveries", str(count))
    told = beside(options, *words, *pace(options))
    how = f"{count:,} deliveries queued to a dead site, then a restart"
    peak, start = told["peak_memory_mib"], told["start_ms"]
    yield Row(how, "memory at most 512 MiB", f"{peak} MiB", peak <= 512)
    yield Row(how, "accepts within 3 s", f"{start / 1000:.2f} s", start <= 3_000)
    yield later(how, told, 2)


def inbound_flood(options):
    rate = 200 if options.quick else 500
    for hosts in (1, 1_000):
        words = ("--trouble", "inbound-flood", "--domains", str(hosts), "--deliveries", str(rate))
        told = beside(options, *words, *pace(options))
        flood = told["flood"]
        how = f"{hosts:,} hosts bring up to {rate} messages a second"
        yield later(how, told, 2)
        result = f"{flood['offered']:,} were offered, {flood['taken']:,} taken"
        yield Row(how, "the door stays open for mail", result, flood["taken"] > 0)


def pace(options):
    return ("--rate", "50", "--seconds", "6" if options.quick else "20")


def later(how, told, factor):
    alone, beside_it = told["alone"], told["beside"]
    before, after = alone["arrival_p99_ms"], beside_it["arrival_p99_ms"]
    lost = beside_it["missing"] + beside_it["refused"] + told["panics"]
    goal = f"live p99 within {factor} × of alone and {NOISE_MS} ms, none missing"
    result = f"{before:.1f} ms alone, {after:.1f} ms beside it; {lost} missing, refused or panics"
    return Row(how, goal, result, after <= factor * before + NOISE_MS and lost == 0)
