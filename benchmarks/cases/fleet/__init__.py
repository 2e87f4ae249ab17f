"""A gateway that many machines share: beside its peers, and as several replicas."""
