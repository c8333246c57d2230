"""The formats that can be loaded: each module is one, and has it as FORMAT (see load.tables.Format)."""
