"""The contract users see: pydantic models, one module a kind, from which CRDs and reference pages are rendered.

Pure: no I/O, no clock. A field's docstring is its text in ``kubectl explain``: unit, default, whether a change is live.
"""
