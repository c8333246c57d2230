"""What the TimeBack analytics catalog needs beside its dbt models: server, loaders, command line."""
