"""Pure decisions: from what was observed and what is wanted to what to do and what to say; one module a noun.

No I/O, no clock, no log: facts and ``now`` are arguments, so every decision can be tested as a table.
"""
