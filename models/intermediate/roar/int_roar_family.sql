{{ roar_documents('family') }}
