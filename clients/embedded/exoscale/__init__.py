"""A fake of Exoscale Dedicated Inference: zones that scale by the embedded cluster's clock."""
