"""The embedded cluster's Kubernetes API server: what is served, stored, checked and streamed."""
