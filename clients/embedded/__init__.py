"""The embedded cluster: a Kubernetes API with controllers and kubelets behind it, on loopback.

It speaks only HTTP to the rest of servegrid.
"""
