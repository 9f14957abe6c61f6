# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""P11: what a phone waits for when it asks for texts."""

from .callbacks import Caller, make_empty
from .metrics import Row, metric, percentile, take_turns

# Texts that one poll is given, and SMS parts a minute: as phones are set at first, and
# all that wait for one without a limit.
_OFFERED = ((20, 25), (50, 0))
_WARM_UP = 8


def is_there(env):
    """Say whether phones can be set up in this database."""
    return (
        "sms.gateway.device" in env
        and "messages_per_poll" in env["sms.gateway.device"]._fields
        and "smssync" in env["sms.gateway"]._fields["code"].get_values(env)
    )


@metric("P11")
def measure_polls(bench):
    """A phone asks for texts while very many wait; an empty route."""
    with bench.main.env() as env:
        if not is_there(env):
            return
    for most, parts in _OFFERED[: 1 if bench.sizes.pairs == 1 else None]:
        yield _measure(bench, most, parts)


def _measure(bench, most, parts):
    """Return the row of a phone that is given so many texts at once."""
    site, sizes = bench.main, bench.sizes
    site.empty()
    gateway_id, path = _make_phone(site, most, parts)
    polls = max(10, sizes.callbacks // 4) if sizes.pairs > 1 else 3
    # As many more as are taken, so that never fewer wait.
    taken = (_WARM_UP + polls * sizes.pairs) * most
    site.fill(gateway_id, sizes.waiting + taken)
    site.rows(
        "UPDATE sms_gateway_message SET by_device = TRUE WHERE gateway_id = %s",
        gateway_id,
    )
    site.rows("VACUUM ANALYZE sms_gateway_message")
    offered = []
    workers = min(2, sizes.workers)
    with bench.server(site, "polls", workers=workers, cron_threads=0) as server:
        phone = Caller(bench, server, "get", path=path)
        empty = make_empty(bench, server)
        phone.call(_WARM_UP, threads=1)
        empty.call(_WARM_UP)

        def poll():
            # Each poll finds the phone as if its texts had been settled.
            latencies = []
            for _n in range(polls):
                _settle(site, gateway_id)
                latencies += phone.call(1, threads=1)["latencies"]
                offered.append(_count_offered(site, gateway_id))
            return percentile(latencies, 0.95) * 1000

        def nothing():
            latencies = []
            for _n in range(polls):
                latencies += empty.call(1, threads=1)["latencies"]
            return percentile(latencies, 0.95) * 1000

        ours, reference = take_turns(sizes.pairs, poll, nothing)
    site.empty()
    return Row(
        "P11",
        f"Poll of a phone that confirms: {min(offered)} of {sizes.waiting:,}, p95",
        "ms",
        ours,
        reference,
        "an empty route of Odoo, p95",
        ("<=", 2.0),
    )


def _make_phone(site, most, parts):
    """Make a phone that may take so many; return its gateway and where it asks."""
    with site.env() as env:
        gateway = env["sms.gateway"].create(
            {
                "name": "Bench P11",
                "code": "smssync",
                "state": "enabled",
                "company_id": env.ref("base.main_company").id,
            }
        )
        gateway.cron_id.active = False
        device = gateway.device_ids[:1] or env["sms.gateway.device"].create(
            {"name": "Bench", "gateway_id": gateway.id}
        )
        values = {
            "messages_per_poll": most,
            "parts_per_minute": parts,
            "daily_limit": 0,
        }
        device.write({k: v for k, v in values.items() if k in device._fields})
        path = device.poll_url.split("//", 1)[-1]
        path = path[path.index("/") :].rstrip("/") + "/"
        secret = device.secret if "secret" in device._fields else ""
        query = "?task=send" + (f"&secret={secret}" if secret else "")
        return gateway.id, path + query


def _settle(site, gateway_id):
    site.rows(
        "UPDATE sms_gateway_message SET state = 'sent', lease_until = NULL "
        "WHERE gateway_id = %s AND state = 'sending'",
        gateway_id,
    )
    # It confirms what it takes, as far as the hub knows.
    site.rows(
        "UPDATE sms_gateway_device SET unclaimed_offers = 0, acknowledges = 'yes' "
        "WHERE gateway_id = %s",
        gateway_id,
    )


def _count_offered(site, gateway_id):
    [(count,)] = site.rows(
        "SELECT count(*) FROM sms_gateway_message "
        "WHERE gateway_id = %s AND state = 'sending'",
        gateway_id,
    )
    return count
