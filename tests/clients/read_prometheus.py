"""Reads a file of node-exporter's textfile collector with Prometheus' own client, and prints it as JSON.

Beside the format, the collector's rules hold (https://github.com/prometheus/node_exporter#textfile-collector): no timestamps,
and no series twice.

    read_prometheus.py FILE
"""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()
families, samples, seen = {}, [], set()
for family in text_string_to_metric_families(text):
    if family.name in families:
        sys.exit(f"{family.name} comes twice")
    if not family.documentation:
        sys.exit(f"{family.name} has no HELP")
    families[family.name] = family.type
    for sample in family.samples:
        series = (sample.name, tuple(sorted(sample.labels.items())))
        if series in seen:
            sys.exit(f"{series} comes twice")
        if sample.timestamp is not None:
            sys.exit(f"{series} has a timestamp")
        seen.add(series)
        samples.append({"name": sample.name, "labels": sample.labels, "value": sample.value})
print(json.dumps({"families": families, "samples": samples}))
