"""The node agent: samples a node's GPUs through NVML and serves them as dcgm-exporter would."""
