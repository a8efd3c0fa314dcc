"""Exoscale Dedicated Inference: the deployments of one zone as rows of the fleet."""
