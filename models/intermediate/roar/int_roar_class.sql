{{ roar_documents('class') }}
