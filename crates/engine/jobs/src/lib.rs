//! A job graph: declared inputs and outputs, bounded parallelism, logs, clean stops.
