"""Load tests as the console runs them: the one that runs, what the cluster did meanwhile, what is kept."""
