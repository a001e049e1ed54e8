"""Spark on Delta: session, commits, snapshots, lineage.

Import the modules: this file stays empty so that `catalog`, `lineage` and `storage`, which need no
Spark, can be used where there is none.
"""
