"""deploy/prometheus and deploy/grafana against what a running service really exposes."""

import json
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request

import pytest

from harness.service import ROOT, wait_until

PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "evently.json"
METRIC = re.compile(r"\b(?:evently|process)_[a-z_]+\b")
needs_prometheus = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def promtool(*words):
    return subprocess.run(["promtool", *words], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60)


@needs_promtool
def test_the_rules_are_right_and_ring_when_they_should():
    for words in (("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml")):
        done = promtool(*words)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_the_metrics_are_well_formed(fresh):
    one = fresh()
    one.user.get("/api/v1/events/")
    text = one.anonymous.get("/metrics").text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def exposed(one):
    """Every name in /metrics, also the three of a histogram."""
    return {line.split("{")[0].split(" ")[0] for line in one.anonymous.get("/metrics").text.splitlines() if line[:1] != "#"}


def expressions():
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def test_rules_and_dashboard_ask_for_what_is_there(fresh):
    one = fresh()
    one.user.get("/api/v1/events/")
    there = exposed(one)
    asked = set(METRIC.findall((PROMETHEUS / "rules.yml").read_text())) | {
        name for _, expression in expressions() for name in METRIC.findall(expression)
    }
    asked -= {name for name in asked if name + "_bucket" in there}  # named in a description
    assert len(asked) > 20 and asked <= there, sorted(asked - there)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Prometheus:
    def __init__(self, folder, target):
        self.port = free_port()
        configuration = folder / "prometheus.yml"
        configuration.write_text(
            f"global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}\n"
            f"rule_files: [{PROMETHEUS / 'rules.yml'}]\n"
            f"scrape_configs: [{{job_name: evently, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}]\n"
        )
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=self.log, stderr=self.log,
        )  # fmt: skip

    def get(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


@needs_prometheus
def test_a_real_prometheus_loads_the_rules_and_reads_a_running_service(fresh, tmp_path):
    one = fresh()
    prometheus = Prometheus(tmp_path, one.port)
    try:
        for _ in range(20):
            one.user.get("/api/v1/events/")

        def scraped():
            found = prometheus.get("query", query='up{job="evently"}')
            return found and found["result"] and found["result"][0]["value"][1] == "1"

        wait_until(scraped, 30, "a scrape of the service", interval_s=0.1)

        def evaluated():
            groups = (prometheus.get("rules") or {}).get("groups", [])
            rules = [rule for group in groups for rule in group["rules"]]
            return rules if rules and all(rule["health"] == "ok" for rule in rules) else None

        rules = wait_until(evaluated, 30, "the rules to be evaluated without an error", interval_s=0.1)
        assert len(rules) >= 15
        # Before the first scrape nobody answered, which one rule sees.
        wait_until(lambda: prometheus.get("alerts") == {"alerts": []}, 30, "silence while all is well", interval_s=0.1)
        for title, expression in expressions():
            for variable, value in (("$__rate_interval", "1m"), ("$instance", ".*")):
                expression = expression.replace(variable, value)
            assert prometheus.get("query", query=expression) is not None, f"{title}: {expression}"
        # And it rings when the service is gone.
        one.stop()

        def pending():
            alerts = (prometheus.get("alerts") or {}).get("alerts", [])
            return {alert["labels"]["alertname"] for alert in alerts} >= {"EventlyDown", "EventlyAllDown"}

        wait_until(pending, 30, "the alerts of a service that is away", interval_s=0.1)
    finally:
        prometheus.stop()


def test_the_dashboard_has_no_panel_twice_or_on_another():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) < 24
