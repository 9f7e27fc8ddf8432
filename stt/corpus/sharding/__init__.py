"""Work over a manifest in shards, by processes of this machine or of a cluster, that can be killed and resumed."""
