"""What the catalog is made of and how it is called: dbt's manifest is read here, and names are known here."""
