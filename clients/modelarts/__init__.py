"""Huawei Cloud ModelArts real-time services (v2 API): their deployments as rows of the fleet."""
