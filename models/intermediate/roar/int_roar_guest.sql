{{ roar_documents('guest') }}
