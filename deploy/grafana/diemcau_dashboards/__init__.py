"""Grafana dashboards as code: what Prometheus reads of the server, drawn for technicians.

``python -m diemcau_dashboards`` writes the JSON that Grafana loads; a test holds it to this code.
The folder is no part of the product: nothing of it is in the wheel.
"""
