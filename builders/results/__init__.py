"""What is known of architectures beside their graphs: how long they take, measured here, and figures that others give.

In go a release and tables; out come files in a work directory, which the next assembly makes configs of a release:
`measurements.parquet` and `evaluations.parquet`.
"""
