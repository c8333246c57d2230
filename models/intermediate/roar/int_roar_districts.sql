{{ roar_documents('district') }}
