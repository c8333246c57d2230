{{ roar_documents('group') }}
