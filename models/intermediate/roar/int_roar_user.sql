{{ roar_documents('user') }}
