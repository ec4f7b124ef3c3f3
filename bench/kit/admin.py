"""meshcache's admin port."""
import http.client
import json

from .machine import BenchError


def ask(port, target, method="GET"):
    """The content of an answer that is 2xx."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, target)
    response = connection.getresponse()
    content = response.read().decode()
    connection.close()
    if response.status // 100 != 2:
        raise BenchError(f"{method} {target} at the admin port: {response.status} {content.strip()[:200]}")
    return content


def stats(port):
    return json.loads(ask(port, "/stats"))


def metric(port, name):
    """One value of /metrics; `name` with its labels, if it has any."""
    for line in ask(port, "/metrics").splitlines():
        if line.rpartition(" ")[0] == name:
            return float(line.rpartition(" ")[2])
    raise BenchError(f"/metrics has no {name}")
