"""Every benchmark, one after the other, and what of the goals was met."""

import alerting
import beat
import cold_import
import common
import daemon
import datagrams
import death
import flood
import growth
import judging
import outbox
import wrapping

if __name__ == "__main__":
    common.main(
        cold_import.measure,
        wrapping.measure,
        beat.measure,
        growth.measure,
        death.measure,
        alerting.measure,
        outbox.measure,
        datagrams.measure,
        flood.measure,
        judging.measure,
        daemon.measure,
    )
