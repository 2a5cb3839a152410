"""The pipeline that builds the dataset: crawl -> convert -> extract -> identity -> assemble -> publish.

Data flows one way, and two stages meet in a named type: `ModelRef` (what a hub lists), `Conversion` (how an
attempt to convert it ended), `OperatorGraph` (the architecture), a release directory. The ledger is the one
stateful thing; `builders.pipeline` puts the stages in order.
"""
