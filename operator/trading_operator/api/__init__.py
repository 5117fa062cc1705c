"""The operator's API: the only definition of our kinds."""
