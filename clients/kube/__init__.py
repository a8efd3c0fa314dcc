"""Kubernetes clusters: reading by list and watch, writing by guarded patch, and the systems on them."""
