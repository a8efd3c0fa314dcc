"""What acts by itself inside the embedded cluster: Kthena, autoscaler, endpoints, garbage collection."""
