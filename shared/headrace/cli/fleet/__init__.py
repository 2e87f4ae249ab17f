"""Commands for a gateway that many machines share."""
